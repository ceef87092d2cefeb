"""Pruned kernels in C: every encoding, in every kind of layer, gives the integer model's logits."""

import shutil

import numpy as np
import pytest
from export.odd_networks import NETWORKS, pruned, sequential
from keras.layers import Flatten

import keras_efficient as ke
from keras_efficient.export.verify import can_simulate_avr, run_on_avr, run_on_host
from keras_efficient.export.verify.compilers import AVR_INSTALL

# Padding, depthwise layers, residual blocks, wide sums, permuted rows, widths that fill no bytes.
KINDS = (
    "257 numbers, 257 logits",
    "300 columns",
    "only a residual block",
    "average pooling, same",
    "moved by bits",
    "wide kernels",
    "depthwise, no bias",
    "residual column",
    "dense on a map",
    "nested",
)


def formats(report):
    return {row["weight_format"].split(",")[0] for row in report.layers if "weight_format" in row}


@pytest.mark.parametrize("sparsity", [0.5, 0.93])
@pytest.mark.parametrize("name", KINDS)
def test_c_equals_the_integer_model(name, sparsity, tmp_path, c_compiler):
    model, images = pruned(name, sparsity)
    report = ke.export_c(model, tmp_path / "sparse")
    dense = ke.export_c(model, tmp_path / "dense", sparse=False)
    assert formats(dense) == {"dense"} and report.weight_bytes < dense.weight_bytes
    assert formats(report) - {"dense"}
    expected = ke.export.IntegerModel(model).predict(images)
    np.testing.assert_array_equal(run_on_host(tmp_path / "sparse", images).logits, expected)


@pytest.mark.parametrize("bits", [3, 4, 5, 8, 12])
@pytest.mark.parametrize("sparsity, name", [(0.45, "bitmask"), (0.97, "relative index")])
def test_every_width(bits, sparsity, name, tmp_path, c_compiler):
    parts = [ke.ConvQ(11, 3, padding="same", kernel_bits=bits), Flatten(), ke.DenseQ(7, kernel_bits=bits)]
    NETWORKS["widths"] = lambda: sequential((9, 9, 2), *parts)
    try:
        model, images = pruned("widths", sparsity)
    finally:
        del NETWORKS["widths"]
    assert name in formats(ke.export_c(model, tmp_path))
    np.testing.assert_array_equal(run_on_host(tmp_path, images).logits, ke.export.IntegerModel(model).predict(images))


def test_grids_without_a_zero_and_kernels_without_zeros_stay_dense(tmp_path):
    for name, sparsity in (("no zero", 0.9), ("nested", 0.0)):
        model, _ = pruned(name, sparsity)
        assert formats(ke.export_c(model, tmp_path)) == {"dense"}


def test_80_percent_of_a_4_bit_network_take_at_most_half_of_the_bytes(tmp_path):
    model = sequential((16, 11, 1), Flatten(), ke.DenseQ(64, activation="relu"), ke.DenseQ(10))
    random = np.random.default_rng(0)
    for layer in model.layers[1:]:
        layer.kernel.assign(random.uniform(0.3, 0.9, layer.kernel.shape))
    wrapped = ke.prune_model(model, ke.ConstantSparsity(0.8))
    ke.pruning.update_masks(wrapped, 0)
    stripped = ke.strip_pruning(wrapped)
    ke.set_mode(stripped, "freeze_scales")
    sparse, dense = ke.export_c(stripped, tmp_path), ke.export_c(stripped, tmp_path, sparse=False)
    assert sparse.weight_bytes <= 0.5 * dense.weight_bytes
    assert sparse.weight_bytes == pytest.approx(ke.estimate_storage(stripped).weight_bytes, abs=1)


def test_wrappers_are_taken_off_first(tmp_path):
    model = ke.prune_model(sequential((4,), ke.DenseQ(3)), ke.ConstantSparsity(0.5))
    with pytest.raises(ValueError, match="cannot export the layer 'prunable_.*strip_pruning"):
        ke.export_c(model, tmp_path)


@pytest.mark.parametrize("sparsity", [0.5, 0.93])
def test_avr_where_int_has_16_bits(sparsity, tmp_path):
    if not shutil.which("avr-gcc") or not can_simulate_avr():
        pytest.skip(f"needs avr-gcc and simavr: {AVR_INSTALL}")
    model, images = pruned("average pooling, same", sparsity)
    ke.export_c(model, tmp_path)
    run = run_on_avr(tmp_path, images[:2])
    np.testing.assert_array_equal(run.logits, ke.export.IntegerModel(model).predict(images[:2]))
