"""`compress`: a trained dense layer becomes a structured one, by least squares."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import activations

from keras_efficient import layers
from keras_efficient.checks import nearest
from keras_efficient.copies.rebuild import check_model, replace_layers
from keras_efficient.kinds.factors import monarch_sizes
from keras_efficient.layers.acdc.deep_layer import DeepLayer
from keras_efficient.layers.kronecker.factored_layer import FactoredLayer
from keras_efficient.reading.read import read_model

DENSE = (keras.layers.Dense, layers.DenseQ)
SWEEPS = 30  # of the alternating fits
STEPS, RATE = 600, 0.03  # of the fits by gradient
SAMPLES_PER_INPUT = 4


class Compression(NamedTuple):
    """What `compress` gives.

    model: a copy of the model with the new layer. error: ||W - V|| / ||W|| (Frobenius) for the trained
    kernel W and the kernel V of the new layer; of a layer that is not linear the same for outputs on
    normal random inputs, without the bias.
    """

    model: keras.Model
    error: float


def compress(model: keras.Model, layer: str | keras.layers.Layer, into: keras.layers.Layer) -> Compression:
    """A copy of `model` in which one dense layer is a structured one that starts near it.

    The factors of `into` minimize || W - V ||, the squared distance of the kernels:

    * `LowRankDense`: the truncated singular value decomposition; the best there is.
    * `PHMDense`: the same of the kernel with each block as a row (Van Loan & Pitsianis, 1993); the best
      sum of that many Kronecker products.
    * `MonarchDense`: the same of each block of the kernel (Dao et al., 2022); the best there is.
    * `LPHMDense`, `DualLPHMDense`: one factor after the other, each the best for the other, 30 times.
    * `ACDCDense` and the like: 600 steps of Adam on the kernel from the layer's own start, or on outputs
      for normal random inputs where the layer is not linear.

    The bias is kept. Train the new model on: the error says how far it starts from the old one.

    Args:
        model: A built Functional or Sequential model.
        layer: A `Dense` or `DenseQ` of the model on vectors, or its name.
        into: A layer that is not built, of as many units. Without an activation of its own it takes the
            one of `layer`.

    Returns:
        A `Compression`: the new model and the error, `model, error = ke.compress(...)`.

    Raises:
        TypeError: Other models, or an `into` that is no layer.
        ValueError: Layers that are not there, not dense, or of another number of units; an `into` that
            is built already.

    Source: Eckart & Young, 1936 (low rank); Van Loan & Pitsianis, 1993 (Kronecker products); Dao et al., 2022
    (Monarch); the alternating and the gradient fits are this package's.
    """
    check_model(model)
    old = _find_dense(model, layer)
    _check_into(into, old)
    made, activation = _new_layers(old, into)

    def replacement(x):
        return made(x) if activation is None else activation(made(x))

    # Its weights are fitted, not carried over.
    copy = replace_layers(model, lambda layer: (replacement, []) if layer is old else None)
    kernel, bias = _kernel_and_bias(old)
    fit(made, kernel, bias)
    return Compression(copy, relative_error(made, kernel))


def _find_dense(model: keras.Model, layer: str | keras.layers.Layer) -> keras.layers.Layer:
    nodes = read_model(model).operations
    dense = {node.name: node.operation for node in nodes if isinstance(node.operation, DENSE) and node.key}
    name = getattr(layer, "name", layer)
    if name not in dense or len(dense[name].kernel.shape) != 2:
        raise ValueError(
            f"`layer` must be a dense layer of the model, one of {', '.join(dense) or 'none'}. "
            f"Received: layer={name!r}{nearest(name, dense)}"
        )
    return dense[name]


def _kernel_and_bias(dense: keras.layers.Layer) -> tuple[np.ndarray, np.ndarray]:
    """The float kernel and bias of a dense layer, with the batch normalization that it may have taken in."""
    if isinstance(dense, layers.DenseQ):
        kernel, bias = dense.folded_kernel(), dense.folded_bias() if dense.has_bias else None
    else:
        kernel, bias = dense.kernel, dense.bias if dense.use_bias else None
    kernel = keras.ops.convert_to_numpy(kernel).astype(np.float64)
    return kernel, np.zeros(kernel.shape[1]) if bias is None else keras.ops.convert_to_numpy(bias)


def _check_into(into: keras.layers.Layer, old: keras.layers.Layer) -> None:
    if not isinstance(into, keras.layers.Layer) or not hasattr(into, "units"):
        raise TypeError(f"`into` must be a layer with units, such as ke.PHMDense(...). Received: into={into!r}")
    if into.built:
        raise ValueError(f"`into` must be a layer that is not built yet. Received: layer {into.name!r} with weights")
    if into.units != old.units:
        raise ValueError(
            f"`into` must have the units of the layer {old.name!r}, {old.units}. Received: units={into.units}"
        )


def _new_layers(old: keras.layers.Layer, into: keras.layers.Layer) -> tuple[keras.layers.Layer, Any]:
    """The new layer, and the activation after it where it has none for its outputs."""
    config = {**into.get_config(), "name": old.name}
    if isinstance(into, FactoredLayer) and into.activation is activations.linear:
        config["activation"] = activations.serialize(old.activation)
    made = type(into).from_config(config)
    if isinstance(into, FactoredLayer) or old.activation is activations.linear:
        return made, None
    return made, keras.layers.Activation(old.activation, name=f"{old.name}_activation")


def fit(layer: keras.layers.Layer, kernel: np.ndarray, bias: np.ndarray) -> None:
    """Set the weights of a built layer to the kernel (inputs, units) and the bias, as near as they get."""
    direct = FITS.get(type(layer)) if getattr(layer, "layout", "kronecker") == "kronecker" else None
    if direct is None:
        _fit_by_gradient(layer, kernel, bias)
        return
    for factor, values in zip(layer.factors, direct(layer, kernel.T), strict=True):
        factor.assign(values.reshape(factor.shape))
    if layer.bias is not None:
        layer.bias.assign(bias)


def low_rank(matrix: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """L (rows, rank) and R (columns, rank) whose product L R' is nearest to the matrix."""
    u, s, v = np.linalg.svd(matrix, full_matrices=False)
    root = np.sqrt(s[:rank])
    # Of a rank above the matrix's own the rest stays 0.
    left, right = (
        np.pad(each, ((0, 0), (0, rank - each.shape[1]))) for each in (u[:, :rank] * root, v[:rank].T * root)
    )
    return left, right


