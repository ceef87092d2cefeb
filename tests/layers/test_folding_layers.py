"""A scale a filter, and a batch normalization folded into the kernel: the contract once more, and what they mean."""

import json

import keras
import numpy as np
import numpy_layers
import pytest
from contract import LayerContract

import keras_efficient as ke

EPSILON = 0.01
_BITS = {"kernel_bits": 3, "bias_bits": 6, "activation_bits": 5, "mode": "freeze_scales"}
_PARTS = {
    "kernel_initializer": "he_normal",
    "bias_initializer": "ones",
    "kernel_regularizer": "l2",
    "bias_regularizer": "l1",
    "kernel_constraint": "max_norm",
    "bias_constraint": "unit_norm",
}


def batch_norm():
    return keras.layers.BatchNormalization(epsilon=EPSILON, momentum=0.5)


class FoldingContract(LayerContract):
    weight_names = (
        *("kernel", "kernel_scale", "bias_scale", "activation_scale"),
        *("gamma", "beta", "moving_mean", "moving_variance"),
    )

    fixed_weights = ("moving_mean", "moving_variance")

    def make(self, **overrides):
        layer = super().make(**overrides)
        if layer.batch_norm is not None:
            gamma, beta, mean, variance = layer.batch_norm.get_weights()
            layer.batch_norm.set_weights([gamma, beta, mean, np.abs(variance) + 0.1])
        return layer

    def product(self, x, kernel):
        raise NotImplementedError

    def by_output(self, numbers, kernel_shape):
        """One number an output, in the shape of the kernel's last axes."""
        return numbers

    def reference(self, x, weights):
        kernel, kernel_scale, bias_scale, activation_scale, gamma, beta, mean, variance = weights
        gain = gamma / np.sqrt(variance + EPSILON)
        kernel = numpy_layers.quantize(kernel * self.by_output(gain, kernel.shape), 3, kernel_scale)
        z = self.product(x, kernel) + numpy_layers.quantize(beta - mean * gain, 6, bias_scale)
        return numpy_layers.quantize(np.maximum(z, 0), 5, activation_scale, signed=True)

    def test_float_mode_is_the_layer_and_its_batch_normalization(self):
        layer = self.make(mode="float", activation=None)
        kernel, *_, gamma, beta, mean, variance = layer.get_weights()
        expected = (self.product(self.inputs(), kernel) - mean) * gamma / np.sqrt(variance + EPSILON) + beta
        np.testing.assert_allclose(keras.ops.convert_to_numpy(layer(self.inputs())), expected, rtol=1e-4, atol=1e-4)

    def test_statistics_move_in_float_mode_only(self):
        cases = (("float", False, True), ("float", True, False), ("learn_scales", False, False))
        for mode, frozen, moves in (*cases, ("freeze_scales", False, False)):
            model, layer = self.model(mode=mode, frozen_statistics=frozen)
            model.compile("sgd", "mse")
            before = layer.batch_norm.get_weights()[2:]
            model.fit(self.inputs(), np.zeros(self.output_shape), verbose=0)
            after = layer.batch_norm.get_weights()[2:]
            assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True)) is not moves

    def test_each_filter_rounds_on_its_own_grid(self):
        layer = self.make(batch_norm=None, use_bias=True)
        kernel = layer.get_weights()[0]
        scale = layer.kernel_quantizer.scale
        assert scale.shape == kernel.shape[-len(scale.shape) :] and len(scale.shape) >= 1
        scales = np.arange(scale.shape[-1]) % 3 - 1.0
        scale.assign(np.broadcast_to(scales, scale.shape))
        rounded = keras.ops.convert_to_numpy(layer.quantize_weight(layer.kernel_quantizer))
        for number, each in enumerate(scales):
            expected = numpy_layers.quantize(kernel[..., number], 3, each)
            np.testing.assert_array_equal(rounded[..., number], expected)

    def test_what_is_no_batch_normalization_is_refused(self):
        with pytest.raises(TypeError, match="`batch_norm` must be a keras.layers.BatchNormalization or None. Received"):
            self.layer_class(**{**self.arguments, "batch_norm": "yes"})
        with pytest.raises(ValueError, match="over the last axis only. Received: batch_norm with axis=1"):
            layer = self.layer_class(**{**self.arguments, "batch_norm": keras.layers.BatchNormalization(axis=1)})
            layer.build((4, 8, 8, 3)[: len(self.input_shape) - 1] + (3,) if len(self.input_shape) > 2 else (4, 5, 3))


