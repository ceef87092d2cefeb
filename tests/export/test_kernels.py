"""The C functions of networks, compiled and tested on their own: `keras_efficient/export/c/kernels`."""

import shutil
import subprocess
from itertools import takewhile

import numpy as np
import pytest

from keras_efficient.export.c.kernels import FILES, FOLDER, kernels, used_kernels
from keras_efficient.export.c.places import Places, axis_line
from keras_efficient.export.integer.windows import Window
from keras_efficient.kinds.windows import Slide
from keras_efficient.storage.planner.layouts import Layout

# What a network says before its kernels.
PRELUDE = """#include <stdint.h>
#include <stdio.h>
#define NETWORK_INLINE static inline __attribute__((always_inline))
#define NETWORK_NO_LIBRARY __asm__ volatile("")
#define NETWORK_WEIGHT(place) network_weights[place]
#define NETWORK_TABLE(table, place) table[place]
typedef uint_fast16_t network_index;
typedef uint_fast8_t network_count;
typedef uint16_t network_code;
typedef uint32_t network_sum;
typedef int16_t network_logit;
static union { uint8_t bytes[128]; int16_t logits[64]; } network_arena;
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

    def run(names, statements, before=""):
        (tmp_path / "main.c").write_text(
            f"{PRELUDE}{text_of(*names)}\n{before}\nint main(void) {{\n{statements}\nreturn 0;\n}}\n"
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
    assert all(kernel.text.startswith(("/*", "static", "NETWORK", "#", "typedef")) for kernel in kernels())


def test_kernels_come_with_what_they_call_and_nothing_else():
    text = text_of("network_pass")
    assert text.index("network_weight_bits(") < text.index("network_next(") < text.index("network_pass(")
    assert "network_weight_4" not in text and "network_get_8" not in text
    assert used_kernels("int x;") == []


def test_cases_that_no_table_is_in_are_left_out():
    constants = {"map->bits": {4, 16}, "network_stride(map)": {1, 2}}
    text = "\n".join(line for lines in used_kernels("network_get", constants) for line in lines)
    assert all(f"network_get_{bits}(" in text for bits in (4, 16))
    assert not any(f"network_get_{bits}(" in text for bits in (1, 2, 8, "bits"))


def test_loops_come_once_for_each_width_of_sums():
    text = "\n".join(line for lines in used_kernels("network_filters_of_32 network_filters_of_64") for line in lines)
    assert "typedef int32_t network_wide_of_32;" in text and "typedef int64_t network_wide_of_64;" in text
    assert "network_wide_of_16" not in text and "network_add_cells_of_64(" in text


@pytest.mark.parametrize("name", COMPILERS)
def test_no_compiler_warns(name, tmp_path):
    """Every kernel, called or not; those for words are not for an AVR."""
    command = COMPILERS[name]
    if not shutil.which(command[0]):
        pytest.skip(f"no {command[0]}")
    used = takewhile(lambda kernel: name != "ATmega328P" or "NETWORK_HAS_WORDS" not in kernel.defines, kernels())
    text = "\n".join(kernel.text for kernel in used)
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


FILL = """
static const network_map source = {%d, %d, 0, 0, 0}, target = {%d, %d, %d, %d, %d};
static void fill(network_index cells) {
    network_index i;
    for (i = 0; i < cells; i++)
        network_put(&source, i, (network_code)((i * 40503u >> 3) & %du));
}
static void show(network_index cells) {
    network_index i;
    for (i = 0; i < cells; i++)
        printf("%%d ", target.is_logits ? network_arena.logits[i] : (int)network_get(&target, i));
}
"""


def maps(source, target, logits=0, shift=0, low=0):
    """Functions around a map of so many bits, and one far enough after it: (first, bits) of either."""
    return FILL % (*source, *target, logits, shift, low, 2 ** source[1] - 1)


def filled(cells, bits):
    return (np.arange(cells) * 40503 >> 3) & (2**bits - 1)


MAPS = ["network_get", "network_put", "network_map"]


@pytest.mark.parametrize(("bits", "first"), [(1, 300), (2, 130), (3, 210), (4, 70), (8, 32), (11, 250), (16, 30)])
def test_maps_of_all_widths_change(bits, first, run):
    """Each cell with its number, through a function; the other way they go up."""
    cells = 15 if bits > 8 else 30
    before = (
        maps((0, bits), (first, bits))
        + f"""
static network_code change(network_code index, network_index number) {{
    return (network_code)((index + number) & {2**bits - 1}u);
}}
"""
    )
    found = run(
        [*MAPS, "network_change"],
        f"fill({cells}); network_change(&source, 0, &target, 0, {cells}, change); show({cells});",
        before,
    )
    np.testing.assert_array_equal(found, filled(cells, bits) + np.arange(cells) & 2**bits - 1)
    up = run(
        [*MAPS, "network_move_up"], f"fill({cells}); network_move_up(&source, &target, {cells}); show({cells});", before
    )
    np.testing.assert_array_equal(up, filled(cells, bits))


@pytest.mark.parametrize(("bits", "shift", "low"), [(2, 1, -3), (4, 0, -8), (8, 0, 0), (16, 0, -32768), (16, 0, 0)])
def test_logits_are_integers_within_16_bits(bits, shift, low, run):
    statements = "fill(12); network_change(&source, 0, &target, 0, 12, network_same); show(12);"
    found = run(
        [*MAPS, "network_change", "network_same"],
        statements,
        maps((32 * 8 // (bits if bits < 16 else 8), bits), (0, bits), 1, shift, low),
    )
    np.testing.assert_array_equal(found, np.minimum(filled(12, bits) * 2**shift + low, 32767))


def test_cells_are_made_from_their_places(run):
    functions = """
