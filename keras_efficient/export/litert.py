"""LiteRT (TensorFlow Lite) files of networks with ACDC layers, in the forms that its converter gets right."""

from __future__ import annotations

import contextlib
import io

import keras
import numpy as np

from keras_efficient.layers import ACDCConv2D
from keras_efficient.layers.acdc.cosine_layer import CosineLayer


def convert_litert(model: keras.Model, samples=None) -> bytes:
    """The bytes of a .tflite file that computes what `model` does, for one sample at a time.

    LiteRT knows no FFT. So ACDC layers with the transform "dct" are written as matrices: a linear
    one as its own (inputs x outputs numbers; a depthwise convolution stays before it), one with an
    activation between its layers as those of the transform (2 N^2 numbers a layer). With "dct2d"
    they stay small products of 2 N numbers a layer: the smallest file, but each layer rounds five
    times, and a deep stack loses more than with "dct".

    Args:
        model: Functional or Sequential model in float mode, with one input.
        samples: Representative inputs, an array (samples, ...). With them weights, sums, input and
            output are int8; without them everything is float32.

    Raises:
        RuntimeError: If Keras runs on another backend than TensorFlow.
        TypeError: If `model` is no built Functional or Sequential model.
        ValueError: If `samples` holds none.
    """
    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            f"LiteRT converts models of the TensorFlow backend. Received: backend {keras.backend.backend()!r}; "
            "save the model, and load it with KERAS_BACKEND=tensorflow"
        )
    if not isinstance(model, keras.Model) or len(getattr(model, "inputs", None) or ()) != 1:
        raise TypeError(
            f"`model` must be a built Functional or Sequential model with one input. Received: model={model!r}"
        )
    if samples is not None and not len(samples):
        raise ValueError(f"`samples` must hold at least one sample. Received: shape {np.shape(samples)}")
    return _converted(_for_one_sample(model), samples)


def _for_one_sample(model):
    """The same network with matrices, for a batch of one."""
    # TensorFlow's own optimizer would compute a chain of constant products only up to some size.
    plain = keras.models.clone_model(model, clone_function=_as_matrices)
    if plain.input_shape[0] == 1:
        return plain
    inputs = keras.Input(batch_shape=(1, *plain.input_shape[1:]), dtype=plain.inputs[0].dtype)
    return keras.Model(inputs, plain(inputs))


def _as_matrices(layer):
    """The layer itself, unless it takes an FFT."""
    if not isinstance(layer, CosineLayer) or layer.transform != "dct":
        return layer
    if layer.is_linear:
        return _separable(layer) if isinstance(layer, ACDCConv2D) and layer.is_depthwise else layer.fold()
    twin = type(layer).from_config({**layer.get_config(), "algorithm": "matmul"})
    twin.build((None, *layer.input.shape[1:]))
    twin.set_weights(layer.get_weights())
    return twin


def _separable(layer):
    """A linear ACDCConv2D as a depthwise convolution and a 1x1; as one convolution where the strides differ."""
    if layer.strides[0] != layer.strides[1]:
        return layer.fold()
    constant = layer.constant()
    plain = keras.layers.SeparableConv2D(
        layer.filters,
        layer.kernel_size,
        layer.strides,
        layer.padding,
        data_format="channels_last",
        use_bias=constant is not None,
        name=f"{layer.name}_folded",
    )
    plain.build(layer.input.shape)
    values = (layer.value_of(layer.kernel), layer.dense_matrix()[None, None], constant)
    plain.set_weights([keras.ops.convert_to_numpy(value) for value in values if value is not None])
    return plain


def _converted(model, samples):
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if samples is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([np.asarray(sample)[np.newaxis]] for sample in samples)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    with contextlib.redirect_stdout(io.StringIO()):  # Keras prints what it exports
        return converter.convert()