def arguments(**more):
    parts = {"activation": "relu", "signed_output": True, "use_bias": False}
    folded = {"per_channel": True, "batch_norm": batch_norm(), "frozen_statistics": True}
    return {**_BITS, **_PARTS, **parts, **folded, **more}


class TestDenseQ(FoldingContract):
    layer_class = ke.DenseQ
    arguments = arguments(units=6)
    input_shape = (4, 7)
    output_shape = (4, 6)
    supports_masking = True

    def product(self, x, kernel):
        return x @ kernel


class TestScaleQ(FoldingContract):
    layer_class = ke.ScaleQ
    arguments = arguments()
    input_shape = (4, 2, 12)  # with few channels relu may leave none
    output_shape = (4, 2, 12)
    supports_masking = True

    def product(self, x, kernel):
        return x * kernel

    def test_starts_as_its_input_and_takes_any_rank(self):
        for shape in ((2, 3), (2, 4, 4, 3), (2, 2, 2, 4, 3)):
            x = np.random.default_rng(0).normal(size=shape).astype("float32")
            np.testing.assert_array_equal(keras.ops.convert_to_numpy(ke.ScaleQ()(x)), x)
        with pytest.raises(ValueError, match=r"needs inputs of shape \(batch, ..., inputs\) with a known"):
            ke.ScaleQ()(keras.Input((None,)))


class TestConvQ(FoldingContract):
    layer_class = ke.ConvQ
    left_out = ("dilation_rate",)  # in test_quantized_layers.py
    arguments = arguments(filters=6, groups=3, kernel_size=(3, 2), strides=2, padding="same")
    output_shape = (4, 4, 4, 6)

    def product(self, x, kernel):
        return numpy_layers.conv(x, kernel, (2, 2), "same", groups=3)


class TestDepthwiseConvQ(FoldingContract):
    layer_class = ke.DepthwiseConvQ
    left_out = ("dilation_rate",)  # in test_quantized_layers.py
    arguments = arguments(kernel_size=3, depth_multiplier=2, strides=2, padding="same")
    output_shape = (4, 4, 4, 6)

    def product(self, x, kernel):
        return numpy_layers.depthwise_conv(x, kernel, (2, 2), "same")

    def by_output(self, numbers, kernel_shape):
        return numbers.reshape(kernel_shape[-2:])


class TestDepthwiseConv1DQ(FoldingContract):
    layer_class = ke.DepthwiseConv1DQ
    left_out = ("dilation_rate",)
    arguments = arguments(kernel_size=3, depth_multiplier=2, strides=2, padding="same")
    input_shape = (4, 9, 3)
    output_shape = (4, 5, 6)

    def product(self, x, kernel):
        return numpy_layers.depthwise_conv(x[:, None], kernel[None], (1, 2), "same")[:, 0]

    def by_output(self, numbers, kernel_shape):
        return numbers.reshape(kernel_shape[-2:])

    def test_dilated_windows(self):
        layer = ke.DepthwiseConv1DQ(3, 2, padding="causal", dilation_rate=2)
        x = self.inputs()
        y = keras.ops.convert_to_numpy(layer(x))
        kernel = layer.get_weights()[0][None]
        expected = numpy_layers.depthwise_conv(x[:, None], kernel, (1, 1), ((0, 0), (4, 0)), (1, 2))[:, 0]
        np.testing.assert_allclose(y, expected, atol=1e-5)


