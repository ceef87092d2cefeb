"""No compiler and no checker warns of the C: as C99 and C++17, for 32 and 64 bits, with the strictest conversions."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from export.odd_networks import network, pruned, sequential
from export.test_own_models import quantized_network
from export.test_window_layers import BITS, CASES, window_network
from export.test_words import PAIRS as WORDS
from export.test_words import words_network

import keras_efficient as ke
from keras_efficient.export.verify import run_on_host
from keras_efficient.export.verify.compilers import C_FOLDER

WARNINGS = ("-Wall", "-Wextra", "-pedantic", "-Wconversion", "-Wsign-conversion", "-Wshadow", "-Werror")
C99, CPP17 = ("-std=c99", *WARNINGS), ("-x", "c++", "-std=c++17", *WARNINGS)
COMPILERS = {
    f"{compiler} {standard[-len(WARNINGS) - 1]} {bits}": (compiler, *standard, bits)
    for compiler, standard in (("gcc", C99), ("g++", CPP17), ("clang", C99), ("clang++", CPP17))
    for bits in ("-m64", "-m32")
}
CPPCHECK = ("cppcheck", "--quiet", "--enable=warning,portability,performance", "--error-exitcode=1", "--std=c99")
# Places of every width, padding, residual rings, sums that wait, grids without a zero, every order of a map.
ODD = (
    "one number",
    "257 numbers, 257 logits",
    "300 columns",
    "average pooling, sparse",
    "average of codes below 0",
    "largest of padded windows as they arrive",
    "max pooling, same",
    "moved by bits",
    "no zero",
    "16 bits",
    "wide kernels",
    "depthwise, no bias",
    "residual column",
    "nested",
)
PRUNED = {"257 numbers, 257 logits": 0.5, "moved by bits": 0.93, "residual column": 0.93, "depthwise, no bias": 0.5}
OWN = (("residual", 0), ("signal", 2), ("depthwise", 3), ("batch norm", 1))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Many networks, each in a folder of its own."""
    folder = tmp_path_factory.mktemp("networks")
    models = {
        **{f"odd {name}": network(name)[0] for name in ODD},
        **{f"pruned {name}": pruned(name, share)[0] for name, share in PRUNED.items()},
        **{f"own {name}": quantized_network(name, number)[0] for name, number in OWN},
        **{name: window_network(name, BITS[number % len(BITS)])[0] for number, name in enumerate(CASES)},
    }
    for number, model in enumerate(models.values()):
        ke.export_c(model, folder / str(number), weights=("flash", "ram")[number % 5 == 4])
    for number, (name, widths, signed) in enumerate(WORDS):
        ke.export_c(words_network(name, widths, signed)[0], folder / f"words_{number}", target="dsp")
    return folder


def check(command, files, cwd):
    """The command says nothing about these files."""
    run = subprocess.run([*map(str, command), *map(str, files)], cwd=cwd, capture_output=True, text=True)
    assert run.returncode == 0 and not run.stderr, run.stderr[:3000]


def needed(command, folder):
    """Skips the test without this compiler, or without its headers for so many bits."""
    if not shutil.which(command[0]):
        pytest.skip(f"no {command[0]}")
    (folder / "probe.c").write_text("#include <stdio.h>\n#include <stdint.h>\n#include <math.h>\n")
    probe = subprocess.run([*command, "-fsyntax-only", "probe.c"], cwd=folder, capture_output=True)
    if probe.returncode:
        pytest.skip(f"{' '.join(command)} lacks headers")


@pytest.mark.parametrize("name", COMPILERS)
def test_no_compiler_warns(name, folder):
    command = (*COMPILERS[name], "-fsyntax-only")
    needed(COMPILERS[name], folder)
    check(command, sorted(folder.glob("*/network.c")), folder)
    check((*command, "-I", folder / "0"), [C_FOLDER / "main_host.c"], folder)


def test_the_analyzer_of_gcc_finds_nothing(folder):
    needed(("gcc", "-fanalyzer"), folder)
    command = ("gcc", *C99, "-fanalyzer", "-O1", "-c", "-I", folder / "0")
    check(command, sorted(folder.glob("*/network.c"))[::6], folder)
    check(command, [C_FOLDER / "main_host.c"], folder)


