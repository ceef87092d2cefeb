"""By what score weights go: magnitude, chance, SNIP, SynFlow."""

from __future__ import annotations

from contextlib import contextmanager

import keras
import numpy as np

from keras_efficient.layers.pruning.kernels import PrunedKernel
from keras_efficient.pruning.updates import prunable_layers, set_masks
from keras_efficient.training.engines.gradients import gradients_of

SYNFLOW_ROUNDS = 100
SNIP_SAMPLES = 256


def prune_kernels(model, kernels: list[PrunedKernel], zeros: int, criterion: str, x, y, random) -> None:
    """Leave exactly `zeros` units of the kernels at zero, those with the smallest scores.

    The scores, each the mean over a unit:

        magnitude    |w|
        random       drawn from `random`
        snip         |w dL/dw|, L the loss of the samples x, y          Lee et al., ICLR 2019
        synflow      w dR/dw of the network of |weights|, R the sum of its outputs for an input of ones; in
                     rounds, round r of n leaves the share (1 - sparsity)^(r / n)      Tanaka et al., 2020
    """
    if criterion == "synflow":
        _synflow(model, kernels, zeros)
        return
    set_masks(kernels, zeros, scores=_SCORES[criterion](model, kernels, x, y, random))


def _magnitude(model, kernels, x, y, random):
    return None


def _random(model, kernels, x, y, random):
    return [random.random(kernel.count) for kernel in kernels]


def _snip(model, kernels, x, y, random):
    x, y = x[:SNIP_SAMPLES], y[:SNIP_SAMPLES]

    def loss():
        outputs = model(keras.ops.convert_to_tensor(x), training=False)
        return keras.ops.mean(model._compile_loss(keras.ops.convert_to_tensor(y), outputs))

    return _sensitivities(model, kernels, loss)


_SCORES = {"magnitude": _magnitude, "random": _random, "snip": _snip}
CRITERIA = (*_SCORES, "synflow")


def check_criterion(criterion: str) -> str:
    """Raise a ValueError unless `criterion` is one of `CRITERIA`."""
    if criterion in CRITERIA:
        return criterion
    raise ValueError(f"`criterion` must be one of {CRITERIA}. Received: criterion={criterion!r}")


def _sensitivities(model, kernels, function):
    """|w dF/dw| of each unit."""
    gradients = gradients_of(model, function)
    return [
        kernel.means(np.abs(gradients[id(kernel.variable)] * keras.ops.convert_to_numpy(kernel.variable)))
        for kernel in kernels
    ]


def _synflow(model, kernels, zeros):
    count = sum(kernel.count for kernel in kernels)
    left = (count - zeros) / count
    ones = np.ones((1, *model.input_shape[1:]), "float32")
    with _linear_end(model) as part, _absolute(model):

        def flow():
            return keras.ops.sum(part(keras.ops.convert_to_tensor(ones), training=False))

        for number in range(1, SYNFLOW_ROUNDS + 1):
            gone = zeros if number == SYNFLOW_ROUNDS else round(count * (1 - left ** (number / SYNFLOW_ROUNDS)))
            gone = max(gone, count - round(sum(kernel.alive().sum() for kernel in kernels)))
            set_masks(kernels, gone, scores=_sensitivities(model, kernels, flow))


@contextmanager
def _absolute(model):
    """All trainable weights without their signs, for a moment."""
    before = [keras.ops.convert_to_numpy(variable) for variable in model.trainable_variables]
    try:
        for variable, value in zip(model.trainable_variables, before, strict=True):
            variable.assign(np.abs(value))
        yield
    finally:
        for variable, value in zip(model.trainable_variables, before, strict=True):
            variable.assign(value)


@contextmanager
def _linear_end(model):
    """The model without the activation of its last layer: outputs of a softmax have a constant sum."""
    last = model.layers[-1]
    if not last.weights and hasattr(last, "input"):
        yield keras.Model(model.inputs, last.input)
        return
    inner = last.layer if last in prunable_layers(model) else last
    activation = getattr(inner, "activation", None)
    try:
        if activation is not None:
            inner.activation = keras.activations.linear
        yield model
    finally:
        if activation is not None:
            inner.activation = activation
