"""tinyBIG's flat parameter vectors, of both storage orders, and the layers that they belong to.

A head of tinyBIG keeps one vector w. Its parts, one after the other, row by row:

    reconciliation            parts                                layer
    hm                        A (p, q), B (s, t)                   PHMDense, one term
    lphm                      A (p, q), S (s, r), T                LPHMDense
    dual_lphm                 P (p, r), Q, S (s, r), T             DualLPHMDense, TaylorDualLPHM
    lorr                      A (n, r), B                          LowRankDense
    identity                  W (n, D)                             keras.layers.Dense

Releases up to 0.1.x store Q, T and the B of lorr as (columns, r), releases from 0.2.0 as
(r, columns): a file does not say which. Of hm, lphm and dual_lphm only `layout="tinybig"` gives
tinyBIG's outputs; see `ops.tinybig_layout`.
"""

import re
import warnings

import keras
import numpy as np
from numpy.typing import ArrayLike

from keras_efficient.checks import one_of, positive_integer
from keras_efficient.layers import DualLPHMDense, LowRankDense, LPHMDense, PHMDense, TaylorDualLPHM
from keras_efficient.networks.build import check_layer_weights

# The factors that releases from 0.2.0 store transposed.
_TRANSPOSED = {LPHMDense: "T", DualLPHMDense: "QT", TaylorDualLPHM: "QT", LowRankDense: "B", PHMDense: ""}


def make_layer(
    reconciliation: str,
    inputs: int,
    outputs: int,
    p: int | None = None,
    q: int | None = None,
    r: int | None = None,
    parameters: ArrayLike | None = None,
    release: str = "0.1.0",
) -> keras.layers.Layer:
    """The built layer, without a bias, that computes what a head of tinyBIG computes.

    Args:
        reconciliation: `"hm"`, `"lphm"`, `"dual_lphm"`, `"lorr"` or `"identity"`.
        inputs, outputs: D and n of tinyBIG.
        p, q, r: As in tinyBIG; those that the reconciliation does not have must be None.
        parameters: The flat vector w. None draws it as tinyBIG does: all numbers uniform within
            sqrt(6 / (1 + their count)).
        release: tinyBIG's, for the storage order of `parameters`.

    Raises:
        ValueError: For an unknown reconciliation, a wrong, missing or superfluous size, a vector of another length, or
            more than 2^28 weights.
    """
    inputs, outputs = positive_integer(inputs, "inputs"), positive_integer(outputs, "outputs")
    layer = _unbuilt_layer(reconciliation, outputs, {"p": p, "q": q, "rank": r})
    check_layer_weights(type(layer).__name__, layer.get_config(), inputs)
    layer.build((None, inputs))
    if parameters is None:
        draw_parameters(layer)
    else:
        read_parameters(layer, parameters, release)
    return layer


def _unbuilt_layer(reconciliation, outputs, sizes):
    needed = {"hm": "pq", "lphm": "pqr", "dual_lphm": "pqr", "lorr": "r", "identity": ""}
    one_of(reconciliation, "reconciliation", tuple(needed))
    given = {name: value for name, value in sizes.items() if value is not None}
    wanted = {"rank" if letter == "r" else letter for letter in needed[reconciliation]}
    if "rank" in wanted - set(given) or set(given) - wanted:
        raise ValueError(
            f"`{reconciliation}` takes the sizes {', '.join(needed[reconciliation]) or 'none'}. Received: "
            + ", ".join(f"{'r' if name == 'rank' else name}={value!r}" for name, value in sizes.items())
        )
    if reconciliation == "identity":
        return keras.layers.Dense(outputs, use_bias=False)
    if reconciliation == "lorr":
        return LowRankDense(outputs, **given, use_bias=False)
    layer_class = {"hm": PHMDense, "lphm": LPHMDense, "dual_lphm": DualLPHMDense}[reconciliation]
    return layer_class(outputs, **given, layout="tinybig", use_bias=False)


def read_parameters(layer: keras.layers.Layer, parameters: ArrayLike, release: str = "0.1.0") -> None:
    """Set the factors of a built layer from tinyBIG's flat vector; a bias and scales stay.

    Args:
        layer: One of the layers in this module's table.
        parameters: The vector, of any shape.
        release: The tinyBIG release that wrote it, such as `"0.1.0.post9"` or `"0.2.1"`.

    Raises:
        TypeError: If `layer` is none of these.
        ValueError: If it is not built, has several terms, or the vector another length.
    """
    weights, swapped = _weights(layer), _is_from_0_2(release)
    vector = np.asarray(parameters, "float32").ravel()
    length = sum(int(np.prod(weight.shape)) for weight in weights)
    if vector.size != length:
        raise ValueError(f"`parameters` of layer '{layer.name}' must have {length} numbers. Received: {vector.size}")
    for weight in weights:
        part, vector = np.split(vector, [int(np.prod(weight.shape))])
        transposed = _is_transposed(layer, weight, swapped)
        weight.assign(part.reshape(weight.shape[::-1]).T if transposed else part.reshape(weight.shape))
    _warn_of_other_layout(layer)


def write_parameters(layer: keras.layers.Layer, release: str = "0.1.0") -> np.ndarray:
    """The factors of a built layer as tinyBIG's flat vector; the inverse of `read_parameters`."""
    parts, swapped = [], _is_from_0_2(release)
    for weight in _weights(layer):
        values = keras.ops.convert_to_numpy(weight)
        parts.append((values.T if _is_transposed(layer, weight, swapped) else values).ravel())
    _warn_of_other_layout(layer)
    return np.concatenate(parts)


def draw_parameters(layer: keras.layers.Layer) -> None:
    """Draw the factors as tinyBIG does: Xavier-uniform on its (1, count) vector."""
    weights = _weights(layer)
    bound = np.sqrt(6 / (1 + sum(int(np.prod(weight.shape)) for weight in weights)))
    for weight in weights:
        weight.assign(keras.random.uniform(weight.shape, -bound, bound))


def _weights(layer):
    known = (*_TRANSPOSED, keras.layers.Dense)
    if not isinstance(layer, known):
        names = ", ".join(kind.__name__ for kind in known)
        raise TypeError(f"`layer` must be one of {names}. Received: layer={layer!r}")
    if not layer.built:
        raise ValueError(f"Layer '{layer.name}' must be built first. Received: layer={layer!r}")
    if getattr(layer, "terms", 1) > 1:
        raise ValueError(f"tinyBIG has one term. Received: layer '{layer.name}' with terms={layer.terms}")
    return [layer.kernel] if isinstance(layer, keras.layers.Dense) else layer.factors


def _is_transposed(layer, weight, swapped):
    """Whether the vector holds the weight with its axes swapped; `swapped`: of a release from 0.2.0."""
    if isinstance(layer, keras.layers.Dense):
        return True
    return swapped and any(isinstance(layer, kind) and weight.name in names for kind, names in _TRANSPOSED.items())


def _is_from_0_2(release):
    numbers = re.match(r"(\d+)\.(\d+)", release) if isinstance(release, str) else None
    if numbers is None:
        raise ValueError(f"`release` must be a version such as '0.1.0' or '0.2.1'. Received: release={release!r}")
    return (int(numbers[1]), int(numbers[2])) >= (0, 2)


def _warn_of_other_layout(layer):
    if getattr(layer, "layout", "tinybig") == "kronecker":
        warnings.warn(
            f"Layer '{layer.name}' has layout='kronecker': with the same parameters it computes another function than "
            "tinyBIG, whose products are no Kronecker products. layout='tinybig' gives tinyBIG's outputs.",
            stacklevel=3,
        )
