"""Prunable keeps the layer contract, and works around every layer with a kernel, or refuses it by name."""

import keras
import numpy as np
import numpy_layers
import pytest
from contract import LayerContract

import keras_efficient as ke
from keras_efficient.layers.pruning.kernels import prunable_weights

L = keras.layers
HALF = ke.ConstantSparsity(0.5)
_BITS = {"kernel_bits": 4, "bias_bits": 8, "activation_bits": 5, "mode": "freeze_scales"}


class PrunableContract(LayerContract):
    layer_class = ke.Prunable
    has_mode = False

    def inner(self):
        raise NotImplementedError

    @property
    def arguments(self):
        return {
            "layer": self.inner(),
            "schedule": ke.StepSparsity({3: 0.25}),
            "structure": ke.pruning.Blocks((1, 2)),
            "scope": "global",
            "monotone": False,
        }

    def make(self, **overrides):
        """Random weights under a random mask."""
        layer = self.layer_class(**{**self.arguments, **overrides})
        layer.build(self.input_shape)
        random = np.random.default_rng(0)
        layer.layer.set_weights([random.normal(0, 0.5, w.shape).astype("float32") for w in layer.layer.weights])
        for kernel in layer.kernels:
            kernel.mask.assign(random.integers(0, 2, kernel.mask.shape).astype("float32"))
        return layer

    def test_is_registered_and_public(self):
        # A wrapper can not be made from sizes alone: it is no member of layers.__all__.
        assert keras.saving.get_registered_name(ke.Prunable) == "keras_efficient>Prunable"
        assert "Prunable" not in ke.layers.__all__

    @pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
    @pytest.mark.parametrize("mode", ["float", "learn_scales"])
    def test_mixed_precision_rounds_weights_in_float32(self, policy, mode):
        inner = self.inner()
        config = {**inner.get_config(), "dtype": policy}
        half = self.make(layer=type(inner).from_config(config), dtype=policy)
        ke.set_mode(half, mode)
        assert keras.backend.standardize_dtype(half(self.inputs()).dtype) == half.compute_dtype
        with keras.src.backend.AutocastScope(half.compute_dtype):
            for kernel in half.kernels:
                assert keras.backend.standardize_dtype(keras.ops.convert_to_tensor(kernel.mask).dtype) == "float32"

    @pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
    def test_mixed_precision_keeps_the_grid(self, policy):
        inner = self.inner()
        half = self.make(layer=type(inner).from_config({**inner.get_config(), "dtype": policy}))
        y = half(self.inputs())
        assert (
            keras.backend.standardize_dtype(y.dtype)
            == half.compute_dtype
            == inner.from_config({**inner.get_config(), "dtype": policy}).compute_dtype
        )
        y, full = (keras.ops.convert_to_numpy(keras.ops.cast(v, "float32")) for v in (y, self.make()(self.inputs())))
        assert np.abs(y - full).max() <= self.largest_step(self.make().layer) + 0.02 * np.abs(full).max()

    @pytest.mark.parametrize("mode", ["float", "learn_scales", "freeze_scales"])
    def test_scales_train_in_learn_scales_only(self, mode):
        layer = self.make()
        ke.set_mode(layer, mode)
        trainable = {weight.name for weight in layer.trainable_weights}
        assert ("kernel_scale" in trainable) is (mode == "learn_scales" and hasattr(layer.layer, "quantizers"))
        assert not {"step", "kernel_mask"} & trainable
        layer.trainable = False
        assert not any(weight.trainable for weight in layer.weights)


class TestPrunableDenseQ(PrunableContract):
    input_shape = (4, 7)
    output_shape = (4, 6)
    supports_masking = True
    weight_names = ("kernel_mask", "step", "kernel", "bias", "kernel_scale", "bias_scale", "activation_scale")

    def inner(self):
        return ke.DenseQ(6, activation="relu", **_BITS)

    def reference(self, x, weights):
        mask, _, kernel, bias, kernel_scale, bias_scale, scale = weights
        kernel = numpy_layers.quantize(kernel, 4, kernel_scale) * mask
        y = x @ kernel + numpy_layers.quantize(bias, 8, bias_scale)
        return numpy_layers.quantize(np.maximum(y, 0), 5, scale, signed=False)


