"""C code of residual blocks: two convolutions, the second one row after the first."""

from __future__ import annotations

from keras_efficient.export.c.cells import Cells
from keras_efficient.export.c.convolution import StoredWeights, Sums, write_pixel
from keras_efficient.export.c.places import Places
from keras_efficient.export.c.program import Program
from keras_efficient.export.c.text import function
from keras_efficient.export.integer.operations import Residual


def residual(
    program: Program,
    number: str,
    layer: Residual,
    weights: tuple[StoredWeights, StoredWeights],
    cells: tuple[Cells, Cells, Cells],
    places: tuple[Places, Places],
    inner_pixels: int,
) -> None:
    """Functions for a pixel of either convolution, and the loop over both.

    `cells`: source, ring of inner pixels, target. `places`: of the source, of the target; the order
    of the target is that of both convolutions.
    """
    (source, inner, target), (rows, columns, channels) = cells, layer.source.shape
    kept = 0 if inner_pixels >= rows * columns else inner_pixels
    first = Sums(f"{number}_inner", layer.first, weights[0], source, inner, places[0])
    second = Sums(number, layer.second, weights[1], inner, target, places[1], kept, (source, places[0]))
    pixels = ", ".join(write_pixel(program, sums) for sums in (first, second))
    order = program.use_places(places[1])
    call = f"network_residual({program.layout(order)}, {order.finder}, {kept}, {channels}, {pixels});"
    program.add(function(f"NETWORK_LAYER void network_layer_{number}(void)", [call]))
