"""A network whose C is like that of the trained one, before it is trained; and inputs for it."""

import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_efficient.copies import replace_layers
from keras_efficient.descriptions import read_description
from keras_efficient.descriptions.expand import check_input_shape
from keras_efficient.export.integer import IntegerModel
from keras_efficient.networks import build_network
from keras_efficient.quantization import calibrate, quantize_model
from keras_efficient.quantization.modes import has_scales, quantized_layers
from keras_efficient.quantization.own_model.quantize_model import is_quantized
from keras_efficient.reading.network import read_network
from keras_efficient.reading.read import is_model, read_model
from keras_efficient.storage.chains import DEFAULT_INPUT_SHAPE, fixed_shapes

_SAMPLES = 32
_ZEROS = 0.5  # the share that a relu leaves
_BIAS = 0.1  # mean and deviation against the largest outputs: in trained layers, more are above zero than not


def typical_network(model_or_description: Any, input_shape: Any = None) -> keras.Model:
    """A quantized model with scales: that of the user where it has some, else a copy or a new one.

    The C code depends on more than shapes and bits: on how far the steps of kernels, biases and outputs are apart.
    Fresh scales are all 1, which those of no trained network are. So they are calibrated on random inputs, half of them
    zeros, and biases that are all zero get small numbers: their sums would otherwise be left out of the code.
    """
    with _fixed_seeds():
        if is_model(model_or_description):
            model = _of_fixed_shape(model_or_description, input_shape)
        else:
            model = _built(model_or_description, input_shape)
        plain = not is_quantized(read_model(model).operations)
        return model if has_scales(model) and not plain else _with_scales(model, plain)


def typical_inputs(integers: IntegerModel, count: int) -> list[np.ndarray]:
    """Integers for each input: half of them zeros, the others any that the grid has."""
    numbers = np.random.default_rng(0)
    shapes = [(count, *each.shape) for each in integers.inputs]
    return [
        numbers.integers(each.codes.low, each.codes.high + 1, shape) * _some(numbers, shape)
        for each, shape in zip(integers.inputs, shapes, strict=True)
    ]


def _of_fixed_shape(model: keras.Model, input_shape: Any) -> keras.Model:
    """The model, or a copy in which sizes that it leaves open are those of `input_shape`."""
    network = read_network(model)
    shapes = fixed_shapes(network, input_shape)
    is_fixed = [entry.shape for entry in network.entries] == shapes
    return model if is_fixed else replace_layers(model, lambda layer: None, shapes)


def _built(description: Any, input_shape: Any) -> keras.Model:
    if isinstance(description, (str, Path)):
        description = read_description(description)
    if not isinstance(description, (list, tuple)):
        raise TypeError(
            "`model_or_description` must be a built Keras model, or a description: a list, a tuple or the path of a "
            f"file. Received: model_or_description={description!r}"
        )
    stated = getattr(description, "input_shape", None) if input_shape is None else input_shape
    shape = DEFAULT_INPUT_SHAPE if stated is None else check_input_shape(stated)
    return build_network(description, shape, mode="freeze_scales")


@contextmanager
def _fixed_seeds() -> Iterator[None]:
    """The same weights every time, and no trace of it: Keras's initializers take seeds from Python's generator."""
    state = random.getstate()
    random.seed(0)
    try:
        yield
    finally:
        random.setstate(state)


def _with_scales(model: keras.Model, plain: bool) -> keras.Model:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of scales that are missing, of filters that are never positive
        copy = quantize_model(model, input_bits="auto" if plain else None, mode="freeze_scales")
        samples = _samples(copy)
        calibrate(copy, x=samples)
        _fill_biases(copy)
        calibrate(copy, x=samples)
    return copy


def _samples(model: keras.Model) -> np.ndarray | list[np.ndarray]:
    """Inputs of the model: pixels up to 255 where something prepares them, such as a rescaling, else up to 1."""
    numbers = np.random.default_rng(0)
    highest = [255 if entry.preparation else 1 for entry in read_network(model).entries]
    shapes = [(_SAMPLES, *tensor.shape[1:]) for tensor in model.inputs]
    samples = [
        (high * numbers.random(shape) * _some(numbers, shape)).astype("float32")
        for high, shape in zip(highest, shapes, strict=True)
    ]
    return samples if len(samples) > 1 else samples[0]


def _some(numbers: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Factors that make zeros of some numbers."""
    return numbers.random(shape) >= _ZEROS


def _fill_biases(model: keras.Model) -> None:
    """Small numbers in the place of biases that are all zero."""
    numbers = np.random.default_rng(0)
    for layer in quantized_layers(model):
        biases = [each for each in layer.quantizers if each.name.startswith("bias")]
        outputs = [each for each in layer.quantizers if each.weight is None]
        for bias, output in zip(reversed(biases), reversed(outputs), strict=False):
            if bias.weight is not None and not np.any(bias.numpy_values()):
                size = _BIAS * 2.0 ** float(keras.ops.convert_to_numpy(output.scale))
                bias.weight.assign(size * (1 + numbers.standard_normal(bias.weight.shape)))