class TestPrunableDense(PrunableContract):
    input_shape = (4, 5, 7)
    output_shape = (4, 5, 6)
    supports_masking = True
    weight_names = ("kernel_mask", "step", "kernel", "bias")

    def inner(self):
        return L.Dense(6)

    def reference(self, x, weights):
        mask, _, kernel, bias = weights
        return x @ (kernel * mask) + bias


class Scaled(L.Layer):
    """A layer of a user's own, with a weight under its own name."""

    def build(self, input_shape):
        self.factors = self.add_weight(shape=(input_shape[-1],), initializer="random_normal", name="factors")

    def get_prunable_weights(self):
        return [self.factors]

    def call(self, x):
        return x * self.factors


IMAGE, SERIES, ROW = (2, 8, 8, 4), (2, 6, 4), (2, 8)
LAYERS = {
    "Dense": (lambda: L.Dense(6), ROW),
    "Conv1D": (lambda: L.Conv1D(3, 2), SERIES),
    "Conv2D": (lambda: L.Conv2D(3, 3), IMAGE),
    "Conv3D": (lambda: L.Conv3D(2, 2), (2, 4, 4, 4, 2)),
    "Conv1DTranspose": (lambda: L.Conv1DTranspose(3, 2), SERIES),
    "Conv2DTranspose": (lambda: L.Conv2DTranspose(3, 3), IMAGE),
    "Conv3DTranspose": (lambda: L.Conv3DTranspose(2, 2), (2, 4, 4, 4, 2)),
    "DepthwiseConv1D": (lambda: L.DepthwiseConv1D(2), SERIES),
    "DepthwiseConv2D": (lambda: L.DepthwiseConv2D(3, depth_multiplier=2), IMAGE),
    "SeparableConv1D": (lambda: L.SeparableConv1D(3, 2), SERIES),
    "SeparableConv2D": (lambda: L.SeparableConv2D(3, 3), IMAGE),
    "EinsumDense": (lambda: L.EinsumDense("ab,bc->ac", 6, bias_axes="c"), ROW),
    "Embedding": (lambda: L.Embedding(5, 4), "tokens"),
    "ReversibleEmbedding": (lambda: L.ReversibleEmbedding(5, 4, tie_weights=False), "tokens"),
    "SimpleRNN": (lambda: L.SimpleRNN(5), SERIES),
    "GRU": (lambda: L.GRU(5), SERIES),
    "LSTM": (lambda: L.LSTM(5, return_sequences=True), SERIES),
    "RNN": (lambda: L.RNN([L.LSTMCell(3), L.GRUCell(2)]), SERIES),
    "ConvLSTM1D": (lambda: L.ConvLSTM1D(2, 2), (2, 3, 5, 2)),
    "Bidirectional": (lambda: L.Bidirectional(L.GRU(3)), SERIES),
    "TimeDistributed": (lambda: L.TimeDistributed(ke.DenseQ(3, mode="learn_scales")), SERIES),
    "custom": (Scaled, ROW),
    "DenseQ": (lambda: ke.DenseQ(6, mode="learn_scales"), ROW),
    "ConvQ": (lambda: ke.ConvQ(3, 3, mode="learn_scales"), IMAGE),
    "ConvQ of 1 bit": (lambda: ke.ConvQ(3, 3, kernel_bits=1, mode="learn_scales"), IMAGE),
    "DepthwiseConv1DQ": (lambda: ke.DepthwiseConv1DQ(3, mode="learn_scales"), SERIES),
    "Conv1DQ": (lambda: ke.Conv1DQ(3, 2, mode="learn_scales"), SERIES),
    "ConvQ in groups": (lambda: ke.ConvQ(4, 3, groups=2, mode="learn_scales"), IMAGE),
    "Conv1DTransposeQ": (lambda: ke.Conv1DTransposeQ(3, 2, 2, mode="learn_scales"), SERIES),
    "Conv2DTransposeQ": (lambda: ke.Conv2DTransposeQ(3, 3, per_channel=True, mode="learn_scales"), IMAGE),
    "ConvQ with batch normalization": (lambda: ke.ConvQ(3, 3, batch_norm=L.BatchNormalization()), IMAGE),
    "DepthwiseConvQ": (lambda: ke.DepthwiseConvQ(3, mode="learn_scales"), IMAGE),
    "ResidualQ": (lambda: ke.ResidualQ(mode="learn_scales"), IMAGE),
    "ACDC": (lambda: ke.ACDC(), ROW),
    "ACDC of 4 bits": (lambda: ke.ACDC(kernel_bits=4, mode="learn_scales"), ROW),
    "ACDCDense": (lambda: ke.ACDCDense(6, depth=2), ROW),
    "ACDCConv2D": (lambda: ke.ACDCConv2D(6, 3, depth=2), IMAGE),
    "AFDF": (lambda: ke.AFDF(), ROW),
    "BlockACDC": (lambda: ke.BlockACDC(), ROW),
    "BlockAFDF": (lambda: ke.BlockAFDF(), ROW),
    "GroupedShuffleDense": (lambda: ke.GroupedShuffleDense(6), ROW),
    "PHMDense": (lambda: ke.PHMDense(6), ROW),
    "PHMConv2D": (lambda: ke.PHMConv2D(4, 3), IMAGE),
    "LPHMDense": (lambda: ke.LPHMDense(6, 1), ROW),
    "DualLPHMDense": (lambda: ke.DualLPHMDense(6, 1), ROW),
    "LowRankDense": (lambda: ke.LowRankDense(6, 2), ROW),
    "MonarchDense": (lambda: ke.MonarchDense(6), ROW),
    "TaylorDualLPHM": (lambda: ke.TaylorDualLPHM(6, 1, 2, 9, layout="kronecker"), ROW),
    "RandomBasisDense": (lambda: ke.RandomBasisDense(6, 20), ROW),
    "RandomBasisConv2D": (lambda: ke.RandomBasisConv2D(3, 3, 20), IMAGE),
}


