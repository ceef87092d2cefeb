"""Products two at a time (`target="dsp"`): the C gives the integers' logits on this machine and on a Cortex-M4, in the
arena and the weights that were priced."""

import shutil
import subprocess

import keras
import numpy as np
import pytest
from export.odd_networks import network
from keras import layers

import keras_efficient as ke
from keras_efficient.export.verify import run_on_arm, run_on_host
from keras_efficient.export.verify.compilers import find_tool
from keras_efficient.kinds.words import KernelShape, Words, padding_bits, words_of

# Shapes of a map of few and of many channels, of a signal and of a vector.
IMAGE, DEEP, SIGNAL, VECTOR = (6, 7, 3), (5, 6, 16), (9, 16), (64,)
CASES = {
    "copied windows": (IMAGE, lambda **bits: ke.ConvQ(7, 3, padding="same", **bits)),
    "copied windows, strides": (IMAGE, lambda **bits: ke.ConvQ(4, (2, 4), (2, 3), per_channel=True, **bits)),
    "lines": (DEEP, lambda **bits: ke.ConvQ(6, 3, padding="same", per_channel=True, **bits)),
    "lines, strides": (DEEP, lambda **bits: ke.ConvQ(5, (3, 2), 2, activation="relu", **bits)),
    "windows beside the map": (DEEP, lambda **bits: ke.ConvQ(4, 2, padding=((3, 2), (4, 0)), **bits)),
    "dilated": (DEEP, lambda **bits: ke.ConvQ(4, 2, padding="same", dilation_rate=2, **bits)),
    "one place": (DEEP, lambda **bits: ke.ConvQ(9, 1, activation="relu", per_channel=True, **bits)),
    "one place, strides": (DEEP, lambda **bits: ke.ConvQ(8, 1, 2, use_bias=False, **bits)),
    "channels": (DEEP, lambda **bits: ke.DepthwiseConvQ(3, padding="same", per_channel=True, **bits)),
    "channels, strides": (DEEP, lambda **bits: ke.DepthwiseConvQ((2, 3), 1, 2, activation="relu", **bits)),
    "channels beside the map": (DEEP, lambda **bits: ke.DepthwiseConvQ(2, padding=((2, 1), (3, 2)), **bits)),
    "transposed": (DEEP, lambda **bits: ke.Conv2DTransposeQ(5, 3, 2, "same", per_channel=True, **bits)),
    "transposed, copied": (IMAGE, lambda **bits: ke.Conv2DTransposeQ(4, (2, 3), (3, 2), **bits)),
    "transposed, without strides": (DEEP, lambda **bits: ke.Conv2DTransposeQ(3, 2, **bits)),
    "signal": (SIGNAL, lambda **bits: ke.Conv1DQ(8, 3, padding="causal", **bits)),
    "thin signal": (SIGNAL, lambda **bits: ke.DepthwiseConv1DQ(3, padding="same", **bits)),
    "places": (DEEP, lambda **bits: ke.DenseQ(6, **bits)),
    "vector": (VECTOR, lambda **bits: ke.DenseQ(11, activation="relu", per_channel=True, **bits)),
    "copied vector": ((13,), lambda **bits: ke.DenseQ(9, **bits)),
}
# Kernel, bias, source and output; those of a kernel by channels are equal.
WIDTHS = [
    *((8, 16, 8, 8), (4, 8, 4, 4), (2, 8, 2, 2)),
    *((8, 8, 4, 2), (4, 16, 8, 4), (2, 5, 8, 8), (4, 8, 2, 5), (8, 16, 2, 8)),
]
EQUAL = WIDTHS[:3]


