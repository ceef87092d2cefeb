"""ACDC layers as stages: scales, products with small cosine matrices, moves.

A vector is `groups` blocks of n1 n2 entries. "dct2d" multiplies the rows of a block by the matrix of n2 entries and
its columns by that of n1, which leaves the spectrum transposed; the way back is the same. "dct" is one product with a
matrix of up to 64 x 64. A permutation is a move, or of "dct" the order of the columns of the last matrix.
"""

import math
from collections.abc import Iterator

import numpy as np

from keras_efficient.kinds.cosine import LARGEST_MATRIX, Cosine, grid_shape
from keras_efficient.kinds.measures import FLOAT_BITS, Config, Shape
from keras_efficient.kinds.stages import (
    Map,
    ProductStage,
    down_columns,
    each_place,
    has_inner_grids,
    moved,
    with_inner_grids,
)
from keras_efficient.kinds.steps import Way
from keras_efficient.kinds.windows import read_window


def square_stages(config: Config, shape: Shape) -> tuple[ProductStage, ...]:
    """Of `ACDC`: factors a, d."""
    if not _has_stages(config, shape[-1]):
        return ()
    return with_inner_grids(config, _layer(config, math.prod(shape[:-1]), shape[-1], 0, 0, is_last=True))


def dense_stages(config: Config, shape: Shape) -> tuple[ProductStage, ...]:
    """Of `ACDCDense`: factors a, d (depth, N)."""
    return _deep_stages(config, [], math.prod(shape[:-1]), shape[-1], config["units"], 0)


def convolution_stages(config: Config, shape: Shape) -> tuple[ProductStage, ...]:
    """Of `ACDCConv2D`: factors kernel (where it is not 1x1), a, d."""
    window, channels = read_window(config, "kernel_size", 1), shape[2]
    after = (*window.places(shape), channels)
    first: list[ProductStage] = []
    if window.sizes != (1, 1):
        first = [ProductStage("Convolution", shape, after, 0, (0, 1, 3, 2), slide=window, depthwise=True)]
    elif window.strides != (1, 1):
        ways = (Way(0, step=window.strides[0]), Way(1, step=window.strides[1]), Way(2))
        first = [ProductStage("Move", shape, after, ways=ways)]
    return _deep_stages(
        config, first, math.prod(after[:2]), channels, config["filters"], len(first) and first[0].computes
    )


def why_no_stages(config: Config, size: int) -> str:
    """Why a configuration of layers of `size` entries has no stages, as a sentence."""
    if not has_inner_grids(config):
        return "its inner products are not rounded. Right would be kernel_bits, without inner_bits=False"
    return _obstacle(config, size) or "it has no integers"


def _obstacle(config: Config, size: int) -> str | None:
    block, by_matrix = size // config.get("groups", 1), config.get("transform", "dct") == "dct"
    permutation = config.get("permutation")
    if by_matrix and block > LARGEST_MATRIX:
        return (
            f"transform='dct' has integers of up to {LARGEST_MATRIX} entries. Right would be transform='dct2d'. "
            f"Received: {block} entries"
        )
    if not by_matrix and config.get("order", "paper") != "paper":
        return "transform='dct2d' has integers with order='paper' only. Received: order='inner_riffle'"
    in_matrix = by_matrix and config.get("groups", 1) == 1
    if permutation == "random" and not in_matrix:
        return (
            "a random permutation has integers with transform='dct' and groups=1 only. Right would be "
            "permutation='riffle'"
        )
    if permutation == "riffle" and size % 2 and not in_matrix:
        return f"permutation='riffle' has integers for an even number of entries. Received: {size}"
    return None


def _has_stages(config: Config, size: int) -> bool:
    return has_inner_grids(config) and _obstacle(config, size) is None


