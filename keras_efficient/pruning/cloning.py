"""Copies of a model in which some layers are replaced."""

from __future__ import annotations

from collections.abc import Callable

import keras

from keras_efficient.quantization.functional_models import check_model, copy_of

# The new layer, and what the variables of the layer inside it (or of itself) become.
Replacement = tuple[keras.layers.Layer, list]


def rebuild(model: keras.Model, replace: Callable[[keras.layers.Layer], Replacement | None]) -> keras.Model:
    """A model of new layers with the same graph, weights and compile settings (the optimizer starts anew).

    `replace(layer)` gives a new layer and the values of its variables, or None for a plain copy. It is
    asked once a layer, also within nested models.

    Raises:
        TypeError: If the model is not Functional or Sequential: it does not say how it is connected.
    """
    check_model(model)
    values = []

    def clone(layer):
        new, variables = replace(layer) or (copy_of(layer), layer.variables)
        values.append((new, [keras.ops.convert_to_numpy(value) for value in variables]))
        return new

    result = keras.models.clone_model(model, clone_function=clone, recursive=True)
    for layer, numbers in values:
        # A wrapper comes with the values of what it wraps: its own masks are new.
        variables = layer.layer.variables if len(numbers) != len(layer.variables) else layer.variables
        for variable, number in zip(variables, numbers, strict=True):
            variable.assign(number)
    return result
