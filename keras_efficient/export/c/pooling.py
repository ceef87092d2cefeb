"""C code of pooling."""

from __future__ import annotations

import numpy as np

from keras_efficient.export.c.cells import index_type, sum_type
from keras_efficient.export.c.placed import PlacedLayer
from keras_efficient.export.c.places import axis_lines, table
from keras_efficient.export.c.program import Program
from keras_efficient.export.c.rounding import rounding_lines
from keras_efficient.export.c.text import function
from keras_efficient.export.integer.operations import AveragePooling, MaxPooling, MeanPooling, mean_limit

Pooling = MaxPooling | AveragePooling | MeanPooling


def pool(program: Program, name: str, placed: PlacedLayer[Pooling]) -> None:
    """The largest index of each window, or a mean of its numbers."""
    layer, places = placed.operation, placed.places(program)
    channels = layer.target.shape[2]
    mean = "0" if isinstance(layer, MaxPooling) else write_mean(program, name.replace("layer", "mean"), layer)
    program.count(channels, *layer.window.source, *layer.window.sizes)
    program.use_places(places[0])
    maps = f"&source, {program.layout(places[0])}, {places[0].finder}, &target, {program.layout(places[1])}"
    lines = [
        program.map("source", placed.source),
        program.map("target", placed.target),
        *axis_lines(layer.window),
        f"network_pool({maps}, &rows, &columns, {channels}, {mean});",
    ]
    program.add(function(f"static void {name}(void)", lines))


def write_mean(program: Program, name: str, layer: AveragePooling | MeanPooling) -> str:
    """The name of the function that makes an index of the sum of a window and the number of its places."""
    if isinstance(layer, AveragePooling):
        kind, lines = _mean_type(layer), _average_lines(layer)
    else:
        kind, lines = sum_type(layer.bound), _product_lines(program, name, layer)
    program.sum_bits = max(program.sum_bits, int(kind.strip("uint_")))
    program.add(function(f"static network_code {name}(network_sum total, network_index places)", lines))
    return name


def _average_lines(layer: AveragePooling) -> list[str]:
    """The sum, shifted and divided."""
    kind = "uint16_t" if layer.window.counts().max() < 2**16 else "uint32_t"
    count = "(void)places;" if layer.window.covers_all else f"const {kind} count = ({kind})places;"
    kind = _mean_type(layer)
    return [count, f"{kind} sum = ({kind})total;", *_mean_lines(layer), "return mean;"]


def _product_lines(program: Program, name: str, layer: MeanPooling) -> list[str]:
    """The sum times a factor, rounded. The factors of windows that reach over the edge stand in a table."""
    kind, factors = sum_type(layer.bound), layer.factors
    factor, least, count = str(factors[-1]), int(np.flatnonzero(factors)[0]), ["(void)places;"]
    if not layer.window.covers_all:
        program.tables.append(table(f"{name}_factors", tuple(factors[least:].tolist())))
        factor, count = f"({kind})NETWORK_TABLE({name}_factors, places - {least})", []
    product = f"const {kind} sum = ({kind})(({kind})total * {factor});"
    result = [f"{index_type(layer.target.codes.bits)} result;", *rounding_lines(layer.rounding, ["sum"], "result")]
    return [*count, product, *result, "return result;"]


def _mean_type(layer: AveragePooling) -> str:
    """The type in which sums, and sums shifted, fit."""
    count = int(layer.window.counts().max())
    limit, shift = mean_limit(count, max(layer.shift, 0), layer.target.codes.high)
    needed = max(layer.sum_bound, min(limit, layer.sum_bound) << shift).bit_length()
    bits = next(bits for bits in (16, 32, 64) if needed <= bits - layer.source.codes.signed)
    return f"{'' if layer.source.codes.signed else 'u'}int{bits}_t"


def _mean_lines(layer: AveragePooling) -> list[str]:
    """`mean`, the index of the output, from `sum` (and `count`)."""
    high, kind = layer.target.codes.high, _mean_type(layer)
    counts = layer.window.counts()
    largest = int(counts.max())
    count = f"{largest}" if layer.window.covers_all else "count"
    unsigned = "u" + kind.lstrip("u")
    lines = [f"{index_type(layer.target.codes.bits)} mean;"]
    if layer.source.codes.signed:
        lines += ["if (sum < 0)", "    sum = 0;"]
    limit, shift = mean_limit(largest, max(layer.shift, 0), high)
    if layer.shift >= 0 and limit < layer.sum_bound:
        lines += [
            f"if (sum > {limit}{'' if limit < 2**15 else 'll'})",
            f"    sum = {limit}{'' if limit < 2**15 else 'll'};",
        ]
    value = f"({unsigned})sum"
    if layer.shift < 0:
        width = int(kind.strip("uint_"))
        value = f"({value} >> {-layer.shift})" if -layer.shift < width else f"({unsigned})0"
    elif shift:
        value = f"({unsigned})({value} << {shift})"
    quotient = value if count == "1" else f"{value} / {count}"
    lines += [
        f"{{ const {unsigned if count != 'count' else wider(unsigned)} quotient = {quotient};",
        f"    mean = ({index_type(layer.target.codes.bits)})(quotient > {high} ? {high} : quotient); }}",
    ]
    return lines


def wider(kind: str) -> str:
    return kind if kind == "uint64_t" else "uint32_t"
