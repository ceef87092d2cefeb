"""Networks of unusual shapes and widths: Keras, the integer model and C agree, with every compiler."""

import shutil
import subprocess

import numpy as np
import pytest
from export.odd_networks import NETWORKS, network, sequential
from keras.layers import Flatten, MaxPooling2D

import keras_efficient as ke
from keras_efficient.export.reference import keras_logits
from keras_efficient.export.verify import can_simulate_avr, run_on_avr, run_on_host
from keras_efficient.export.verify.compilers import AVR_INSTALL, STRICT

ON_AVR = (
    "257 numbers, 257 logits",
    "average of codes below 0",
    "average pooling, sparse",
    "no zero",
    "16 bits",
    "wide kernels",
    "depthwise, no bias",
    "residual row",
    "only average pooling",
)
COMPILERS = {
    "gcc -O3": ("gcc", "-O3"),
    "gcc -O0": ("gcc", "-O0"),
    "clang -O2": ("clang", "-O2"),
    "avr-gcc": ("avr-gcc", "-mmcu=atmega1284p", "-Os"),
    "arm-none-eabi-gcc": ("arm-none-eabi-gcc", "-mcpu=cortex-m0", "-mthumb", "-O2"),
}
CALLER = r"""
#include <stdio.h>
#include "network.h"
int main(void) {
    int pixel;
    long pushed = 0;
    (void)network_classify(); /* before any image */
    while ((pixel = getchar()) != EOF) {
        network_push((uint8_t)pixel);
        if (++pushed % NETWORK_INPUTS)
            continue;
        const uint8_t before = network_classify();
        const int16_t *logits = network_logits();
        if (network_logits() != logits || network_classify() != before)
            return 1;
        for (long i = 0; i < NETWORK_LOGITS; i++)
            fwrite(&logits[i], 2, 1, stdout);
    }
    return 0;
}
"""


@pytest.mark.parametrize("name", NETWORKS)
def test_keras_and_c_equal_the_integer_model(name, tmp_path, c_compiler):
    model, images = network(name)
    integers = ke.export.IntegerModel(model)
    expected = integers.predict(images)
    assert not integers.inexact_layers
    np.testing.assert_array_equal(keras_logits(model, integers, images), expected)
    ke.export_c(model, tmp_path)
    run = run_on_host(tmp_path, images)
    np.testing.assert_array_equal(run.logits, expected)
    np.testing.assert_array_equal(run.classes, expected[:, :256].argmax(axis=1))


@pytest.mark.parametrize(
    "shape, parts, weights",
    [
        # 2 x 255 x 127 is above 2^15 and would be negative in 16 bits
        ((2,), [ke.DenseQ(1, kernel_bits=8, use_bias=False)], [1, 0, 0]),
        # means of values up to 4 saturate
        ((4, 4, 1), [ke.ConvQ(1, 1, use_bias=False, kernel_bits=8), ke.AveragePoolingQ(2, 4), Flatten()], [4, 3, 2]),
        # all values are below 0: padding must not win
        ((5, 5, 1), [ke.ConvQ(1, 1, use_bias=False), MaxPooling2D(3, 2, "same"), Flatten()], [-1, 0, 0]),
    ],
    ids=["sums above 2^15", "means above 1", "padding above the map"],
)
def test_extremes(shape, parts, weights, tmp_path, c_compiler):
    model = sequential(shape, *parts)
    for weight, value in zip(model.weights, weights, strict=True):
        weight.assign(np.full(weight.shape, value))
    ke.set_mode(model, "freeze_scales")
    images = np.stack([np.full(shape, level, np.uint8) for level in (255, 128, 1, 0)])
    integers = ke.export.IntegerModel(model)
    ke.export_c(model, tmp_path)
    np.testing.assert_array_equal(integers.predict(images), keras_logits(model, integers, images))
    np.testing.assert_array_equal(integers.predict(images), run_on_host(tmp_path, images).logits)


@pytest.mark.parametrize("name", ON_AVR)
def test_avr_where_int_has_16_bits(name, tmp_path):
    if not shutil.which("avr-gcc") or not can_simulate_avr():
        pytest.skip(f"needs avr-gcc and simavr: {AVR_INSTALL}")
    model, images = network(name)
    ke.export_c(model, tmp_path)
    expected = ke.export.IntegerModel(model).predict(images[:3])
    np.testing.assert_array_equal(run_on_avr(tmp_path, images[:3]).logits, expected)


@pytest.mark.parametrize("compiler", COMPILERS)
def test_compiles_alone_and_calls_no_library(compiler, tmp_path):
    """Nothing is undefined, and all that is defined has a name of ours."""
    command, *options = COMPILERS[compiler]
    if not shutil.which(command):
        pytest.skip(f"no {command}")
    for name in ("one number", "residual row", "average of codes below 0", "no zero", "257 numbers, 257 logits"):
        ke.export_c(network(name)[0], tmp_path)
        run = subprocess.run(
            [command, *STRICT, *options, "-c", "network.c", "-o", "network.o"],
            cwd=tmp_path, capture_output=True, text=True,
        )  # fmt: skip
        assert run.returncode == 0, run.stderr
        symbols = subprocess.run(["nm", tmp_path / "network.o"], capture_output=True, text=True).stdout
        undefined = [line.split()[-1] for line in symbols.splitlines() if " U " in line]
        # Multiplication and division on machines without them, and the start code of AVR.
        assert not [each for each in undefined if not each.startswith(("__", "_GLOBAL_"))]


@pytest.mark.parametrize("caller", ["caller.c", "caller.cpp"])
def test_separately_compiled_callers(caller, tmp_path, c_compiler):
    """C and C++: classify before logits, logits twice, images back to back, and little state."""
    compiler = ["g++", "-Wall", "-Wextra", "-pedantic"] if caller.endswith("cpp") else ["gcc", *STRICT]
    if not shutil.which(compiler[0]):
        pytest.skip(f"no {compiler[0]}")
    model, images = network("average of codes below 0")
    report = ke.export_c(model, tmp_path)
    (tmp_path / caller).write_text(CALLER)
    for command in (
        ["gcc", *STRICT, "-O2", "-c", "network.c"],
        [*compiler, caller, "network.o", "-o", "program"],
    ):
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    done = subprocess.run([tmp_path / "program"], input=images.tobytes(), capture_output=True, check=True)
    logits = np.frombuffer(done.stdout, np.int16).reshape(len(images), -1)
    np.testing.assert_array_equal(logits, ke.export.IntegerModel(model).predict(images))
    sizes = subprocess.run(["size", tmp_path / "network.o"], capture_output=True, text=True).stdout.split("\n")[1]
    assert sum(map(int, sizes.split()[1:3])) - report.arena_bytes <= 48