def padded_size(config: Config, inputs: int, outputs: int) -> int:
    """Entries of every layer of a stack, which its groups divide: see `DeepLayer`."""
    groups = config.get("groups", 1)
    return -(-max(inputs, outputs) // groups) * groups


def _deep_stages(
    config: Config, first: list[ProductStage], vectors: int, inputs: int, outputs: int, factor: int
) -> tuple[ProductStage, ...]:
    """`factor`: the place of a among the weights."""
    config = {"permutation": "random", **config}
    depth = config.get("depth", 12)
    size = padded_size(config, inputs, outputs)
    if not _has_stages(config, size):
        return ()
    stages = [*first, *_expansion(config, vectors, inputs, size)]
    for row in range(depth):
        stages += _layer(config, vectors, size, row, factor, is_last=row == depth - 1)
    if outputs < size:
        stages.append(moved((1, vectors, size), (1, vectors, outputs), 0, 1, 2))
    return with_inner_grids(config, stages)


def _expansion(config: Config, vectors: int, inputs: int, size: int) -> Iterator[ProductStage]:
    """Zeros, or the inputs again, up to `size` entries."""
    if inputs == size:
        return
    wide = inputs
    if config.get("expand", "tile") == "tile":
        times = -(-size // inputs)
        wide = times * inputs
        ways = (Way(0), Way(1, repeat=times), Way(2))
        yield ProductStage("Move", (vectors, 1, inputs), (vectors, times, inputs), ways=ways)
    if wide != size:
        yield moved((1, vectors, wide), (1, vectors, size), 0, 1, 2)


def _layer(config: Config, vectors: int, size: int, row: int, factor: int, is_last: bool) -> list[ProductStage]:
    """One layer, x diag(a) C diag(d) [R] C' + bias, then its permutation. `row`: of the factors."""
    groups, bias = config.get("groups", 1), config.get("bias", "output")
    permutation = config.get("permutation")
    in_matrix = config.get("transform", "dct") == "dct" and groups == 1 and permutation is not None
    cells: Map = (1, vectors, size)
    forth, back, order = (_by_matrix if config.get("transform", "dct") == "dct" else _by_images)(
        config, vectors * groups, size // groups, in_matrix
    )
    spectrum = tuple((np.arange(groups)[:, None] * (size // groups) + order).ravel().tolist())
    stages = [
        ProductStage("Scale", cells, cells, factor, row=row),
        *forth,
        ProductStage("Scale", cells, cells, factor + 1, row=row, order=spectrum, has_bias=bias == "spectrum"),
        *[stage._replace(row=row) for stage in back],
    ]
    if bias == "output":
        stages.append(ProductStage("Scale", cells, cells, row=row, has_bias=True, permuted=in_matrix))
    stages[-1] = stages[-1]._replace(
        grid="output" if is_last else "between", bits=config.get("activation_bits") or FLOAT_BITS
    )
    if permutation == "riffle" and not in_matrix:
        ways = (Way(0), Way(2), Way(1))
        stages.append(ProductStage("Move", (vectors, size // 2, 2), (vectors, 2, size // 2), ways=ways))
    return stages


def _by_matrix(
    config: Config, blocks: int, size: int, permuted: bool
) -> tuple[list[ProductStage], list[ProductStage], np.ndarray]:
    """The stages to the spectrum and back, and the order of the spectrum."""
    inverse = Cosine(size, True, config.get("order", "paper") != "paper", permuted)
    products = [each_place((1, blocks, size), size)._replace(matrix=matrix) for matrix in (Cosine(size), inverse)]
    return products[:1], products[1:], np.arange(size)


def _by_images(
    config: Config, blocks: int, size: int, permuted: bool
) -> tuple[list[ProductStage], list[ProductStage], np.ndarray]:
    rows, columns = grid_shape(size)
    forth = [each_place((1, blocks * rows, columns), columns)._replace(matrix=Cosine(columns))]
    if rows > 1:
        forth.append(down_columns(blocks, rows, columns, 1, rows)._replace(matrix=Cosine(rows)))
        back = [
            each_place((1, blocks * columns, rows), rows)._replace(matrix=Cosine(rows, True)),
            down_columns(blocks, columns, rows, 1, columns)._replace(matrix=Cosine(columns, True)),
        ]
    else:
        back = [each_place((1, blocks, columns), columns)._replace(matrix=Cosine(columns, True))]
    return forth, back, np.arange(size).reshape(rows, columns).T.ravel()
