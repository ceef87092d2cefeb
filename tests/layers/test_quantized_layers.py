"""The quantized layers keep the layer contract."""

import json

import keras
import numpy as np
import numpy_layers
import pytest
from contract import LayerContract

import keras_efficient as ke

_WEIGHTS = {
    "kernel_initializer": "he_normal",
    "bias_initializer": "ones",
    "kernel_regularizer": "l2",
    "bias_regularizer": "l1",
    "kernel_constraint": "max_norm",
    "bias_constraint": "unit_norm",
}
_BITS = {"kernel_bits": 3, "bias_bits": 6, "activation_bits": 5, "mode": "freeze_scales"}
_KERNEL = {**_BITS, **_WEIGHTS, "activation": "relu", "signed_output": True, "use_bias": False}


class KernelContract(LayerContract):
    weight_names = ("kernel", "kernel_scale", "activation_scale")
    left_out = ("per_channel", "batch_norm", "frozen_statistics")  # in test_folding_layers.py

    def product(self, x, kernel):
        raise NotImplementedError

    def reference(self, x, weights):
        kernel, kernel_scale, activation_scale = weights
        z = np.maximum(self.product(x, numpy_layers.quantize(kernel, 3, kernel_scale)), 0)
        return numpy_layers.quantize(z, 5, activation_scale, signed=True)

    def test_bias_is_quantized_and_added(self):
        layer = self.make(use_bias=True, activation_bits=16)  # fine enough to see the grid of the bias
        kernel, bias, kernel_scale, bias_scale, activation_scale = layer.get_weights()
        assert [w.name for w in layer.weights][1] == "bias"
        z = self.product(self.inputs(), numpy_layers.quantize(kernel, 3, kernel_scale))
        z = np.maximum(z + numpy_layers.quantize(bias, 6, bias_scale), 0)
        y = keras.ops.convert_to_numpy(layer(self.inputs()))
        np.testing.assert_allclose(y, numpy_layers.quantize(z, 16, activation_scale), atol=1e-6)

    @pytest.mark.parametrize(
        "activation, signed_output, signed",
        [
            (None, "auto", True),
            ("linear", "auto", True),
            ("relu", "auto", False),
            ("sigmoid", "auto", False),
            ("tanh", "auto", True),
            (None, False, False),
            ("relu", True, True),
        ],
    )
    def test_signed_output(self, activation, signed_output, signed):
        layer = self.make(activation=activation, signed_output=signed_output)
        assert layer.activation_quantizer.signed is signed
        y = keras.ops.convert_to_numpy(layer(self.inputs() * 10 - 5))
        assert bool(y.min() < 0) is (signed and activation != "relu")

    def test_float_mode_is_the_plain_product(self):
        layer = self.make(mode="float", activation=None)
        expected = self.product(self.inputs(), layer.get_weights()[0])
        np.testing.assert_allclose(keras.ops.convert_to_numpy(layer(self.inputs())), expected, atol=1e-4)

    @pytest.mark.parametrize("name", ["kernel_bits", "bias_bits", "activation_bits"])
    @pytest.mark.parametrize("bits", [0, 17, 2.5, True, "4", None])
    def test_bits_out_of_range_are_refused(self, name, bits):
        with pytest.raises(ValueError, match=f"`{name}` must be an integer from 1 to 16.*Received: {name}="):
            self.layer_class(**{**self.arguments, name: bits})

    def test_wrong_signed_output_is_refused(self):
        with pytest.raises(ValueError, match="`signed_output` must be 'auto', True or False"):
            self.layer_class(**{**self.arguments, "signed_output": "yes"})


class TestDenseQ(KernelContract):
    layer_class = ke.DenseQ
    arguments = {**_KERNEL, "units": 6}
    input_shape = (4, 7)
    output_shape = (4, 6)
    supports_masking = True

    def product(self, x, kernel):
        return x @ kernel

    def test_higher_rank_inputs_work_like_dense(self):
        layer = ke.DenseQ(5)
        assert layer(np.ones((2, 3, 4), "float32")).shape == (2, 3, 5)
        assert layer.compute_output_shape((None, 3, 4)) == (None, 3, 5)

    @pytest.mark.parametrize("units", [0, -1, 2.0, "3", None])
    def test_wrong_units_are_refused(self, units):
        with pytest.raises(ValueError, match="`units` must be a positive integer. Received: units="):
            ke.DenseQ(units)


_BORDER = ((1, 2), (0, 3))


