"""Gradients of a function of a model's weights, on whichever backend runs."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np


def gradients_of(model: keras.Model, function: Callable) -> dict[int, np.ndarray]:
    """The gradients of the scalar tensor `function()`, which calls the model: {id(variable): array} of its
    trainable variables; zeros where the function does not depend on one."""
    variables = model.trainable_variables
    gradients = _BACKENDS[keras.backend.backend()](variables, function)
    return {id(variable): gradient for variable, gradient in zip(variables, gradients, strict=True)}


def _tensorflow(variables, function):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        value = function()
    found = tape.gradient(value, [v.value for v in variables], unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return [tf.convert_to_tensor(gradient).numpy() for gradient in found]


def _jax(variables, function):
    import jax

    def of_values(values):
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            return function()

    return [np.asarray(gradient) for gradient in jax.grad(of_values)([variable.value for variable in variables])]


def _torch(variables, function):
    import torch

    found = torch.autograd.grad(function(), [variable.value for variable in variables], allow_unused=True)
    pairs = zip(variables, found, strict=True)
    return [np.zeros(v.shape, "float32") if g is None else g.detach().cpu().numpy() for v, g in pairs]


_BACKENDS = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