class TestConv1DQ(FoldingContract):
    layer_class = ke.Conv1DQ
    left_out = ("dilation_rate",)  # with strides of 1 only: in test_dilated_windows
    arguments = arguments(filters=6, groups=3, kernel_size=3, strides=2, padding="same")
    input_shape = (4, 9, 3)
    output_shape = (4, 5, 6)

    def product(self, x, kernel):
        return numpy_layers.conv(x[:, None], kernel[None], (1, 2), "same", groups=3)[:, 0]

    @pytest.mark.parametrize("padding, zeros", [("causal", (4, 0)), ((1, 3), (1, 3)), ("valid", (0, 0))])
    def test_dilated_windows(self, padding, zeros):
        layer = ke.Conv1DQ(4, 3, padding=padding, dilation_rate=2)
        x = self.inputs()
        y = keras.ops.convert_to_numpy(layer(x))
        kernel = layer.get_weights()[0][None]
        expected = numpy_layers.conv(x[:, None], kernel, (1, 1), ((0, 0), zeros), (1, 2))[:, 0]
        np.testing.assert_allclose(y, expected, atol=1e-5)
        assert layer.compute_output_shape(x.shape) == expected.shape
        again = ke.Conv1DQ.from_config(json.loads(json.dumps(layer.get_config())))
        assert (again.dilation_rate, again.padding) == (2, padding)

    def test_inputs_of_another_rank_are_refused(self):
        with pytest.raises(ValueError, match=r"needs inputs of shape \(batch, steps, channels\).*Received"):
            ke.Conv1DQ(2, 3)(np.ones((1, 8, 8, 3), "float32"))
        with pytest.raises(ValueError, match="leaves nothing of its input"):
            ke.Conv1DQ(2, 9)(np.ones((1, 8, 3), "float32"))

    def test_groups_that_do_not_divide_are_refused(self):
        with pytest.raises(ValueError, match="`groups` must divide the 3 channels .* and the 4 filters. Received: gr"):
            ke.Conv1DQ(4, 3, groups=3)(np.ones((1, 8, 3), "float32"))


class TransposedContract(FoldingContract):
    left_out = ("dilation_rate",)  # in test_equals_keras, with strides of 1 only

    def by_output(self, numbers, kernel_shape):
        return numbers[:, None]

    def test_each_filter_rounds_on_its_own_grid(self):
        layer = self.make(batch_norm=None, use_bias=True)
        kernel, scales = layer.get_weights()[0], np.arange(5) % 3 - 1.0
        layer.kernel_quantizer.scale.assign(scales[:, None])
        rounded = keras.ops.convert_to_numpy(layer.quantize_weight(layer.kernel_quantizer))
        for number, each in enumerate(scales):
            expected = numpy_layers.quantize(kernel[..., number, :], 3, each)
            np.testing.assert_array_equal(rounded[..., number, :], expected)

    @pytest.mark.parametrize("added", [-1, 2, "a", 0.5, (1, 1, 1)])
    def test_wrong_output_padding_is_refused(self, added):
        with pytest.raises(ValueError, match=r"output_padding must be (at least 0 and less than|an integer).*Received"):
            self.layer_class(2, 3, 2, output_padding=added)
        with pytest.raises(ValueError, match="`padding` must be 'valid' or 'same'. Received: padding="):
            self.layer_class(2, 3, padding=(1, 1))


class TestConv2DTransposeQ(TransposedContract):
    layer_class = ke.Conv2DTransposeQ
    arguments = arguments(filters=5, kernel_size=(3, 4), strides=(2, 3), padding="same", output_padding=(0, 2))
    output_shape = (4, 15, 23, 5)

    def product(self, x, kernel):
        return numpy_layers.conv_transpose(x, kernel, (2, 3), (15, 23))

    @pytest.mark.parametrize("padding", ["valid", "same"])
    @pytest.mark.parametrize("settings", [{"strides": (3, 2)}, {"dilation_rate": (2, 3)}, {"strides": 5}])
    def test_equals_keras(self, padding, settings):
        plain = keras.layers.Conv2DTranspose(4, (3, 2), padding=padding, **settings)
        layer = ke.Conv2DTransposeQ(4, (3, 2), padding=padding, **settings)
        y = keras.ops.convert_to_numpy(plain(self.inputs()))
        layer.build(self.input_shape)
        layer.kernel.assign(plain.kernel)
        np.testing.assert_allclose(keras.ops.convert_to_numpy(layer(self.inputs())), y, atol=1e-5)
        assert layer.compute_output_shape(self.input_shape) == y.shape


class TestConv1DTransposeQ(TransposedContract):
    layer_class = ke.Conv1DTransposeQ
    arguments = arguments(filters=5, kernel_size=4, strides=3, padding="same", output_padding=2)
    input_shape = (4, 9, 3)
    output_shape = (4, 26, 5)

    def product(self, x, kernel):
        return numpy_layers.conv_transpose(x[:, None], kernel[None], (1, 3), (1, 26))[:, 0]

    def test_nothing_is_no_output(self):
        with pytest.raises(ValueError, match="output_padding=0 leaves nothing of its input. Received"):
            ke.Conv1DTransposeQ(2, 2, 2, "same", output_padding=0).compute_output_shape((None, 1, 3))
