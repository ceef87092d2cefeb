"""The study's network on simulated microcontrollers; skipped where their tools are missing."""

import shutil
import subprocess

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


def test_verification_counts_on_every_core(study, images, tmp_path):
    if not shutil.which("arm-none-eabi-gcc") or not shutil.which("qemu-system-arm"):
        pytest.skip(f"needs arm-none-eabi-gcc and qemu-system-arm: {ARM_INSTALL}")
    ke.export_c(study, tmp_path, target="arm")
    verified = ke.export.verify_c(study, tmp_path, images, "arm")
    assert verified.passed
    on_arm = [str(each) for each in verified.comparisons if "Cortex" in each.what]
    for core, text in zip(("M0", "M3", "M4"), on_arm, strict=True):
        assert text.startswith(f"C on a Cortex-{core} (simulated): 3 of 3 equal; -O3: flash ")
        assert "instructions per image" in text
        assert ("cycles without wait states" in text) <= (core == "M4")
    m3 = run_on_arm(tmp_path, images, optimization="-O3")
    assert f"{m3.image_instructions.mean:,.0f} instructions per image" in on_arm[1]
    assert (verified.report.stack_bytes, verified.report.flash_bytes) == (m3.stack_bytes, m3.flash_bytes)


@pytest.mark.parametrize("target", ["arm", "avr"])
def test_the_line_of_the_readme_builds_the_program(target, study, tmp_path):
    ke.export_c(study, tmp_path, target=target)
    lines = (tmp_path / "README.md").read_text().splitlines()
    command = next(line for line in lines if line.startswith("Build:")).split("`")[1].split()
    if not shutil.which(command[0]):
        pytest.skip(f"needs {command[0]}: {ARM_INSTALL if target == 'arm' else AVR_INSTALL}")
    subprocess.run(command, cwd=tmp_path, check=True)
    assert (tmp_path / "network.elf").exists()
    assert any(line.startswith("Flags:") and "-O3" in line for line in lines)


def test_networks_above_20_kb_are_verified_on_arm(tmp_path):
    if not shutil.which("arm-none-eabi-gcc") or not shutil.which("qemu-system-arm"):
        pytest.skip(f"needs arm-none-eabi-gcc and qemu-system-arm: {ARM_INSTALL}")
    network = ke.build_network([("C", 36, 3, 3, 1, 1, 8, 8, 8), ("M", 13, 8), ("S", 3, 8, 8, 8)], mode="freeze_scales")
    assert ke.export_c(network, tmp_path, target="arm").arena_bytes > 20_480
    verified = ke.export.verify_c(network, tmp_path, np.zeros((1, 28, 28, 1), int), "arm")
    assert verified.passed, str(verified)