def test_cppcheck_finds_nothing(folder):
    if not shutil.which("cppcheck"):
        pytest.skip("no cppcheck")
    check(CPPCHECK, sorted(folder.glob("*/network.c"))[::4], folder)
    mains = [C_FOLDER / name for name in ("main_host.c", "main_arm.c", "main_avr.c", "count_instructions.c")]
    check((*CPPCHECK, "-I", folder / "0"), mains, folder)


@pytest.mark.parametrize(
    ("main", "command"),
    [
        ("main_avr.c", ("avr-gcc", "-mmcu=atmega328p", "-Os")),
        ("main_arm.c", ("arm-none-eabi-gcc", "-mcpu=cortex-m0", "-mthumb", "-ffreestanding")),
        ("main_arm.c", ("arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", "-ffreestanding")),
    ],
)
def test_the_mains_of_devices(main, command, folder):
    if not shutil.which(command[0]):
        pytest.skip(f"no {command[0]}")
    for network_folder in sorted(folder.glob("*/network.h")):
        check((*command, *C99, "-fsyntax-only", "-I", network_folder.parent), [C_FOLDER / main], folder)


@pytest.mark.parametrize("compiler", ["g++", "clang++", "avr-g++"])
def test_the_sketch(compiler, folder):
    if not shutil.which(compiler):
        pytest.skip(f"no {compiler}")
    shim = Path(__file__).parent / "arduino_shim"
    command = (compiler, "-std=gnu++11", *WARNINGS, "-fsyntax-only", "-I", shim, "-include", "Arduino.h", "-x", "c++")
    for network_folder in sorted(folder.glob("*/network.h"))[::4]:
        check((*command, "-I", network_folder.parent), [C_FOLDER / "sketch.ino"], folder)


def wide_network(inputs, units):
    """Two layers without biases: units x (inputs + 1) bytes of weights."""
    bits = {"kernel_bits": 8, "activation_bits": 8, "use_bias": False}
    return sequential((inputs,), ke.DenseQ(units, **bits), ke.DenseQ(1, **bits))


def test_weights_above_an_array_of_an_avr_are_refused_with_their_number(tmp_path):
    sizes = {32639: wide_network(256, 127), 32768: wide_network(1023, 32)}
    for number, model in sizes.items():
        ke.set_mode(model, "freeze_scales")
        assert ke.export_c(model, tmp_path / str(number)).weight_bytes == number
    message = "the weights take 32768 bytes: an array of an AVR has at most 32767"
    with pytest.raises(ValueError, match=f"{message}. Received: target='avr'"):
        ke.export_c(sizes[32768], tmp_path / "avr", target="avr")
    assert not (tmp_path / "avr").exists()
    ke.export_c(sizes[32639], tmp_path / "avr", target="avr")
    if not shutil.which("avr-gcc"):
        pytest.skip("no avr-gcc")
    command = ("avr-gcc", "-mmcu=atmega2560", *C99, "-Os", "-fsyntax-only")
    check(command, [tmp_path / "32639/network.c"], tmp_path)
    run = subprocess.run([*command, tmp_path / "32768/network.c"], capture_output=True, text=True)
    assert run.returncode and message in run.stderr


BIG_ENDIAN = {"s390x": "s390x-linux-gnu-gcc", "mips": "mips-linux-gnu-gcc"}


@pytest.mark.parametrize("machine", BIG_ENDIAN)
def test_machines_that_store_the_high_byte_first(machine, tmp_path):
    if not (shutil.which(BIG_ENDIAN[machine]) and shutil.which(f"qemu-{machine}")):
        pytest.skip(f"needs {BIG_ENDIAN[machine]} and qemu-{machine}")
    for name in ("16 bits", "wide kernels", "sums beyond 16 bits as they arrive", "residual column"):
        model, images = network(name)
        ke.export_c(model, tmp_path)
        program = tmp_path / "program"
        sources = ("network.c", "main_host.c")
        subprocess.run([BIG_ENDIAN[machine], "-static", "-std=c99", *sources, "-o", program], cwd=tmp_path, check=True)
        emulated = subprocess.run([f"qemu-{machine}", program], input=images.tobytes(), capture_output=True, check=True)
        results = np.frombuffer(emulated.stdout, np.uint8).reshape(len(images), -1)
        logits = np.ascontiguousarray(results[:, :-1]).view("<i2")
        np.testing.assert_array_equal(logits, run_on_host(tmp_path, images, sanitize=False).logits)