def _inputs(shape):
    random = np.random.default_rng(0)
    if shape == "tokens":
        return random.integers(0, 5, (2, 6)).astype("int32")
    return random.normal(size=shape).astype("float32")


def _pruned(name, step=0):
    make, shape = LAYERS[name]
    keras.utils.set_random_seed(0)
    layer, x = ke.Prunable(make(), HALF), _inputs(shape)
    layer(x)
    random = np.random.default_rng(1)
    for weight in prunable_weights(layer.layer):
        weight.assign(random.normal(0, 0.3, weight.shape))
    return layer, x


def test_no_public_layer_is_left_out():
    weightless = {"ActivationQ", "AveragePoolingQ", "InputQ", "MeanPoolingQ", "GlobalMeanPoolingQ", "ScaleQ"}
    weightless |= {"AddQ", "AverageQ", "ConcatenateQ", "MaximumQ", "MinimumQ", "MultiplyQ", "SubtractQ"}
    assert set(ke.layers.__all__) <= {*LAYERS, *weightless}


@pytest.mark.filterwarnings("ignore:.*is wasted on")
@pytest.mark.parametrize("name", LAYERS)
def test_computes_the_layer_with_zeros_in_its_weights(name):
    layer, x = _pruned(name)
    before = keras.ops.convert_to_numpy(layer(x))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(layer.layer(x)), before, atol=1e-6)
    assert ke.pruning.update_masks(layer, 0)
    pruned = keras.ops.convert_to_numpy(layer(x))
    assert not np.array_equal(pruned, before)
    for kernel in layer.kernels:
        mask = keras.ops.convert_to_numpy(kernel.mask)
        magnitude = np.abs(keras.ops.convert_to_numpy(kernel.variable))
        assert (mask == 0).sum() == round(mask.size / 2)
        assert magnitude[mask == 0].max() <= magnitude[mask == 1].min()
    if name == "ConvQ of 1 bit":
        return  # its grid has no zero
    twin = type(layer.layer).from_config(layer.layer.get_config())
    twin(x)
    twin.set_weights(layer.effective_weights())
    np.testing.assert_allclose(keras.ops.convert_to_numpy(twin(x)), pruned, atol=1e-6)


