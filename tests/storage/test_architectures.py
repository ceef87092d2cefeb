"""What the reference architectures cost, as the research log counts it and as it is."""

import json
import math

import pytest

from keras_efficient.storage import architecture_cost, break_even_size
from keras_efficient.storage.architectures.drawings import known_names

# Multiply-adds and parameters as the log prints them, the corrected ones by the same rules.
_TABLE = {
    "tiny_convnet": ("1.83065E7 8.96740E4", "4.60235E6 1.10050E4", "3.71761E6 1.17250E4"),
    "resnet18": ("5.55423E8 1.11740E7", "1.23381E8 1.51178E5", "8.56320E7 1.60650E5"),
    "wrn_40_2": ("3.28304E8 2.24355E6", "5.26963E7 1.00202E5", "4.64049E7 1.05578E5"),
    "wrn_28_10": ("5.24564E9 3.64792E7", "7.99262E8 5.55498E5", "6.68794E8 5.73418E5"),
    "mobilenet": ("4.63544E7 3.21723E6", "5.33176E7 2.08586E5", "5.37600E7 2.20490E5"),
    "mobilenet_v2": ("9.11550E7 2.29692E6", "2.65222E8 1.31958E6", "2.71886E8 1.33641E6"),
}
_ONE_LAYER = {
    "wrn_40_2_acdc": "3.32076E7 4.64420E4",
    "mobilenet_acdc": "1.13910E7 8.95460E4",
    "mobilenet_v2_acdc": "8.21483E7 1.15126E6",
}


def _printed(cost):
    """To six digits, as the log prints them."""
    return tuple(float(f"{number:.5E}") for number in cost)


def _read(cells):
    return tuple(map(float, cells.split()))


@pytest.mark.parametrize("name", _TABLE)
def test_every_cell_of_the_table(name):
    plain, log, corrected = map(_read, _TABLE[name])
    for convention in ("log", "corrected"):
        assert _printed(architecture_cost(name, convention)) == plain
    assert _printed(architecture_cost(f"{name}_acdc", "log")) == log
    assert _printed(architecture_cost(f"{name}_acdc")) == corrected


@pytest.mark.parametrize("name", _ONE_LAYER)
def test_the_rows_with_one_layer_a_stack(name):
    assert _printed(architecture_cost(name, "log_one_layer")) == _read(_ONE_LAYER[name])


@pytest.mark.parametrize("convention", ["log", "corrected"])
def test_the_grouped_bottlenecks(convention):
    assert _printed(architecture_cost("wrn_28_10_g8b2", convention)) == _read("7.57734E8 4.78511E6")


def test_resnet8():
    """MLPerf Tiny gives 12.5 million multiply-adds; 78,666 numbers with the 480 running ones of normalizations."""
    products = (32 * 32 * 16 * (27 + 2 * 144), 16 * 16 * 32 * (144 + 288 + 16), 8 * 8 * 64 * (288 + 576 + 32), 65 * 10)
    assert architecture_cost("resnet8") == (sum(products), 78_666 - 480)


def test_golden_table(golden):
    for row in json.loads(golden("cost_tables.json").read_text()):
        cost = architecture_cost(row["name"], row["convention"])
        assert _printed(cost) == (float(row["mult_adds"]), float(row["parameters"])), row["name"]


def test_the_drawn_networks_by_hand():
    # One block a stage at 1, 1/2 and 1/4 of 4 x 4 pixels; relu counts, normalization does not.
    stem, dense = 9 * 1 * 16, 64 * 2 + 2
    first, second, third = 2 * 9 * 16 * 16, 9 * 16 * 32 + 9 * 32 * 32 + 16 * 32, 9 * 32 * 64 + 9 * 64 * 64 + 32 * 64
    normalizations = 2 * (16 + 16 + 16 + 32 + 32 + 64 + 64)
    relu = 16 * 16 * 3 + 4 * 32 * 2 + 64 * 2
    mult_adds = 16 * (stem + first) + 4 * second + third + relu + dense
    parameters = stem + first + second + third + normalizations + dense
    assert architecture_cost("wrn_10_1", input_shape=(4, 4, 1), classes=2) == (mult_adds, parameters)


@pytest.mark.parametrize(
    "depth, size", [(1, 29), (2, 70), (4, 163), (8, 374), (11, 544), (12, 603), (16, 842), (32, 1867)]
)
def test_break_even(depth, size):
    assert break_even_size(depth) == size
    for n in (size - 1, size, size + 1, 2 * size):
        assert (depth * (4 * n + 5 * n * math.log2(n)) < n * n) == (n >= size)


@pytest.mark.parametrize("depth", [1, 3, 12])
def test_break_even_of_the_separable_transform(depth):
    pairs = ((rows, columns) for rows in range(1, 200) for columns in range(rows, 200))
    cheaper = [r * c for r, c in pairs if depth * (2 * r * c * (r + c) + 2 * r * c) < (r * c) ** 2]
    assert break_even_size(depth, "dct2d") == min(cheaper)


@pytest.mark.parametrize("name", ["vgg", "", None, 3, "wrn_28_", "wrn_27_10", "wrn_4_2", "wrn_28_0", "mobilenet_g8b2"])
def test_unknown_names_are_refused_with_those_that_are_known(name):
    with pytest.raises(ValueError, match="name must be one of") as error:
        architecture_cost(name)
    assert f"Received: name={name!r}" in str(error.value)
    assert all(known in str(error.value) for known in known_names())


@pytest.mark.parametrize(
    "arguments, message",
    [
        (
            {"convention": "true"},
            "`convention` must be one of 'corrected', 'log', 'log_one_layer'. Received: convention='true'",
        ),
        ({"convention": None}, "Received: convention=None"),
        ({"input_shape": (32, 32)}, r"`input_shape` must be \(rows, columns, channels\). Received: \(32, 32\)"),
        ({"input_shape": (32, 0, 3)}, "columns must be at least 1. Received: 0"),
        ({"classes": 2.5}, "classes must be an integer"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        architecture_cost("resnet18", **arguments)


def test_wrong_stacks_are_refused():
    with pytest.raises(ValueError, match="depth must be at least 1. Received: 0"):
        break_even_size(0)
    with pytest.raises(ValueError, match="`transform` must be one of 'dct', 'dct2d'. Received: transform='fft'"):
        break_even_size(2, "fft")