def _block_rows(matrix: np.ndarray, p: int, q: int) -> np.ndarray:
    """(p q, s t): block (i, j) of the matrix as row i q + j. A Kronecker product is of rank one here."""
    s, t = matrix.shape[0] // p, matrix.shape[1] // q
    return matrix.reshape(p, s, q, t).transpose(0, 2, 1, 3).reshape(p * q, s * t)


def _kronecker_factors(layer: layers.PHMDense, matrix: np.ndarray) -> list[np.ndarray]:
    _, p, q = layer.factors[0].shape
    a, b = low_rank(_block_rows(matrix, p, q), layer.terms)
    return [a.T, b.T]


def _monarch_factors(layer: layers.MonarchDense, matrix: np.ndarray) -> list[np.ndarray]:
    """Block (k, g) of the matrix is R_k' L_g', of the columns that g passes on to k and that no other block has."""
    units, inputs = matrix.shape
    sizes = monarch_sizes(units, inputs, layer.blocks)
    left, right = (np.empty(factor.shape) for factor in layer.factors)
    blocks = matrix.reshape(sizes.blocks, sizes.outputs, sizes.blocks, sizes.inputs)
    for g, k in np.ndindex(sizes.blocks, sizes.blocks):
        columns = np.array(sizes.passed_on(g, k), int)
        second, first = low_rank(blocks[k, :, g], len(columns))
        left[g][:, columns] = first
        right[k][columns * sizes.blocks + g - k * sizes.inner] = second.T
    return [left, right]


