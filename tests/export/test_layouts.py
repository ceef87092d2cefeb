"""The CMake project and the Arduino library: what is in them, what they keep, and where they are refused."""

import re
from contextlib import suppress

import pytest
from export.small_exports import contents, export

from keras_efficient import files
from keras_efficient.export.firmware_report import firmware_report
from keras_efficient.export.verify.interface import Interface

_CMAKE = {"CMakeLists.txt", "digits.c", "digits.h", "main_host.c", "report.json", "README.md"}
_LIBRARY = {
    "library.properties",
    "src/digits.c",
    "src/digits.h",
    "examples/digits/digits.ino",
    "report.json",
    "README.md",
}
_CODE = ("digits.c", "src/digits.c", "simulate_avr.c")


def _network_id(path):
    return re.search("DIGITS_ID (?:!= )?(0x[0-9a-f]{8})", path.read_text())[1]


@pytest.mark.parametrize(("target", "names"), [("cmake", _CMAKE), ("arduino_library", _LIBRARY)])
def test_what_is_in_the_folder(target, names, tmp_path):
    report, _, _ = export(tmp_path / "new/digits", target)
    assert contents(tmp_path / "new/digits").keys() == names
    assert firmware_report(tmp_path / "new/digits") == report
    assert Interface.read(tmp_path / "new/digits").inputs == 5


def test_a_changed_file_is_kept_and_the_network_is_replaced(tmp_path):
    for target, names in (
        ("cmake", ["CMakeLists.txt"]),
        ("arduino_library", ["library.properties", "examples/digits/digits.ino"]),
    ):
        folder = tmp_path / target
        old, _, _ = export(folder, target)
        for name in names:
            (folder / name).write_text("mine")
        new, _, _ = export(folder, target, inputs=6)
        assert {(folder / name).read_text() for name in names} == {"mine"}
        assert new.network_id != old.network_id and firmware_report(folder) == new


@pytest.mark.parametrize("steps", range(7))
def test_a_library_that_dies_is_never_half(tmp_path, monkeypatch, steps):
    """The steps: two deletions, then header, source and two reports are put in place."""
    old, _, _ = export(tmp_path, "arduino_library")
    done = []

    def until_death(function):
        def step(*arguments, **named):
            if len(done) == steps:
                raise KeyboardInterrupt
            done.append(function)
            return function(*arguments, **named)

        return step

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "replace", until_death(files.os.replace))
        patch.setattr(files.Path, "unlink", until_death(files.Path.unlink))
        with suppress(KeyboardInterrupt):
            export(tmp_path, "arduino_library", inputs=6)
    header, source = (_network_id(tmp_path / "src" / name) for name in ("digits.h", "digits.c"))
    assert ((header == old.network_id), (source == old.network_id)) == (steps < 3, steps < 4)
    assert (tmp_path / "report.json").exists() == (steps == 0 or steps > 4)
    if (tmp_path / "report.json").exists():
        assert firmware_report(tmp_path).network_id == source == header
    new, _, _ = export(tmp_path, "arduino_library", inputs=6)
    assert new.network_id != old.network_id and firmware_report(tmp_path) == new


@pytest.mark.parametrize(
    ("first", "then", "message"),
    [
        ("host", "arduino_library", "holds the network of another target, and an Arduino library has its own in src/"),
        ("arduino_library", "host", "holds an Arduino library, with its network in src/"),
        ("arduino_library", "cmake", "holds an Arduino library, with its network in src/"),
    ],
)
def test_a_folder_has_one_layout(first, then, message, tmp_path):
    export(tmp_path, first)
    before = contents(tmp_path)
    with pytest.raises(ValueError, match=message):
        export(tmp_path, then)
    assert contents(tmp_path) == before


def test_a_library_holds_one_network(tmp_path):
    export(tmp_path, "arduino_library")
    before = contents(tmp_path)
    with pytest.raises(ValueError, match="holds the network 'digits': a folder holds one"):
        export(tmp_path, "arduino_library", prefix="words")
    assert contents(tmp_path) == before


def test_a_host_folder_becomes_a_cmake_project(tmp_path):
    export(tmp_path, "host")
    export(tmp_path, "cmake")
    assert contents(tmp_path).keys() == _CMAKE


def test_a_folder_around_an_export_is_no_library(tmp_path):
    """A project of somebody's, with networks in it and in its src/."""
    export(tmp_path / "src", "host", prefix="words")
    report, _, _ = export(tmp_path, "host")
    assert firmware_report(tmp_path) == report and Interface.read(tmp_path).prefix == "digits"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("src/digits.c", "digits.c' exists and is not an export"),
        ("src/digits.h", "digits.h' exists and is not an export"),
        ("README.md", "README.md' exists and is not an export"),
        ("library.properties", "is that of another library"),
        ("src", "src' must be a folder, or not be there yet"),
        ("examples", "examples' must be a folder, or not be there yet"),
        ("examples/digits", "digits' must be a folder, or not be there yet"),
    ],
)
def test_nothing_of_somebody_else_is_touched(name, message, tmp_path):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("name=theirs\n")
    before = contents(tmp_path)
    with pytest.raises(ValueError, match=message):
        export(tmp_path, "arduino_library")
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("target", "prefix", "message"),
    [
        ("cmake", "test", "each of .* is one of CMake's own. Received: prefix='test'"),
        ("arduino_library", "a" * 64, "at most 63 letters. Received: 64"),
    ],
)
def test_prefixes_that_the_tools_refuse(target, prefix, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        export(tmp_path / "new", target, prefix=prefix)
    assert not (tmp_path / "new").exists()


def test_the_properties_of_a_library(tmp_path):
    export(tmp_path, "arduino_library")
    lines = (tmp_path / "library.properties").read_text().splitlines()
    properties = dict(line.split("=", 1) for line in lines if not line.startswith("#"))
    needed = "name version author maintainer sentence paragraph category url architectures includes"
    assert set(properties) == set(needed.split()) and all(properties.values())
    assert (properties["name"], properties["includes"], properties["architectures"]) == ("digits", "digits.h", "*")


@pytest.mark.parametrize("target", ["host", "avr", "arduino", "cmake", "arduino_library"])
def test_values_are_not_called_images(target, tmp_path):
    export(tmp_path, target)
    texts = contents(tmp_path)
    assert "Push 5 numbers; a number" in b"".join(texts.values()).decode()
    # A counter of a loop may be called so; simulate_avr.c is no part of a device.
    ours = {name: text.decode() for name, text in texts.items() if name not in _CODE}
    assert not [name for name, text in ours.items() if "pixel" in text.lower() or "image" in text.lower()]