@pytest.mark.filterwarnings("ignore:.*is wasted on", "ignore:Gradients do not exist.*reverse_embeddings")
@pytest.mark.parametrize("name", LAYERS)
def test_zeros_survive_training_and_files(name, tmp_path):
    layer, x = _pruned(name)
    ke.pruning.update_masks(layer, 0)
    inputs = keras.Input(x.shape[1:], dtype=str(x.dtype))
    model = keras.Model(inputs, L.Flatten()(layer(inputs)))
    with keras.saving.custom_object_scope({"Scaled": Scaled}):
        again = keras.Model.from_config(model.get_config())
        model.save_weights(tmp_path / "model.weights.h5")
        again.load_weights(tmp_path / "model.weights.h5")
    expected = keras.ops.convert_to_numpy(model(x))
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(again(x)), expected)
    # A raw weight under the mask has neither effect nor gradient.
    loaded = ke.pruning.prunable_layers(again)[0]
    raw = [keras.ops.convert_to_numpy(kernel.variable) for kernel in loaded.kernels]
    again.compile(keras.optimizers.SGD(0.1), "mse", run_eagerly=True)
    y = np.random.default_rng(2).normal(size=expected.shape).astype("float32")
    for _ in range(2):
        again.train_on_batch(x, y)
    moved = False
    for kernel, old in zip(loaded.kernels, raw, strict=True):
        mask = keras.ops.convert_to_numpy(kernel.mask)
        new = keras.ops.convert_to_numpy(kernel.variable)
        assert (mask == 0).sum() == round(mask.size / 2)
        np.testing.assert_array_equal(new[mask == 0], old[mask == 0])
        moved |= not np.array_equal(new[mask == 1], old[mask == 1])
        kernel.variable.assign(np.where(mask == 0, 1e3, new))
    assert moved
    trained = keras.ops.convert_to_numpy(again(x))
    for kernel in loaded.kernels:
        mask = keras.ops.convert_to_numpy(kernel.mask)
        kernel.variable.assign(np.where(mask == 0, -1e3, keras.ops.convert_to_numpy(kernel.variable)))
    if "Basis" not in name and "bit" not in name:  # their scales cover the raw weights
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(again(x)), trained)


def _quantized_dense():
    layer = L.Dense(4)
    layer.build((None, 4))
    layer.quantize("int8")
    return layer


def _low_rank_dense():
    layer = L.Dense(4)
    layer.build((None, 4))
    layer.enable_lora(2)
    return layer


@pytest.mark.parametrize(
    "make, reason",
    [
        (lambda: L.MultiHeadAttention(2, 3), "several inputs.*layer='multi_head_attention"),
        (lambda: L.SpectralNormalization(L.Dense(3)), "prune the layer inside it"),
        (lambda: ke.Prunable(L.Dense(3), HALF), "prunable already"),
        (lambda: keras.Sequential([L.Dense(3)]), "prune_model"),
        (_quantized_dense, r"quantized it \(int8\)"),
        (_low_rank_dense, "low-rank update"),
        (lambda: L.TimeDistributed(ke.Prunable(L.Dense(3), HALF)), "holds a Prunable"),
    ],
)
def test_layers_that_can_not_be_pruned_are_refused(make, reason):
    with pytest.raises(ValueError, match=f"`layer` can not be pruned: .*{reason}"):
        ke.Prunable(make(), HALF)


@pytest.mark.parametrize("make", [L.BatchNormalization, L.Flatten, ke.ActivationQ, ke.AveragePoolingQ, ke.ScaleQ])
def test_layers_without_kernels_are_refused(make):
    with pytest.raises(ValueError, match="`layer` has no kernel that could be pruned. Received: layer='"):
        ke.Prunable(make(), HALF).build((None, 8, 8, 4))


def test_wrong_arguments_are_refused():
    with pytest.raises(TypeError, match="`schedule` must be .* Received: schedule=0.5"):
        ke.Prunable(L.Dense(3), 0.5)
    with pytest.raises(TypeError, match="`structure` must be .* Received: structure='filters'"):
        ke.Prunable(L.Dense(3), HALF, structure="filters")
    with pytest.raises(ValueError, match="`scope` must be one of .* Received: scope='model'"):
        ke.Prunable(L.Dense(3), HALF, scope="model")
    with pytest.raises(ValueError, match="`structure` does not fit the kernel of layer 'lstm.*Filters are those of"):
        ke.Prunable(L.LSTM(3, name="lstm"), HALF, structure=ke.pruning.Filters()).build((None, 4, 3))


def test_an_infinite_raw_weight_under_the_mask_does_no_harm():
    layer = ke.Prunable(L.Dense(2), HALF)
    layer.build((None, 2))
    layer.kernels[0].mask.assign([[0.0, 1.0], [1.0, 0.0]])
    layer.layer.kernel.assign([[np.inf, 1.0], [2.0, np.nan]])
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer(np.ones((1, 2), "float32"))), [[2.0, 1.0]])
