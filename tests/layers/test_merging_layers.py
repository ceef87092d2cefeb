"""Sums, concatenations, means and the grid of the input keep the layer contract."""

import keras
import numpy as np
import numpy_layers
import pytest
from compiling import check_predictions
from contract import LayerContract

import keras_efficient as ke
from keras_efficient.kinds.windows import mean_reciprocal


class TestInputQ(LayerContract):
    layer_class = ke.InputQ
    left_out = ("activation",)  # an `InputQ` has none
    arguments = {"bits": 3, "signed": True, "mode": "freeze_scales"}
    input_shape = (4, 6)
    output_shape = (4, 6)
    weight_names = ("activation_scale",)
    supports_masking = True

    def reference(self, x, weights):
        return numpy_layers.quantize(x, 3, weights[0])


class TestMeanPoolingQ(LayerContract):
    layer_class = ke.MeanPoolingQ
    arguments = {
        "pool_size": (2, 4),
        "strides": (2, 1),
        "activation_bits": 5,
        "signed_output": False,
        "mode": "freeze_scales",
    }
    left_out = ("padding",)
    input_shape = (4, 8, 9, 2)
    output_shape = (4, 4, 6, 2)
    weight_names = ("activation_scale",)

    def reference(self, x, weights):
        means = numpy_layers.windows(x, (2, 4), (2, 1), "valid").mean((3, 4))
        return numpy_layers.quantize(means, 5, weights[0], signed=False)

    def test_signals(self):
        x = np.random.default_rng(0).normal(size=(2, 9, 3)).astype("float32")
        y = keras.ops.convert_to_numpy(ke.MeanPoolingQ(2, strides=3)(x))
        np.testing.assert_allclose(y, keras.layers.AveragePooling1D(2, 3)(x), atol=1e-6)
        assert ke.MeanPoolingQ(2, strides=3).compute_output_shape((None, 9, 3)) == (None, 3, 3)

    def test_reciprocals_have_eight_digits(self):
        x = np.ones((1, 3, 3, 1), "float32")
        layer = ke.MeanPoolingQ(3, activation_bits=16, signed_output=False, mode="freeze_scales")
        layer.build(x.shape)
        layer.activation_quantizer.scale.assign(1.0)  # nine times 228 / 2048 is a little more than 1
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer(x)).ravel(), np.float32(9 * 228 / 2048))

    @pytest.mark.parametrize(
        "arguments, message",
        [
            ({"padding": "full"}, "`padding` must be 'valid' or 'same'"),
            ({"pool_size": 0}, "`pool_size` must be a positive"),
        ],
    )
    def test_wrong_arguments(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            ke.MeanPoolingQ(**arguments)

    @pytest.mark.parametrize("size, strides", [((2, 3), (1, 2)), (3, 2), (9, 1), (2, 5)])
    def test_windows_over_the_edge_count_what_is_on_the_map(self, size, strides):
        x = np.random.default_rng(0).integers(-8, 9, (2, 7, 6, 3)).astype("float32") / 8
        ones = np.ones_like(x[..., :1])
        sides, steps = (pair if isinstance(pair, tuple) else (pair, pair) for pair in (size, strides))
        sums, counts = (numpy_layers.windows(each, sides, steps, "same").sum((3, 4)) for each in (x, ones))
        layer = ke.MeanPoolingQ(size, 12, strides, "same")
        np.testing.assert_allclose(keras.ops.convert_to_numpy(layer(x)), sums / counts, rtol=1e-5, atol=1e-6)
        layer = ke.MeanPoolingQ(size, 12, strides, "same", mode="freeze_scales")
        expected = numpy_layers.quantize(sums * np.vectorize(lambda count: mean_reciprocal(int(count)))(counts), 12, 0)
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer(x)), expected)

    def test_signals_over_the_edge_of_unknown_length(self):
        model = keras.Sequential([keras.Input((None, 2)), ke.MeanPoolingQ(3, 8, 2, "same")])
        x = np.random.default_rng(0).normal(size=(2, 8, 2)).astype("float32")
        means = [x[:, first : first + 3].mean(1) for first in range(0, 8, 2)]
        np.testing.assert_allclose(keras.ops.convert_to_numpy(model(x)), np.stack(means, 1), atol=1e-6)

    def test_a_pair_is_for_images(self):
        with pytest.raises(ValueError, match=r"`pool_size` must be a positive integer. Received: pool_size=\(2, 2\)"):
            ke.MeanPoolingQ((2, 2))(np.ones((1, 8, 2), "float32"))


