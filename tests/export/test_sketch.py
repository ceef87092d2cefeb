"""The Arduino sketch: compiles as the IDE compiles it, and answers with the integer model's logits."""

import shutil
import subprocess
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_efficient as ke

_SHIM = Path(__file__).parent / "arduino_shim"
_FLAGS = ("-Os", "-Wall", "-Wextra", "-Werror")
_INPUTS = [(8, False), (8, True), (16, False), (16, True)]


def _network(bits=8, signed=False):
    keras.utils.set_random_seed(0)
    layers = [keras.Input((4, 4, 2)), ke.InputQ(bits, signed), ke.ConvQ(3, 3, activation="relu", activation_bits=8)]
    model = keras.Sequential([*layers, keras.layers.Flatten(), ke.DenseQ(3, activation_bits=16)])
    x = np.random.default_rng(1).normal(size=(20, 4, 4, 2)).astype("float32")
    x = x if signed else np.abs(x)
    ke.calibrate(model, model, x, rule="least_error")
    ke.set_mode(model, "freeze_scales")
    return model, x


def _compile(prefix, folder, shim, *options):
    """As the IDE: the .ino is C++ behind `#include <Arduino.h>`, the network is C."""
    compilers = [shutil.which(f"{prefix}{name}") for name in ("g++", "gcc")]
    if None in compilers:
        pytest.skip(f"needs {prefix}g++ and {prefix}gcc")
    sketch, program = folder / f"{folder.name}.ino", folder.parent / "sketch.elf"
    cpp = folder.parent / "sketch.cpp"
    cpp.write_text("#include <Arduino.h>\n" + sketch.read_text())
    include = ("-I", _SHIM, "-I", folder)
    network = folder.parent / "network.o"
    for command in (
        [compilers[1], *options, *_FLAGS, "-std=gnu11", "-c", folder / "network.c", "-o", network],
        [compilers[0], *options, *_FLAGS, "-std=gnu++11", *include, cpp, _SHIM / shim, network, "-o", program],
    ):
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    return program


@pytest.mark.parametrize("bits, signed", _INPUTS)
def test_the_sketch_answers_with_the_logits(bits, signed, tmp_path):
    model, x = _network(bits, signed)
    ke.export_c(model, tmp_path / "digits", target="arduino")
    integers = ke.export.IntegerModel(model)
    codes = integers.encode(x)
    assert (codes.min() < 0) == signed and (np.abs(codes).max() > 255) == (bits == 16)
    program = _compile("", tmp_path / "digits", "host.cpp")
    content = codes.astype(f"<{'i' if signed else 'u'}{bits // 8}").tobytes()
    done = subprocess.run([program], input=content, capture_output=True, timeout=60)
    ready, *lines = done.stdout.decode().splitlines()
    assert ready == f"ready for {32 * bits // 8} bytes"
    words = [line.split() for line in lines]
    assert {tuple(each[0:5:2]) for each in words} == {("class", "micros", "logits")}
    expected = integers.predict(codes)
    assert len(np.unique(expected.argmax(axis=1))) > 1
    np.testing.assert_array_equal([[int(word) for word in each[5:]] for each in words], expected)
    np.testing.assert_array_equal([int(each[1]) for each in words], expected.argmax(axis=1))


@pytest.mark.parametrize("bits, signed", _INPUTS)
def test_the_sketch_compiles_for_an_uno(bits, signed, tmp_path):
    ke.export_c(_network(bits, signed)[0], tmp_path / "digits", target="arduino")
    _compile("avr-", tmp_path / "digits", "board.cpp", "-mmcu=atmega328p")


def test_the_folder_is_a_sketch(tmp_path):
    model, _ = _network()
    ke.export_c(model, tmp_path / "digits", target="arduino")
    names = {path.name for path in (tmp_path / "digits").iterdir()}
    assert names == {"digits.ino", "network.c", "network.h", "report.json", "README.md"}
    (tmp_path / "digits/digits.ino").write_text("void setup() {}")
    ke.export_c(model, tmp_path / "digits", target="arduino")
    assert (tmp_path / "digits/digits.ino").read_text() == "void setup() {}"  # the user's own


def test_the_current_folder_has_a_name(tmp_path, monkeypatch):
    (tmp_path / "digits").mkdir()
    monkeypatch.chdir(tmp_path / "digits")
    ke.export_c(_network()[0], ".", target="arduino")
    assert (tmp_path / "digits/digits.ino").exists()


@pytest.mark.parametrize("name", ["my sketch", "-first", "dot.", "a" * 64, "größe"])
def test_names_that_are_no_sketch_are_refused(name, tmp_path):
    with pytest.raises(ValueError, match="an Arduino sketch has the name of its folder"):
        ke.export_c(_network()[0], tmp_path / name, target="arduino")
    assert not (tmp_path / name).exists()


def test_a_second_main_is_refused(tmp_path):
    ke.export_c(_network()[0], tmp_path / "digits")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ValueError, match=r"holds main_host\.c, which the Arduino IDE would compile"):
        ke.export_c(_network()[0], tmp_path / "digits", target="arduino")
    assert sorted(tmp_path.rglob("*")) == before
