"""Bytes of pruned models, and the same bytes in C."""

import math

import keras
import numpy as np
import pytest

import keras_efficient as ke
from keras_efficient.export import IntegerModel
from keras_efficient.export.c.writer import write_network
from keras_efficient.layers.quantized.quantizer import Quantizer
from keras_efficient.storage.sparse import has_codes


def _network(sparsity, bits=4, mode="freeze_scales"):
    model = keras.Sequential(
        [
            keras.Input((10, 10, 1)),
            ke.ConvQ(7, 3, padding="same", kernel_bits=bits, activation="relu", mode=mode),
            ke.DepthwiseConvQ(3, kernel_bits=bits, activation="relu", mode=mode),
            keras.layers.Flatten(),
            ke.DenseQ(5, kernel_bits=bits, mode=mode),
        ]
    )
    random = np.random.default_rng(0)
    for layer in model.layers:
        for weight in layer.weights:
            if weight.name in ("kernel", "bias"):
                # Away from zero: no code of a number that stays is zero.
                values = random.uniform(0.3, 0.9, weight.shape) * random.choice([-1, 1], weight.shape)
                weight.assign(values)
            elif weight.name == "activation_scale":
                weight.assign(2.0)
    pruned = ke.prune_model(model, ke.ConstantSparsity(sparsity))
    ke.pruning.update_masks(pruned, 0)
    return model, pruned


def test_a_kernel_without_zeros_is_dense():
    model, _ = _network(0.5)
    report = ke.estimate_storage(model)
    assert [row.weight_format for row in report.layers if row.parameters] == ["dense"] * 3
    assert all(row.weight_bytes == row.dense_weight_bytes for row in report.layers)
    assert "if dense" not in str(report)


@pytest.mark.parametrize("sparsity, name", [(0.5, "bitmask"), (0.9, "relative index")])
def test_the_smallest_encoding_is_named_and_counted(sparsity, name):
    model, pruned = _network(sparsity)
    report, dense = ke.estimate_storage(pruned), ke.estimate_storage(model)
    assert report == ke.estimate_storage(ke.strip_pruning(pruned))
    last = report.layers[-1]
    assert last.weight_format.startswith(name) and f"weights of {last.name}: {last.weight_format}" in str(report)
    assert last.dense_weight_bytes == dense.layers[-1].weight_bytes
    count = 8 * 8 * 7 * 5
    if name == "bitmask":
        assert last.weight_bytes == (count + count * 0.5 * 4) / 8 + 5
    assert report.weight_bytes == sum(row.weight_bytes for row in report.layers) < dense.weight_bytes
    assert (report.parameters, report.mult_adds, report.activation_bytes) == (
        dense.parameters,
        dense.mult_adds,
        dense.activation_bytes,
    )


@pytest.mark.parametrize("bits", [1, 3, 4, 5, 8])
@pytest.mark.parametrize("sparsity", [0.31, 0.6, 0.9])
def test_c_takes_the_bytes_that_were_predicted(bits, sparsity):
    _, pruned = _network(sparsity, bits, mode="float")
    stripped = ke.strip_pruning(pruned)
    ke.set_mode(stripped, "freeze_scales")
    predicted = ke.estimate_storage(stripped).weight_bytes
    network = write_network(IntegerModel(stripped))
    written = network.weight_bytes
    formats = [row.weight_format for row in ke.estimate_storage(stripped).layers if row.parameters]
    assert [row["weight_format"] for row in network.layers if "weight_format" in row] == formats
    # Half bytes and the order of a dense layer's rows, which the arena decides, may take a few bits.
    assert written == pytest.approx(predicted, abs=3)
    if bits == 1:
        assert predicted == ke.estimate_storage(_network(0.0, bits)[0]).weight_bytes


def _branches():
    inputs = keras.Input((8, 8, 1))
    x = ke.ConvQ(8, 3, padding="same", activation="relu", mode="freeze_scales")(inputs)
    y = ke.ConvQ(8, 3, padding="same", activation="relu", mode="freeze_scales", name="second")(x)
    x = keras.layers.Flatten()(ke.AddQ(activation="relu", mode="freeze_scales")([x, y]))
    return keras.Model(inputs, ke.DenseQ(10, mode="freeze_scales")(x))


def test_a_model_with_branches_counts_its_zeros():
    model = _branches()
    dense = ke.estimate_storage(model)
    pruned = ke.prune_model(model, ke.ConstantSparsity(0.9))
    ke.pruning.update_masks(pruned, 0)
    stripped = ke.strip_pruning(pruned)
    report = ke.estimate_storage(stripped)
    assert report == ke.estimate_storage(pruned) and report.weight_bytes < dense.weight_bytes / 2
    assert "second" in [row.name for row in ke.estimate_storage(pruned).layers]
    assert report.activation_bytes == dense.activation_bytes
    network = write_network(IntegerModel(stripped))
    assert network.weight_bytes == pytest.approx(report.weight_bytes, abs=3)
    formats = [row.weight_format for row in report.layers if row.parameters]
    assert [row["weight_format"] for row in network.layers if "weight_format" in row] == formats


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("gains", [None, [0.01, 0.02, 0.3, 1.0, 1.0, 2.0, 4.0]])
def test_scales_a_filter_and_folded_gains_count_as_in_c(per_channel, gains):
    """The zeros of the codes are counted, of the kernel that is rounded: with its gains, on its filters' scales."""
    batch_norm = None if gains is None else keras.layers.BatchNormalization()
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            ke.ConvQ(7, 3, activation="relu", per_channel=per_channel, batch_norm=batch_norm, mode="freeze_scales"),
            ke.ConvQ(5, 3, per_channel=per_channel, mode="freeze_scales"),
        ]
    )
    if gains is not None:
        model.layers[0].batch_norm.gamma.assign(gains)
    if per_channel:
        model.layers[0].kernel_quantizer.scale.assign([-3.0, -2.0, -1.0, 0.0, 0.0, 1.0, 1.0])
    pruned = ke.prune_model(model, ke.ConstantSparsity(0.8))
    ke.pruning.update_masks(pruned, 0)
    stripped = ke.strip_pruning(pruned)
    predicted = ke.estimate_storage(stripped)
    assert predicted == ke.estimate_storage(pruned)
    assert write_network(IntegerModel(stripped)).weight_bytes == math.ceil(predicted.weight_bytes)


@pytest.mark.parametrize("bits", [3, 4, 16])
def test_codes_that_are_not_zero_are_those_of_quantize(bits):
    """Half a step is zero, the next number above it is not."""
    scales = np.array([-20.4, -1.0, 0.0, 9.0], "float32")
    steps = 2.0 ** (np.round(scales) - (bits - 1))
    factors = np.array([0, 0.5, np.nextafter(np.float32(0.5), 1), 0.49, 0.51, 1, 1e9, np.inf], "float32")
    values = (np.concatenate([factors, -factors])[:, np.newaxis] * steps).astype("float32")
    codes = keras.ops.convert_to_numpy(ke.ops.to_codes(values, bits, scales))
    quantizer = Quantizer("kernel", bits, True, keras.Variable(scales))
    np.testing.assert_array_equal(has_codes(values, quantizer), codes != 0)