class TestGlobalMeanPoolingQ(LayerContract):
    layer_class = ke.GlobalMeanPoolingQ
    arguments = {"activation_bits": 5, "signed_output": False, "keepdims": True, "mode": "freeze_scales"}
    input_shape = (4, 4, 8, 3)
    output_shape = (4, 1, 1, 3)
    weight_names = ("activation_scale",)

    def reference(self, x, weights):
        return numpy_layers.quantize(x.mean((1, 2), keepdims=True), 5, weights[0], signed=False)

    def test_unknown_sizes_stay_unknown(self):
        assert self.make().compute_output_shape((None, None, None, 3)) == (None, 1, 1, 3)
        assert ke.GlobalMeanPoolingQ().compute_output_shape((None, 9, 3)) == (None, 3)

    @pytest.mark.parametrize("layer", [ke.GlobalMeanPoolingQ(8), ke.MeanPoolingQ(32, 8)], ids=lambda layer: layer.name)
    def test_sums_of_half_precision_do_not_overflow(self, layer):
        layer = type(layer).from_config({**layer.get_config(), "dtype": "mixed_float16"})
        y = layer(np.full((1, 32, 32, 2), 100.0, "float32"))
        assert keras.backend.standardize_dtype(y.dtype) == "float16"
        np.testing.assert_allclose(keras.ops.convert_to_numpy(y).ravel(), [100, 100], rtol=1e-3)

    def test_an_unknown_number_of_places_is_refused(self):
        with pytest.raises(ValueError, match=r"must be known. Received: input shape \(None, None, 3\)"):
            ke.GlobalMeanPoolingQ()(keras.Input((None, 3)))

    def test_vectors_are_refused(self):
        with pytest.raises(ValueError, match="with places between. Received"):
            ke.GlobalMeanPoolingQ()(np.ones((2, 3), "float32"))


_FROZEN = {"activation_bits": 5, "mode": "freeze_scales"}
_MERGING = {
    "AddQ": (lambda: ke.AddQ("relu", signed_output=True, **_FROZEN), lambda x, y: np.maximum(x + y, 0)),
    "AverageQ": (lambda: ke.AverageQ(**_FROZEN), lambda x, y: (x + y) / 2),
    "ConcatenateQ": (
        lambda: ke.ConcatenateQ(signed_output=False, **_FROZEN),
        lambda x, y: np.concatenate([x, y], axis=-1),
    ),
    "ConcatenateQ along steps": (
        lambda: ke.ConcatenateQ(axis=1, **_FROZEN),
        lambda x, y: np.concatenate([x, y], axis=1),
    ),
    "MaximumQ": (lambda: ke.MaximumQ(**_FROZEN), np.maximum),
    "MinimumQ": (lambda: ke.MinimumQ(**_FROZEN), np.minimum),
    "MultiplyQ": (lambda: ke.MultiplyQ(**_FROZEN), np.multiply),
    "SubtractQ": (lambda: ke.SubtractQ(signed_output=False, **_FROZEN), np.subtract),
}


