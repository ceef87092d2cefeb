"""The C functions of networks, compiled and tested on their own: `keras_efficient/export/c/kernels`."""

import shutil
import subprocess

import numpy as np
import pytest

from keras_efficient.export.c.kernels import FILES, FOLDER, kernels, used_kernels

# What a network says before its kernels.
PRELUDE = """#include <stdint.h>
#include <stdio.h>
#define NETWORK_INLINE static inline __attribute__((always_inline))
#define NETWORK_NO_LIBRARY __asm__ volatile("")
#define NETWORK_WEIGHT(place) network_weights[place]
typedef uint_fast16_t network_index;
static union { uint8_t bytes[64]; int16_t logits[32]; } network_arena;
static uint8_t network_weights[64];
"""
WARNINGS = ("-Wall", "-Wextra", "-pedantic", "-Wconversion", "-Wsign-conversion", "-Wshadow", "-Werror", "-Wno-unused")
COMPILERS = {
    "gcc": ("gcc",),
    "g++": ("g++", "-x", "c++", "-std=c++17"),
    "clang": ("clang",),
    "Cortex-M4": ("arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", "-O2"),
    "Cortex-M0": ("arm-none-eabi-gcc", "-mcpu=cortex-m0", "-mthumb", "-O2"),
    "ATmega328P": ("avr-gcc", "-mmcu=atmega328p", "-Os"),
}


def text_of(*names):
    return "\n".join("\n".join(lines) for lines in used_kernels(" ".join(names)))


@pytest.fixture
def run(tmp_path, c_compiler):
    """Runs statements with some kernels; what they print, as numbers."""

    def run(names, statements):
        (tmp_path / "main.c").write_text(
            f"{PRELUDE}{text_of(*names)}\nint main(void) {{\n{statements}\nreturn 0;\n}}\n"
        )
        sanitizers = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
        command = ["gcc", "-std=c99", *WARNINGS, *sanitizers, "main.c", "-o", "main"]
        subprocess.run(command, cwd=tmp_path, check=True)
        shown = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=True).stdout
        return np.array(shown.split(), dtype=np.int64)

    return run


def test_every_file_is_one_of_the_kernels():
    assert sorted(FILES) == sorted(path.name for path in FOLDER.iterdir())
    defined = [name for kernel in kernels() for name in kernel.defines if name.startswith("network_")]
    assert len(defined) == len(set(defined)) > 30
    assert all(kernel.lines[0].startswith(("/*", "static", "NETWORK", "#", "typedef")) for kernel in kernels())


def test_kernels_come_with_what_they_call_and_nothing_else():
    text = text_of("network_skip_relative")
    assert text.index("network_weight_bits(") < text.index("network_skip_relative(")
    assert "network_skip_masked" not in text and "network_get_8" not in text
    assert used_kernels("int x;") == []


@pytest.mark.parametrize("name", COMPILERS)
def test_no_compiler_warns(name, tmp_path):
    """Every kernel, called or not; those for words are not for an AVR."""
    command = COMPILERS[name]
    if not shutil.which(command[0]):
        pytest.skip(f"no {command[0]}")
    files = [file for file in FILES if name != "ATmega328P" or file not in ("words.c", "products.c")]
    text = "\n".join((FOLDER / file).read_text() for file in files)
    (tmp_path / "kernels.c").write_text(PRELUDE.replace("#include <stdio.h>\n", "") + text)
    standard = () if "c++" in command else ("-std=c99",)
    flags = (*standard, *WARNINGS, *(("-Wno-unused-function",) if name == "clang" else ()), "-c", "-o", "kernels.o")
    run = subprocess.run([*command, *flags, "kernels.c"], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0 and not run.stderr, run.stderr[:2000]


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16, 3, 11])
def test_cells_are_written_and_read(bits, run):
    """Each after the other, last bits too; what lies beside them stays."""
    count, unit = 64 * 8 // bits - 1, bits if bits in (3, 11) else {16: 2}.get(bits, 1)
    put, get = (f"network_{name}_{bits if bits not in (3, 11) else 'bits'}" for name in ("put", "get"))
    width = f", {bits}" if bits in (3, 11) else ""
    kind = "uint16_t" if bits > 8 or width else "uint8_t"
    statements = f"""network_index i;
    for (i = 0; i < {count}; i++)
        {put}((network_index)(i * {unit}){width}, ({kind})((i * 40503u >> 3) & {2**bits - 1}u));
    for (i = 0; i < {count}; i++)
        printf("%u ", (unsigned){get}((network_index)(i * {unit}){width}));"""
    numbers = (np.arange(count) * 40503 >> 3) & (2**bits - 1)
    np.testing.assert_array_equal(run([put, get], statements), numbers)


def test_pairs_of_words(run):
    """The numbers of both halves, as integers."""
    words = np.random.default_rng(0).integers(0, 2**32, 20, dtype=np.uint64)
    statements = "\n".join(
        f'printf("%u %u %u ", network_pair({word}u, 4, 8, 0xf000fu), network_signed_pair({word}u, 8), '
        f"network_lowered(network_pair({word}u, 8, 0, 0xff00ffu), 128));"
        for word in words
    )
    found = run(["network_pair", "network_signed_pair", "network_lowered"], statements).reshape(-1, 3)
    halves = np.stack([words & 0xFFFF, words >> 16], 1).astype(np.int64)
    signed = (halves >> 8 ^ 128) - 128
    expected = [halves >> 8 & 15, signed, (halves & 255) - 128]
    for column, numbers in zip(found.T, expected, strict=True):
        np.testing.assert_array_equal(column, (numbers[:, 0] & 0xFFFF) | (numbers[:, 1] & 0xFFFF) << 16)


@pytest.mark.parametrize(("places", "bits"), [(0, 8), (1, 2), (5, 4), (9, 8)])
def test_rounding_is_half_to_even_within_the_limits(places, bits, run):
    numbers = np.arange(-3 * 2**places - 5, 2 ** (places + bits) + 2**places + 5, max(1, 2**places // 8))
    statements = "\n".join(
        f'printf("%u ", (unsigned)network_round_index({number}, {places}, {bits}));' for number in numbers
    )
    expected = np.clip(np.rint(numbers / 2**places), 0, 2**bits - 1)
    np.testing.assert_array_equal(run(["network_round_index"], statements), expected)


def test_bytes_move_over_each_other(run):
    moved = """network_index i;
    for (i = 0; i < 40; i++) network_arena.bytes[i] = (uint8_t)i;
    network_shift(3, 30, 5);
    network_shift_down(20, 12, 7);
    for (i = 0; i < 40; i++) printf("%d ", network_arena.bytes[i]);"""
    expected = np.arange(40)
    expected[8:38] = expected[3:33].copy()
    expected[13:25] = expected[20:32].copy()
    np.testing.assert_array_equal(run(["network_shift", "network_shift_down"], moved), expected)