def words_network(name, widths, signed):
    """(model, codes): a layer that makes codes of the source's width, the case, a dense layer."""
    shape, case = CASES[name]
    kernel, bias, source, output = widths
    random = np.random.default_rng(len(name) + kernel)
    bits = {"kernel_bits": kernel, "bias_bits": bias, "activation_bits": output}
    first = ke.DenseQ(shape[-1], kernel_bits=8, activation_bits=source, signed_output=signed)
    parts = [first, case(**bits), *([] if len(shape) == 1 else [layers.Flatten()]), ke.DenseQ(5, activation_bits=16)]
    model = keras.Sequential([keras.Input(shape), ke.InputQ(8, signed=signed), *parts])
    for weight in model.weights:
        is_scale = weight.name.endswith("scale")
        weight.assign(random.uniform(-1.5, 1.5, weight.shape) if is_scale else random.normal(0, 1, weight.shape))
    parts[-1].activation_quantizer.scale.assign(6.0)  # else all saturates
    ke.set_mode(model, "freeze_scales")
    grid = ke.export.IntegerModel(model).input.codes
    codes = random.integers(grid.low, grid.high + 1, (8, *shape))
    codes[0], codes[1] = grid.high, grid.low
    return model, codes.astype(np.int8 if signed else np.uint8)


def exported(model, folder):
    """The report of the C for "dsp", which takes what was priced."""
    report, priced = ke.export_c(model, folder, target="dsp"), ke.estimate_storage(model, target="dsp")
    assert report.weight_bytes == np.ceil(priced.weight_bytes)
    assert report.arena_bytes == np.ceil(priced.activation_bytes)
    assert report.padding_bytes == np.ceil(priced.weight_bytes) - np.ceil(ke.estimate_storage(model).weight_bytes)
    return report


PAIRS = [
    (name, widths, bool((number + place) % 2))
    for number, name in enumerate(CASES)
    for place, widths in enumerate(EQUAL if "channels" in name or "thin" in name else WIDTHS)
    if (number + place) % 3 == 0 or "channels" in name
]


@pytest.mark.parametrize(("name", "widths", "signed"), PAIRS, ids=str)
def test_words_are_exact(name, widths, signed, tmp_path, c_compiler):
    model, codes = words_network(name, widths, signed)
    report = exported(model, tmp_path)
    assert "dense, in words" in report.layers[1]["weight_format"]
    logits = ke.export.IntegerModel(model).predict(codes)
    assert len(np.unique(logits)) > 1
    np.testing.assert_array_equal(run_on_host(tmp_path, codes).logits, logits)


def many_layers(bits):
    """Filters of every count that a block can lack, scales for each, maps that are moved by parts of a byte."""
    common = {"kernel_bits": bits, "activation_bits": bits, "bias_bits": 16, "per_channel": True}
    wide = {**common, "activation": "relu"}
    parts = [
        ke.ConvQ(8, 2, **wide),
        ke.ConvQ(15, 2, padding="same", **wide),
        ke.ConvQ(16, 1, **wide),
        ke.ConvQ(17, 1, **wide),
        ke.ConvQ(16, 1, **common),
        ke.DepthwiseConvQ(2, padding="same", **wide),
        layers.Flatten(),
        ke.DenseQ(7, **wide),
        ke.DenseQ(6, kernel_bits=8),
    ]
    model, random = keras.Sequential([keras.Input((6, 4, 3)), *parts]), np.random.default_rng(bits)
    for weight in model.weights:
        is_scale = weight.name.endswith("scale")
        weight.assign(random.uniform(-1, 2, weight.shape) if is_scale else random.normal(0, 0.6, weight.shape))
    ke.set_mode(model, "freeze_scales")
    return model, random.integers(0, 256, (12, 6, 4, 3), dtype=np.uint8)


@pytest.mark.parametrize("bits", [8, 4, 2])
def test_many_layers(bits, tmp_path, c_compiler):
    model, images = many_layers(bits)
    report = exported(model, tmp_path)
    assert sum(row.get("weight_format") == "dense, in words" for row in report.layers) >= 6
    expected = ke.export.IntegerModel(model).predict(images)
    assert len(np.unique(expected)) > 1
    np.testing.assert_array_equal(run_on_host(tmp_path, images).logits, expected)
    if shutil.which("arm-none-eabi-gcc") and shutil.which("qemu-system-arm"):  # instructions of its own
        run = run_on_arm(tmp_path, images[:3], core="cortex-m4", optimization="-O2")
        np.testing.assert_array_equal(run.logits, expected[:3])