def _low_rank_kronecker_factors(layer: layers.LPHMDense | layers.DualLPHMDense, matrix: np.ndarray) -> list[np.ndarray]:
    """A kron S T', with A = P Q' where that is of low rank, too."""

    def parts(values: np.ndarray) -> list[np.ndarray]:
        return list(low_rank(values, layer.rank))

    if isinstance(layer, layers.LPHMDense):
        p, q = layer.factors[0].shape
        return _alternate(matrix, p, q, lambda a: [a], parts)
    p, q = (factor.shape[0] for factor in layer.factors[:2])
    return _alternate(matrix, p, q, parts, parts)


def _alternate(
    matrix: np.ndarray,
    p: int,
    q: int,
    parts_of_a: Callable[[np.ndarray], list[np.ndarray]],
    parts_of_b: Callable[[np.ndarray], list[np.ndarray]],
) -> list[np.ndarray]:
    """The nearest A kron B with A and B made of parts: A is the best for B, B for A, and so on."""
    blocks, s, t = _block_rows(matrix, p, q), matrix.shape[0] // p, matrix.shape[1] // q
    b = low_rank(blocks, 1)[1].ravel()
    for _ in range(SWEEPS):
        first = parts_of_a((blocks @ b / (b @ b)).reshape(p, q))
        a = _product(*first).ravel()
        second = parts_of_b((a @ blocks / (a @ a)).reshape(s, t))
        b = _product(*second).ravel()
    return [*first, *second]


def _product(left: np.ndarray, right: np.ndarray | None = None) -> np.ndarray:
    return left if right is None else left @ right.T


def _fit_by_gradient(layer: keras.layers.Layer, kernel: np.ndarray, bias: np.ndarray) -> None:
    """Adam on all inputs at once: the unit vectors and 0 of a linear layer, else random ones."""
    x = _probes(layer, len(kernel), seed=0)
    y = x @ kernel + bias
    probe = keras.Sequential([keras.Input(x.shape[1:]), layer])
    rate = keras.optimizers.schedules.CosineDecay(RATE, STEPS)
    probe.compile(keras.optimizers.Adam(rate), "mse")
    probe.fit(SameBatch(x.astype("float32"), y.astype("float32"), STEPS), shuffle=False, verbose=0)


class SameBatch(keras.utils.PyDataset):
    """One batch again and again, as the steps of one epoch: Keras does much at the ends of an epoch."""

    def __init__(self, x: np.ndarray, y: np.ndarray, steps: int):
        super().__init__()
        self.batch, self.steps = (x, y), steps

    def __len__(self):
        return self.steps

    def __getitem__(self, index):
        return self.batch


def _probes(layer: keras.layers.Layer, inputs: int, seed: int) -> np.ndarray:
    if _is_linear(layer):
        return np.concatenate([np.eye(inputs), np.zeros((1, inputs))])
    return np.random.default_rng(seed).normal(size=(SAMPLES_PER_INPUT * inputs, inputs))


def _is_linear(layer: keras.layers.Layer) -> bool:
    """Whether a layer is linear before the activation of its outputs."""
    return layer.is_linear if isinstance(layer, DeepLayer) else True


def relative_error(layer: keras.layers.Layer, kernel: np.ndarray) -> float:
    """How far the layer is from the kernel, the bias and the activation of its outputs left out."""
    x = _probes(layer, len(kernel), seed=1).astype("float32")
    outputs = layer.weighted_sums if isinstance(layer, FactoredLayer) else layer
    zeros = keras.ops.convert_to_numpy(outputs(np.zeros_like(x[:1])))
    found = keras.ops.convert_to_numpy(keras.ops.stop_gradient(outputs(keras.ops.convert_to_tensor(x))))
    constant = zeros if _is_linear(layer) else 0
    wanted = x @ kernel
    return float(np.linalg.norm(found - constant - wanted) / np.linalg.norm(wanted))


FITS = {
    layers.LowRankDense: lambda layer, matrix: list(low_rank(matrix, layer.rank)),
    layers.PHMDense: _kronecker_factors,
    layers.MonarchDense: _monarch_factors,
    layers.LPHMDense: _low_rank_kronecker_factors,
    layers.DualLPHMDense: _low_rank_kronecker_factors,
}
