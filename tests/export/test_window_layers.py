"""Groups, transposed convolutions and means over the edge, at all widths: Keras, integers and C agree, in the arena
and the weights that were priced."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_efficient as ke
from keras_efficient.export.reference import keras_logits
from keras_efficient.export.verify import run_on_host

IMAGE, SIGNAL = (7, 9, 4), (12, 6)
# Kernel, bias, source and output.
BITS = [(1, 1, 1, 1), (2, 3, 2, 4), (4, 8, 4, 4), (3, 8, 5, 6), (8, 8, 8, 8), (16, 16, 8, 16)]
CASES = {
    "two groups": (IMAGE, lambda **bits: ke.ConvQ(6, 3, 2, "same", groups=2, **bits)),
    "groups of one channel": (IMAGE, lambda **bits: ke.ConvQ(4, (2, 3), groups=4, activation="relu", **bits)),
    "several filters for each channel": (IMAGE, lambda **bits: ke.ConvQ(16, 3, groups=4, per_channel=True, **bits)),
    "dilated groups": (IMAGE, lambda **bits: ke.ConvQ(8, 2, dilation_rate=(2, 3), groups=2, use_bias=False, **bits)),
    "a window for all, in groups": (IMAGE, lambda **bits: ke.ConvQ(4, (7, 9), groups=2, **bits)),
    "groups of signals": (SIGNAL, lambda **bits: ke.Conv1DQ(9, 3, 2, "causal", groups=3, **bits)),
    "means over the edge": (IMAGE, lambda **bits: ke.MeanPoolingQ(3, strides=2, padding="same", **bits)),
    "means over all edges": (IMAGE, lambda **bits: ke.MeanPoolingQ((5, 4), strides=1, padding="same", **bits)),
    "means of more than the map": (IMAGE, lambda **bits: ke.MeanPoolingQ(20, strides=(3, 7), padding="same", **bits)),
    "means of signals": (SIGNAL, lambda **bits: ke.MeanPoolingQ(4, strides=3, padding="same", **bits)),
    "transposed": (IMAGE, lambda **bits: ke.Conv2DTransposeQ(5, 3, 2, "same", activation="relu", **bits)),
    "transposed, small": (IMAGE, lambda **bits: ke.Conv2DTransposeQ(3, (1, 2), (3, 2), per_channel=True, **bits)),
    "transposed, without strides": (IMAGE, lambda **bits: ke.Conv2DTransposeQ(2, (2, 3), dilation_rate=2, **bits)),
    "transposed, with more at the end": (
        IMAGE,
        lambda **bits: ke.Conv2DTransposeQ(4, (4, 3), (2, 3), "same", output_padding=(1, 2), use_bias=False, **bits),
    ),
    "transposed, of one place": (IMAGE, lambda **bits: ke.Conv2DTransposeQ(3, 1, (2, 3), output_padding=0, **bits)),
    "transposed signals": (SIGNAL, lambda **bits: ke.Conv1DTransposeQ(6, 4, 3, output_padding=1, **bits)),
    "thin signals": (SIGNAL, lambda **bits: ke.DepthwiseConv1DQ(3, 4, padding="same", **bits)),
}  # fmt: skip


def window_network(name, widths, sparsity=0.0):
    """(model, codes): a layer that makes signed codes, the case, and a dense layer."""
    shape, case = CASES[name]
    kernel, bias, source, output = widths
    random = np.random.default_rng(len(name))
    first = ke.DenseQ(shape[-1], kernel_bits=8, activation_bits=source)
    bits = {"kernel_bits": kernel, "bias_bits": bias, "activation_bits": output}
    layer = case(**bits) if "means" not in name else case(activation_bits=output, signed_output=kernel != 4)
    last = ke.DenseQ(3, kernel_bits=4, activation_bits=16)
    model = keras.Sequential([keras.Input(shape), ke.InputQ(8, signed=False), first, layer, layers.Flatten(), last])
    for weight in model.weights:
        is_scale = weight.name.endswith("scale")
        values = random.uniform(-1.5, 1.5, weight.shape) if is_scale else random.normal(0, 1, weight.shape)
        kept = random.random(weight.shape) >= sparsity if weight.name == "kernel" else True
        weight.assign(np.where(kept, values, 0))
    last.activation_quantizer.scale.assign(6.0)  # else all saturates
    ke.set_mode(model, "freeze_scales")
    codes = random.integers(0, 256, (12, *shape), dtype=np.uint8)
    codes[0], codes[1] = 255, 0
    return model, codes


def check(model, codes, folder, may_round=False):
    integers = ke.export.IntegerModel(model)
    logits = integers.predict(codes)
    assert len(np.unique(logits)) > 1
    assert may_round or not integers.inexact_layers
    if not integers.inexact_layers:
        np.testing.assert_array_equal(keras_logits(model, integers, codes), logits)
    report, priced = ke.export_c(model, folder), ke.estimate_storage(model)
    assert report.weight_bytes == np.ceil(priced.weight_bytes)
    assert report.arena_bytes == np.ceil(priced.activation_bytes)
    np.testing.assert_array_equal(run_on_host(folder, codes).logits, logits)


# Half of the widths for each, in turn.
PAIRS = [(name, BITS[place]) for number, name in enumerate(CASES) for place in range(number % 2, len(BITS), 2)]


@pytest.mark.parametrize(("name", "widths"), PAIRS, ids=str)
def test_all_widths(name, widths, tmp_path, c_compiler):
    check(*window_network(name, widths), tmp_path, may_round=max(widths) > 8)


@pytest.mark.parametrize("sparsity", [0.5, 0.95])
@pytest.mark.parametrize("name", [name for name in CASES if "means" not in name])
def test_pruned_kernels(name, sparsity, tmp_path, c_compiler):
    check(*window_network(name, (4, 8, 4, 4), sparsity), tmp_path)