@pytest.mark.parametrize("name", ["moved by bits", "one number", "no zero", "depthwise, no bias", "residual column"])
def test_others_are_as_for_the_host(name, tmp_path, c_compiler):
    """Maps that start within a byte, widths and forms that no word holds."""
    model, images = network(name)
    exported(model, tmp_path)
    expected = ke.export.IntegerModel(model).predict(images)
    np.testing.assert_array_equal(run_on_host(tmp_path, images).logits, expected)


def test_time_depends_on_the_input_where_zeros_are_left_out(tmp_path):
    model, _ = words_network("lines", WIDTHS[0], False)
    assert not ke.export_c(model, tmp_path / "dsp", target="dsp").time_depends_on_input
    assert ke.export_c(model, tmp_path / "host").time_depends_on_input
    other, _ = network("wide kernels")  # of 9 bits
    assert ke.export_c(other, tmp_path / "other", target="dsp").time_depends_on_input


def test_what_fills_words_up():
    assert words_of(KernelShape(9, 3, 16, 8), 8) == Words("patch", 4, 28)
    assert padding_bits(KernelShape(9, 3, 16, 8), 8) == 16 * 8
    assert words_of(KernelShape(9, 8, 16, 8), 4) == Words("run", 8, 72)
    assert padding_bits(KernelShape(9, 8, 16, 8), 4) == 0
    assert words_of(KernelShape(9, 1, 16, 4, by_channel=True), 4) == Words("channels", 8, 9)
    for kernel, cell_bits in [
        (KernelShape(9, 1, 12, 4, by_channel=True), 4),
        (KernelShape(9, 1, 16, 4, by_channel=True), 8),
        (KernelShape(9, 3, 16, 5), 8),
        (KernelShape(9, 4, 16, 8), 16),
        (KernelShape(300, 1, 2, 8), 8),
        (KernelShape(2**15, 4, 2, 8), 8),
    ]:
        assert words_of(kernel, cell_bits) is None and padding_bits(kernel, cell_bits) == 0


def test_an_avr_refuses_the_code(tmp_path):
    model, _ = words_network("copied vector", WIDTHS[0], False)
    ke.export_c(model, tmp_path, target="dsp")
    text = (tmp_path / "network.c").read_text()
    assert '#error "made with target=dsp' in text.split("#ifdef __AVR__")[1].split("#else")[0]


@pytest.mark.parametrize("level", ["-O0", "-O1", "-Os", "-O2", "-O3"])
def test_a_cortex_m4_needs_no_library(level, tmp_path):
    """At every level the instructions get constants, no loop becomes memcpy, and no compiler warns."""
    compiler, names = arm_tools()
    for number, case in enumerate(("copied windows", "lines", "channels", "moved by bits")):
        folder = tmp_path / str(number)
        model = network(case)[0] if case == "moved by bits" else words_network(case, WIDTHS[number], False)[0]
        ke.export_c(model, folder, target="dsp")
        flags = ("-mcpu=cortex-m4", "-mthumb", "-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror", level)
        subprocess.run([compiler, *flags, "-c", "network.c", "-o", "network.o"], cwd=folder, check=True)
        missing = subprocess.run([names, "-u", "network.o"], cwd=folder, capture_output=True, text=True, check=True)
        assert not [line for line in missing.stdout.split() if line.startswith("mem")]


def arm_tools():
    try:
        tools = [find_tool(f"arm-none-eabi-{name}", install="") for name in ("gcc", "nm")]
    except RuntimeError:
        pytest.skip("no arm-none-eabi-gcc")
    return tools