class TestMerging:
    """The contract's checks are for one input; these are the same for two."""

    @pytest.mark.parametrize("name", _MERGING)
    def test_equals_numpy_and_reloads(self, name, tmp_path, reloader):
        layer, expected = _MERGING[name]
        layer = layer()
        x = np.random.default_rng(1).integers(-16, 17, (3, 4, 6)).astype("float32") / 16
        inputs = keras.Input((4, 6))
        model = keras.Model(inputs, layer([inputs, -2 * inputs]))
        layer.activation_quantizer.scale.assign(0.7)
        expected = numpy_layers.quantize(expected(x, -2 * x), 5, 0.7, signed=layer.output_is_signed)
        np.testing.assert_array_equal(model.predict(x, verbose=0), expected)
        again = type(layer).from_config(layer.get_config())
        assert again.get_config() == layer.get_config()
        model.save(tmp_path / "model.keras")
        np.save(tmp_path / "x.npy", x)
        reloader.predict(tmp_path / "model.keras", tmp_path / "x.npy", tmp_path / "y.npy")
        np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), expected)

    @pytest.mark.compiles
    @pytest.mark.parametrize("layer", [ke.AddQ, ke.ConcatenateQ, ke.MultiplyQ])
    def test_compiled_and_eager_give_the_same_numbers(self, layer):
        inputs = keras.Input((4, 6))
        model = keras.Model(inputs, layer(activation_bits=5, mode="freeze_scales")([inputs, -2 * inputs]))
        check_predictions(model, np.random.default_rng(1).integers(-16, 17, (3, 4, 6)).astype("float32") / 16)

    def test_scales_train_in_learn_scales_only(self):
        for mode, count in (("float", 0), ("learn_scales", 1), ("freeze_scales", 0)):
            layer = ke.AddQ(mode=mode)
            layer([np.ones((2, 3), "float32")] * 2)
            assert len(layer.trainable_weights) == count and [w.name for w in layer.weights] == ["activation_scale"]

    @pytest.mark.parametrize("layer", [ke.AddQ, ke.ConcatenateQ])
    def test_wrong_inputs(self, layer):
        x = np.ones((2, 3, 4), "float32")
        with pytest.raises(ValueError, match="takes a list of two tensors or more. Received"):
            layer()(x)
        with pytest.raises(ValueError, match="must have one shape|must differ along axis -1 only"):
            layer()([x, x[:, :2]])

    @pytest.mark.parametrize(
        "axis, message", [(0, "axis must be one of the 2 after the batch"), ("1", "`axis` must be")]
    )
    def test_wrong_axes(self, axis, message):
        with pytest.raises(ValueError, match=f"{message}.* Received: axis="):
            ke.ConcatenateQ(axis=axis)([np.ones((2, 3, 4), "float32")] * 2)

    def test_sizes_that_are_not_known_stay_so(self):
        layer = ke.ConcatenateQ(axis=-2)
        assert layer.compute_output_shape([(None, None, 4), (None, 3, 4)]) == (None, None, 4)
        assert layer.compute_output_shape([(None, 2, 4), (None, 3, 4)]) == (None, 5, 4)

    @pytest.mark.parametrize("layer", [ke.MultiplyQ, ke.SubtractQ])
    def test_two_inputs_and_no_more(self, layer):
        with pytest.raises(ValueError, match="takes two tensors. Received: input shapes"):
            layer()([np.ones((2, 3), "float32")] * 3)

    def test_axes_of_length_one_are_repeated(self):
        x = np.random.default_rng(1).normal(size=(2, 3, 3, 4)).astype("float32")
        y = ke.MultiplyQ()([x[:, :1, :1], x])
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(y), x[:, :1, :1] * x)
        assert ke.MultiplyQ().compute_output_shape([(None, 1, 1, 4), (None, 3, 3, 1)]) == (None, 3, 3, 4)

    @pytest.mark.parametrize("activation, signed", [(None, True), ("relu", False)])
    def test_the_grid_of_a_sum(self, activation, signed):
        assert ke.AddQ(activation).output_is_signed is signed
        assert ke.AddQ(activation, signed_output=not signed).output_is_signed is not signed