static network_code number_of(network_index number) { return (network_code)(3 * number); }
static network_code place_of(network_index number, network_count row, network_count column, network_count channel) {
    return (network_code)(number + 10 * row + 50 * column + 5 * channel);
}
"""
    names = [*MAPS, "network_make", "network_make_places"]
    found = run(names, "network_make(&target, 20, number_of); show(20);", maps((0, 8), (0, 8)) + functions)
    np.testing.assert_array_equal(found, 3 * np.arange(20))
    found = run(names, "network_make_places(&target, 2, 3, 4, place_of); show(24);", maps((0, 8), (0, 8)) + functions)
    rows, columns, channels = np.indices((2, 3, 4)).reshape(3, -1)
    np.testing.assert_array_equal(found, np.arange(24) + 10 * rows + 50 * columns + 5 * channels)


def test_moves_repeat_turn_and_fill(run):
    """Rows are repeated, columns shifted with a frame, channels turned round."""
    ways = """
static const network_way rows = {4, 2, 0, 4, 6, 0}, columns = {5, 1, 1, 4, 2, 0}, channels = {2, 1, 0, 2, 1, 1};
"""
    statements = (
        "fill(12); network_move(&source, (network_index)-2 + 1, &target, &rows, &columns, &channels, 7); show(40);"
    )
    found = run([*MAPS, "network_move"], statements, maps((0, 4), (48, 4)) + ways)
    expected = np.pad(
        filled(12, 4).reshape(2, 3, 2)[:, :, ::-1].repeat(2, 0), ((0, 0), (1, 1), (0, 0)), constant_values=7
    )
    np.testing.assert_array_equal(found, expected.ravel())


@pytest.mark.parametrize("bits", [1, 4, 8, 16])
def test_pixels_change_places(bits, run):
    goes_to = np.random.default_rng(bits).permutation(10)
    table = (
        f"static const uint8_t to[] = {{{', '.join(map(str, goes_to))}}};"
        + """
static network_index place(network_index pixel) { return to[pixel]; }
"""
    )
    text = maps((0, bits), (0, bits)) + table
    found = run([*MAPS, "network_permute"], "fill(30); network_permute(&source, 10, 3, place); show(30);", text)
    expected = np.zeros((10, 3), int)
    expected[goes_to] = filled(30, bits).reshape(10, 3)
    np.testing.assert_array_equal(found, expected.ravel())


ORDERS = {"rows": (0,) * 4, "columns": (5,) * 4, "alternating": (0, 1, 2, 3), "strips": (0, 2, 2, 5)}


@pytest.mark.parametrize("order", ORDERS)
def test_pixels_in_order(order, run):
    """The loop passes every pixel, and finds each at its place."""
    layout = Layout(5, ORDERS[order])
    places = Places(layout, "1")
    assert places.order_name == {"rows": "row", "columns": "column"}.get(order, order)
    declared = "\n".join([*places.tables(True), *places.function_lines(), places.declaration])
    statements = f"""network_pixel at = {{0, 0, 0, 0}};
    do
        printf("%u %u %u ", (unsigned)at.row, (unsigned)at.column,
               (unsigned)network_place({places.reference}, {places.finder}, at.row, at.column));
    while (network_next_pixel({places.reference}, &at));"""
    names = ["network_layout", "network_place", "network_place_in_strips", "network_next_pixel"]
    found = run(names, statements, declared.replace("NETWORK_FLASH", "")).reshape(-1, 3)
    np.testing.assert_array_equal(found[:, 2], np.arange(20))
    np.testing.assert_array_equal(layout.addresses[found[:, 0], found[:, 1]], np.arange(20))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    ("size", "stride", "padding"),
    [((2, 2), (2, 2), "valid"), ((3, 2), (1, 2), "same"), ((4, 5), (1, 1), "same"), ((7, 3), (2, 3), "same")],
)
def test_windows_are_pooled(order, size, stride, padding, run):
    """The largest index, and the sum with the number of places, of windows over the edges too."""
    slide = Slide(size, stride, padding)
    target = slide.places((4, 5, 2))[:2]
    window, places, rows = (
        Window((4, 5), target, slide),
        Places(Layout(5, ORDERS[order]), "1"),
        Places(Layout.by_rows(*target), "2"),
    )
    x = filled(40, 3)
    by_rows = x.reshape(20, 2)[places.layout.addresses].reshape(1, 4, 5, 2)
    largest = np.maximum.reduce(list(window.slices(by_rows)))
    sums = sum(window.slices(by_rows - 4)) + 10 * window.counts()[:, :, None]
    lines = [*places.tables(True), *places.function_lines(), places.declaration, rows.declaration]
    lines += [axis_line(name, window, axis) for axis, name in enumerate(("rows", "columns"))]
    lines.append(
        "static network_code mean(network_sum sum, network_index count)"
        "{ return (network_code)((sum + 10 * count) & 0xffff); }"
    )
    text = maps((0, 3), (16, 16)).replace("{0, 3, 0, 0, 0}", "{0, 3, 0, 0, -4}") + "\n".join(lines).replace(
        "NETWORK_FLASH", ""
    )
    for mean, expected in (("0", largest), ("mean", sums & 0xFFFF)):
        layouts = f"&source, {places.reference}, {places.finder}, &target, {rows.reference}"
        call = f"network_pool({layouts}, &rows, &columns, 2, {mean});"
        found = run(
            [*MAPS, "network_pool", "network_place_in_strips"], f"fill(40); {call} show({expected.size});", text
        )
        np.testing.assert_array_equal(found, expected.ravel())
