"""Random weights for a network of CMSIS-NN's kernels, and its outputs in numpy: what the kernels have to give."""

import math
from dataclasses import dataclass

import numpy as np

from peers.tiny_networks import INPUT

SEED = 0
ZERO, LOWEST, HIGHEST = 128, -128, 127  # a map's number stands for itself + ZERO
# Both inputs of a sum are multiplied, and the result, before it is shifted: 2^31 is 1.
ADD_LEFT, ADD_RIGHT, ADD_OUT, ADD_UP, ADD_DOWN = 1073741824, 1518500250, 1518500250, 20, -18
_ONE = 2**31
_GAIN = 2  # of a layer: what relu takes, and the mean of the multipliers


@dataclass(frozen=True)
class Numbers:
    """Of a layer: weights in the kernels' order, biases, and multipliers * 2^shift / 2^31, one or one per filter."""

    weights: np.ndarray
    biases: np.ndarray
    multipliers: np.ndarray
    shift: int

    def packed(self, bits):
        """The weights as bytes: of 4 bits two in each, the first one in the lower half."""
        if bits == 8:
            return self.weights
        pairs = np.resize(self.weights, -(-len(self.weights) // 2) * 2).reshape(-1, 2)
        return ((pairs[:, 0] & 15) | pairs[:, 1] << 4).astype(np.int8)


def random_numbers(network, bits):
    """Numbers for each operation; None where it has no weights."""
    random, shapes = np.random.default_rng(SEED), network.shapes
    return [_numbers(each, shapes[each.sources[0]], shapes[each.target], bits, random) for each in network.operations]


def _numbers(operation, source, target, bits, random):
    if operation.kind not in ("dense", "convolution", "depthwise"):
        return None
    window = math.prod(source if operation.kind == "dense" else operation.size)
    window *= source[2] if operation.kind == "convolution" else 1
    # Outputs become as wide as inputs, half of which are the lowest number after relu.
    deviation = 2**bits / math.sqrt(12)
    return Numbers(
        weights=random.integers(1 - 2 ** (bits - 1), 2 ** (bits - 1), window * target[2]),
        biases=random.integers(-500, 500, target[2]),
        multipliers=random.integers(_ONE // 2, _ONE - 1, 1 if operation.kind == "dense" else target[2]),
        shift=round(math.log2(_GAIN / deviation / math.sqrt(window))),
    )


def largest_difference(network, bits, images, outputs):
    """Of what the kernels gave from what numpy gives; at most 1, as they round twice."""
    made = np.array([_outputs(network, bits, image) for image in images])
    return int(np.abs(made - outputs).max())


def _outputs(network, bits, image):
    shapes = network.shapes
    maps = {INPUT: image.reshape(shapes[INPUT]).astype(np.int64)}
    for operation, numbers in zip(network.operations, random_numbers(network, bits), strict=True):
        sources = [maps[name] for name in operation.sources]
        maps[operation.target] = _computed(network, operation, numbers, sources, shapes[operation.target])
    return maps[network.output].reshape(-1)


def _computed(network, operation, numbers, sources, shape):
    first = sources[0]
    if operation.kind == "add":
        left, right = (each + ZERO << ADD_UP for each in sources)
        return _narrowed((left * (ADD_LEFT / _ONE) + right * (ADD_RIGHT / _ONE)) * (ADD_OUT / _ONE) * 2.0**ADD_DOWN)
    if operation.kind in ("average", "maximum"):
        (rows, columns), (high, wide, channels) = operation.size, shape
        windows = first[: high * rows, : wide * columns].reshape(high, rows, wide, columns, channels)
        return windows.max((1, 3)) if operation.kind == "maximum" else _narrowed(windows.mean((1, 3)) + ZERO)
    sums = _dense(first, numbers) if operation.kind == "dense" else _windows(network, operation, numbers, first, shape)
    return _narrowed((sums + numbers.biases) * (numbers.multipliers / _ONE) * 2.0**numbers.shift).reshape(shape)


def _narrowed(numbers):
    return np.clip(np.floor(numbers + 0.5) - ZERO, LOWEST, HIGHEST).astype(np.int64)


def _dense(source, numbers):
    return numbers.weights.reshape(len(numbers.biases), -1) @ (source.reshape(-1) + ZERO)


def _windows(network, operation, numbers, source, shape):
    (rows, columns), stride, (high, wide, filters) = operation.size, operation.stride, shape
    top, left = (network.before(source.shape[i], operation.size[i], stride) for i in range(2))
    padded = np.pad(source + ZERO, ((top, rows + stride), (left, columns + stride), (0, 0)))
    sums = np.zeros(shape, np.int64)
    for row in range(rows):
        for column in range(columns):
            cells = padded[row : row + high * stride : stride, column : column + wide * stride : stride]
            if operation.kind == "depthwise":
                sums += cells * numbers.weights.reshape(rows, columns, filters)[row, column]
            else:
                sums += cells @ numbers.weights.reshape(filters, rows, columns, -1)[:, row, column].T
    return sums
