"""The CMake project and the Arduino library, built by the real tools."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from export.small_exports import export, small_network

import keras_efficient as ke
from keras_efficient.export.verify.interface import Interface

_SHIM = Path(__file__).parent / "arduino_shim"
_WARNINGS = "-Wall -Wextra -pedantic -Wconversion -Wsign-conversion -Wshadow -Werror"


def _run(*command, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, timeout=120, **options)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()[-3000:]
    return done.stdout


def _cmake(source, build, *options):
    if not shutil.which("cmake"):
        pytest.skip("needs cmake: apt-get install cmake")
    _run("cmake", "-S", source, "-B", build, f"-DCMAKE_C_FLAGS={_WARNINGS}", *options)
    _run("cmake", "--build", build)


@pytest.mark.parametrize("target", ["cmake", "arduino_library"])
def test_it_is_verified(target, tmp_path, c_compiler):
    _, codes, _ = export(tmp_path, target)
    done = ke.export.verify_c(small_network()[0], tmp_path, codes, target)
    assert done.passed and "C on this computer, sanitizers" in str(done) and "12 of 12 equal" in str(done)


def test_cmake_builds_the_program(tmp_path, c_compiler):
    _, codes, expected = export(tmp_path / "digits", "cmake")
    _cmake(tmp_path / "digits", tmp_path / "build")
    results = _run(tmp_path / "build/digits_main", input=codes.astype(np.int8).tobytes())
    logits, _ = Interface.read(tmp_path / "digits").unpack(results, len(codes))
    np.testing.assert_array_equal(logits, expected)


def test_cmake_leaves_the_program_out_where_it_is_not_asked_for(tmp_path, c_compiler):
    export(tmp_path / "digits", "cmake")
    _cmake(tmp_path / "digits", tmp_path / "build", "-DDIGITS_MAIN=OFF")
    assert (tmp_path / "build/libdigits.a").exists() and not (tmp_path / "build/digits_main").exists()


_PROJECT = """cmake_minimum_required(VERSION 3.10)
project(both C)
add_subdirectory(digits)
add_subdirectory(words)
add_executable(both both.c)
target_link_libraries(both PRIVATE digits words)
"""
_BOTH = """#include <stdio.h>
#include "digits.h"
#include "words.h"
static const digits_input first[DIGITS_INPUTS] = {%s};
static const words_input second[WORDS_INPUTS] = {%s};
int main(void) {
    const int16_t *logits = digits_run(first);
    for (int i = 0; i < DIGITS_OUTPUTS; i++) printf("%%d ", logits[i]);
    logits = words_run(second);
    for (int i = 0; i < WORDS_OUTPUTS; i++) printf("%%d ", logits[i]);
    return 0;
}
"""


def test_two_subdirectories_are_one_program(tmp_path, c_compiler):
    sides = [export(tmp_path / name, "cmake", inputs, name) for name, inputs in (("digits", 5), ("words", 7))]
    (tmp_path / "CMakeLists.txt").write_text(_PROJECT)
    (tmp_path / "both.c").write_text(
        _BOTH % tuple(", ".join(map(str, codes.ravel()[:n])) for (_, codes, _), n in zip(sides, (5, 7), strict=True))
    )
    _cmake(tmp_path, tmp_path / "build")
    assert not list((tmp_path / "build").rglob("*_main"))  # only the top of a project is a program
    logits = [int(word) for word in _run(tmp_path / "build/both").split()]
    assert logits == [*sides[0][2][0], *sides[1][2][0]]


def test_the_readme_of_a_cmake_folder_says_how_to_set_macros(tmp_path, c_compiler):
    """The lines of the README, typed as they stand there."""
    export(tmp_path / "digits", "cmake")
    lines = (tmp_path / "digits/README.md").read_text().splitlines()
    option = next(line for line in lines if "target_compile_options" in line).strip(" .`")
    hook = next(line for line in lines if line.startswith("Hook:")).split("`")
    place = next(line for line in lines if line.startswith("Places:")).split("`")
    (tmp_path / "digits/settings.h").write_text("\n".join([hook[1], hook[3], place[1], ""]))
    (tmp_path / "digits/watchdog.h").write_text("void feed_watchdog(void);\n")
    with (tmp_path / "digits/CMakeLists.txt").open("a") as file:
        file.write(option + "\n")
    _cmake(tmp_path / "digits", tmp_path / "build", "-DDIGITS_MAIN=OFF")
    symbols = _run("nm", tmp_path / "build/libdigits.a").decode()
    assert "U feed_watchdog" in symbols
    sections = _run("objdump", "-h", tmp_path / "build/libdigits.a").decode().split()
    assert ".rodata.w" in sections


def test_the_library_compiles_for_an_uno(tmp_path):
    """As the IDE does: the example is C++ after Arduino.h, the sources are C, and headers are found in src/."""
    if not (shutil.which("avr-gcc") and shutil.which("avr-g++")):
        pytest.skip("needs avr-gcc and avr-g++: apt-get install gcc-avr avr-libc")
    export(tmp_path / "digits", "arduino_library")
    export(tmp_path / "words", "arduino_library", 7, "words")
    include = ("-mmcu=atmega328p", "-Os", "-Wall", "-Wextra", "-Werror", "-I", _SHIM)
    sources = [tmp_path / name / "src" for name in ("digits", "words")]
    for source in sources:
        name = source.parent.name
        _run("avr-gcc", *include, "-std=gnu11", "-c", source / f"{name}.c", "-o", tmp_path / f"{name}.o")
        example = source.parent / f"examples/{name}/{name}.ino"
        options = ("-std=gnu++11", "-include", "Arduino.h", "-I", source, "-x", "c++")
        _run("avr-g++", *include, *options, "-c", example, "-o", tmp_path / f"{name}_example.o")
        parts = [tmp_path / f"{part}.o" for part in (name, f"{name}_example")]
        _run("avr-g++", *include, *parts, _SHIM / "board.cpp", "-o", tmp_path / f"{name}.elf")