class TestConvQ(KernelContract):
    layer_class = ke.ConvQ
    # In test_dilated_windows (with strides of 1 only), and in test_folding_layers.py.
    left_out = (*KernelContract.left_out, "dilation_rate", "groups")
    arguments = {**_KERNEL, "filters": 5, "kernel_size": (3, 2), "strides": (2, 1), "padding": "same"}
    input_shape = (4, 9, 8, 3)
    output_shape = (4, 5, 8, 5)

    def product(self, x, kernel):
        return numpy_layers.conv(x, kernel, (2, 1), "same")

    @pytest.mark.parametrize("padding", ["valid", "same", _BORDER])
    @pytest.mark.parametrize("strides", [1, 2, (1, 3)])
    def test_windows(self, padding, strides):
        layer = ke.ConvQ(4, (2, 3), strides, padding)
        x = self.inputs()
        y = layer(x)
        expected = numpy_layers.conv(x, layer.get_weights()[0], layer.strides, padding)
        np.testing.assert_allclose(keras.ops.convert_to_numpy(y), expected, atol=1e-5)
        assert layer.compute_output_shape(x.shape) == expected.shape

    @pytest.mark.parametrize("padding", ["valid", "same", _BORDER])
    def test_dilated_windows(self, padding):
        layer = ke.ConvQ(4, (2, 3), padding=padding, dilation_rate=(3, 2))
        x = self.inputs()
        y = layer(x)
        expected = numpy_layers.conv(x, layer.get_weights()[0], (1, 1), padding, (3, 2))
        np.testing.assert_allclose(keras.ops.convert_to_numpy(y), expected, atol=1e-5)
        assert layer.compute_output_shape(x.shape) == expected.shape
        again = ke.ConvQ.from_config(json.loads(json.dumps(layer.get_config())))
        assert (again.dilation_rate, again.padding) == ((3, 2), padding)

    @pytest.mark.parametrize(
        "arguments, message",
        [
            ({"filters": 0, "kernel_size": 3}, "`filters` must be a positive integer"),
            ({"filters": 2, "kernel_size": (3, 0)}, "`kernel_size` must be a positive integer or a pair"),
            ({"filters": 2, "kernel_size": 3, "strides": (1, 2, 3)}, "`strides` must be a positive integer or a pair"),
            ({"filters": 2, "kernel_size": 3, "padding": "full"}, "`padding` must be 'valid' or 'same'"),
            ({"filters": 2, "kernel_size": 3, "padding": (1, -1)}, "padding must be at least 0"),
            ({"filters": 2, "kernel_size": 3, "strides": 2, "dilation_rate": 2}, "`dilation_rate` must be 1 where"),
        ],
    )
    def test_wrong_arguments_are_refused(self, arguments, message):
        with pytest.raises(ValueError, match=f"{message}.*Received"):
            ke.ConvQ(**arguments)

    def test_other_channels_are_refused_after_build(self):
        layer = ke.ConvQ(2, 3)
        layer(np.ones((1, 5, 5, 3), "float32"))
        with pytest.raises(ValueError, match="expected axis -1 of input shape to have value 3"):
            layer(np.ones((1, 5, 5, 4), "float32"))

    def test_vector_input_is_refused(self):
        with pytest.raises(ValueError, match=r"\(batch, rows, columns, channels\).*Received: input shape \(2, 5\)"):
            ke.ConvQ(2, 3)(np.ones((2, 5), "float32"))

    def test_kernel_larger_than_the_input_is_refused(self):
        with pytest.raises(ValueError, match="leaves nothing of its input"):
            ke.ConvQ(2, 5).compute_output_shape((None, 4, 8, 1))


class TestDepthwiseConvQ(KernelContract):
    layer_class = ke.DepthwiseConvQ
    left_out = (*KernelContract.left_out, "dilation_rate")
    arguments = {**_KERNEL, "kernel_size": (3, 2), "depth_multiplier": 2, "strides": (2, 1), "padding": "same"}
    input_shape = (4, 9, 8, 3)
    output_shape = (4, 5, 8, 6)

    def product(self, x, kernel):
        return numpy_layers.depthwise_conv(x, kernel, (2, 1), "same")

    @pytest.mark.parametrize("padding", ["valid", "same", _BORDER])
    @pytest.mark.parametrize("strides", [1, 2, (1, 3), (4, 2), (2, 3)])
    def test_windows(self, padding, strides):
        layer = ke.DepthwiseConvQ((2, 3), 2, strides, padding)
        x = self.inputs()
        y = layer(x)
        expected = numpy_layers.depthwise_conv(x, layer.get_weights()[0], layer.strides, padding)
        np.testing.assert_allclose(keras.ops.convert_to_numpy(y), expected, atol=1e-5)
        assert layer.compute_output_shape(x.shape) == expected.shape

    @pytest.mark.parametrize("padding", ["valid", "same", _BORDER])
    def test_dilated_windows(self, padding):
        layer = ke.DepthwiseConvQ((2, 3), 2, padding=padding, dilation_rate=(3, 2))
        x = self.inputs()
        y = layer(x)
        expected = numpy_layers.depthwise_conv(x, layer.get_weights()[0], (1, 1), padding, (3, 2))
        np.testing.assert_allclose(keras.ops.convert_to_numpy(y), expected, atol=1e-5)
        assert layer.compute_output_shape(x.shape) == expected.shape
        again = ke.DepthwiseConvQ.from_config(json.loads(json.dumps(layer.get_config())))
        assert (again.dilation_rate, again.padding) == ((3, 2), padding)


