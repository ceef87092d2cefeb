"""The study's network on simulated microcontrollers; skipped where their tools are missing."""

import shutil

import numpy as np
import pytest

import keras_efficient as ke
from keras_efficient.export.verify import can_simulate_avr, run_on_arm, run_on_avr
from keras_efficient.export.verify.compilers import ARM_INSTALL, AVR_INSTALL


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (3, 28, 28, 1))


@pytest.mark.parametrize("weights, most_ram", [("flash", 507), ("ram", 2019)])
def test_atmega328p(study, images, tmp_path, weights, most_ram):
    """RAM in all within the bytes that the prototypes needed."""
    if not shutil.which("avr-gcc") or not can_simulate_avr():
        pytest.skip(f"needs avr-gcc and simavr: {AVR_INSTALL}")
    report = ke.export_c(study, tmp_path, weights, target="avr")
    run = run_on_avr(tmp_path, images)
    np.testing.assert_array_equal(run.logits, ke.export.IntegerModel(study).predict(images))
    assert run.ram_bytes <= most_ram
    assert run.static_bytes - report.arena_bytes - (report.weight_bytes if weights == "ram" else 0) <= 48
    assert run.image_cycles.mean <= 2.6e6


def test_cortex_m3(study, images, tmp_path):
    if not shutil.which("arm-none-eabi-gcc") or not shutil.which("qemu-system-arm"):
        pytest.skip(f"needs arm-none-eabi-gcc and qemu-system-arm: {ARM_INSTALL}")
    ke.export_c(study, tmp_path, target="arm")
    run = run_on_arm(tmp_path, images)
    np.testing.assert_array_equal(run.logits, ke.export.IntegerModel(study).predict(images))
    assert run.static_bytes - run.arena_bytes <= 48
