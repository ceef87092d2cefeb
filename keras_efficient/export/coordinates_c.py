"""`export_coordinates_c`: the coordinate file of a model as C, with the code that makes its kernels on the device."""

import math
from pathlib import Path

import keras

from keras_efficient.export.c.layouts import C_FOLDER
from keras_efficient.export.c.text import INDENT
from keras_efficient.export.coordinates import coordinate_records, random_basis_layers
from keras_efficient.export.firmware import check_folder, check_own
from keras_efficient.export.firmware_report import MARK
from keras_efficient.folders import write_together
from keras_efficient.kinds.arguments import path_of
from keras_efficient.version import __version__

BYTES_A_LINE = 24
CODE = ("random_basis.c", "random_basis.h")
DATA = "coordinates.h"


def export_coordinates_c(
    model: keras.Model, directory: str | Path, bits: int | None = None, bias_bits: int | None = None
) -> int:
    """Write a model of random-basis layers as C99; returns the bytes of its coordinates, headers included.

    coordinates.h holds the bytes of `write_coordinates` and the shapes of the kernels; random_basis.c (C99, no memory
    of its own) makes them row by row, so that a device keeps a row and the coordinates of one layer in memory. The
    layers themselves are for the caller to compute.

    Args:
        model, bits, bias_bits: As in `write_coordinates`.
        directory: Where the files go; made if missing.

    Raises:
        ValueError: As `write_coordinates`; a file where the folder goes, or a coordinates.h that this function did
            not write.
    """
    directory = path_of(directory, "directory")
    layers, records = random_basis_layers(model), coordinate_records(model, bits, bias_bits)
    check_folder(directory)
    check_own(directory / DATA)
    content = b"".join(records)
    code = {name: (C_FOLDER / name).read_text(encoding="utf-8") for name in CODE}
    write_together(directory, {**code, DATA: _header(content, [_shape(layer) for layer in layers])})
    return len(content)


def _shape(layer):
    """(receptive, inputs, outputs) of a kernel."""
    return math.prod(layer.kernel_shape[:-2]), *layer.kernel_shape[-2:]


def _header(content, shapes):
    rows = [content[start : start + BYTES_A_LINE] for start in range(0, len(content), BYTES_A_LINE)]
    return "\n".join(
        [
            f"/* {MARK} {__version__}. random_basis.h says how to use it; include this once. */",
            "#ifndef COORDINATES_H",
            "#define COORDINATES_H",
            "",
            '#include "random_basis.h"',
            "",
            f"#define COORDINATES_LAYERS {len(shapes)}",
            f"#define COORDINATES_BYTES {len(content)}",
            "",
            "static const random_basis_kernel coordinates_kernels[COORDINATES_LAYERS] = {",
            *(f"{INDENT}{{{', '.join(map(str, shape))}}}," for shape in shapes),
            "};",
            "",
            "static const uint8_t coordinates_file[COORDINATES_BYTES] = {",
            *(INDENT + ", ".join(map(str, row)) + "," for row in rows),
            "};",
            "",
            "#endif",
            "",
        ]
    )