class TestResidualQ(LayerContract):
    layer_class = ke.ResidualQ
    arguments = {**_BITS, **_WEIGHTS}
    input_shape = (4, 6, 5, 3)
    output_shape = (4, 6, 5, 3)
    weight_names = (
        *("kernel_1", "bias_1", "kernel_2", "bias_2"),
        *("kernel_1_scale", "bias_1_scale", "activation_1_scale"),
        *("kernel_2_scale", "bias_2_scale", "activation_2_scale"),
    )

    def reference(self, x, weights):
        kernel_1, bias_1, kernel_2, bias_2, *scales = weights
        hidden = self._half(x, kernel_1, bias_1, scales[:3], 0)
        return self._half(hidden, kernel_2, bias_2, scales[3:], x)

    def _half(self, x, kernel, bias, scales, skip):
        z = numpy_layers.conv(x, numpy_layers.quantize(kernel, 3, scales[0]), (1, 1), "same")
        z = z + numpy_layers.quantize(bias, 6, scales[1]) + skip
        return numpy_layers.quantize(np.maximum(z, 0), 5, scales[2], signed=False)

    def test_the_two_kernels_start_different(self):
        layer = ke.ResidualQ()
        layer.build((None, 6, 6, 4))
        assert not np.allclose(layer.get_weights()[0], layer.get_weights()[2])


class TestActivationQ(LayerContract):
    layer_class = ke.ActivationQ
    arguments = {"bits": 3, "signed": False, "activation": "elu", "mode": "freeze_scales"}
    input_shape = (4, 6)
    output_shape = (4, 6)
    weight_names = ("activation_scale",)
    supports_masking = True

    def reference(self, x, weights):
        return numpy_layers.quantize(np.where(x > 0, x, np.expm1(x)), 3, weights[0], signed=False)

    @pytest.mark.parametrize("activation", [keras.layers.LeakyReLU(0.25), keras.layers.PReLU(shared_axes=[1])])
    def test_a_layer_is_a_function(self, activation, tmp_path, reloader):
        layer = ke.ActivationQ(5, activation=activation, mode="learn_scales")
        model = keras.Sequential([keras.Input((3, 2)), layer])
        if isinstance(activation, keras.layers.PReLU):
            activation.alpha.assign([[0.25, 0.5]])
        x = np.random.default_rng(0).normal(size=(2, 3, 2)).astype("float32")
        slopes = [0.25, 0.5] if isinstance(activation, keras.layers.PReLU) else 0.25
        expected = numpy_layers.quantize(np.where(x > 0, x, slopes * x), 5, 0)
        np.testing.assert_allclose(model.predict(x, verbose=0), expected, atol=1e-6)
        model.save(tmp_path / "model.keras")
        np.save(tmp_path / "x.npy", x)
        reloader.predict(tmp_path / "model.keras", tmp_path / "x.npy", tmp_path / "y.npy")
        np.testing.assert_allclose(np.load(tmp_path / "y.npy"), expected, atol=1e-6)


class TestAveragePoolingQ(LayerContract):
    layer_class = ke.AveragePoolingQ
    arguments = {"pool_size": (2, 3), "bits": 3, "strides": (2, 1), "padding": "same", "mode": "freeze_scales"}
    input_shape = (4, 8, 9, 2)
    output_shape = (4, 4, 9, 2)

    def reference(self, x, weights):
        ones = numpy_layers.windows(np.ones_like(x), (2, 3), (2, 1), "same").sum((3, 4))
        mean = numpy_layers.windows(x, (2, 3), (2, 1), "same").sum((3, 4)) / ones
        # A last-bit difference of a mean must not decide between two codes.
        return numpy_layers.quantize(mean + 1e-6, 3, 0, signed=False, rounding="floor")

    def test_float_mode_is_the_plain_mean(self):
        layer = self.make(mode="float", padding="valid")
        expected = numpy_layers.windows(self.inputs(), (2, 3), (2, 1), "valid").mean((3, 4))
        np.testing.assert_allclose(keras.ops.convert_to_numpy(layer(self.inputs())), expected, atol=1e-6)

    def test_window_larger_than_the_input_is_refused(self):
        with pytest.raises(ValueError, match="leaves nothing of its input"):
            ke.AveragePoolingQ(9)(np.ones((1, 8, 8, 3), "float32"))

    def test_rounds_down_on_an_unsigned_grid(self):
        x = np.full((1, 2, 2, 1), 15 / 16, "float32")
        layer = ke.AveragePoolingQ(2, bits=2, mode="freeze_scales")
        assert float(keras.ops.convert_to_numpy(layer(x))[0, 0, 0, 0]) == 0.75
        assert float(keras.ops.convert_to_numpy(ke.AveragePoolingQ(2, bits=2)(x))[0, 0, 0, 0]) == 15 / 16
