"""The arithmetic of 2019: every golden case, and messages where it has no answer."""

import json

import pytest
from samples import STUDY

from keras_efficient.storage import compute_storage, convolution_slack


def outcome(case):
    arguments = (case["config"], case["input_dimensions"], case["input_bits"], case["streaming"])
    try:
        weights, activations = compute_storage(*arguments, case["strategy"])
    except ZeroDivisionError as error:
        return type(error).__name__
    return weights, activations


def expectation(case):
    if "error" in case:
        return case["error"].split(":")[0]
    return case["weights"], case["activations"]


def test_every_golden_configuration(golden):
    cases = json.loads(golden("storage_oracle.json").read_text())["storage"]
    assert [case for case in cases if outcome(case) != expectation(case)] == []


def test_every_golden_slack(golden):
    slack = json.loads(golden("storage_oracle.json").read_text())["slack"]
    for case in slack["cases"]:
        shapes = (case["input"], case["output"], case["kernel"], case["strides"])
        assert [convolution_slack(*shapes, name) for name in slack["strategies"]] == case["slack"]


@pytest.mark.parametrize(
    ("strategy", "activations"),
    [("naive", 760), ("normal", 467.5), ("transpose", 437.5), ("herringbone", 434.5)],
)
def test_the_studys_network(strategy, activations):
    result = compute_storage(STUDY, [28, 28, 1], convolution_strategy=strategy)
    assert result == (1512.5, activations)
    whole_input = compute_storage(STUDY, [28, 28, 1], 8, False, strategy)
    assert whole_input == (1512.5, 784)


def test_streaming_is_any_true_value():
    assert compute_storage(STUDY, (28, 28, 1), streaming="false") == (1512.5, 434.5)


def test_dropout_without_bits_makes_the_next_input_as_wide_as_its_rate():
    _, activations = compute_storage([("D", 0.8), ("S", 1, 4, 8, 8)], (1, 1, 16))
    assert activations == 1 + 2 * 4 * 0.5 + 16 * 0.1


def test_an_input_without_layers():
    assert compute_storage([], (4, 4, 1)) == (0, 0)
    assert compute_storage([], (4, 4, 1), streaming=False) == (0, 16)


def test_a_map_that_shrinks_to_nothing():
    assert compute_storage([("C", 3, 5, 4, 8, 4)], (4, 4, 1)) == (-1, -1)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ([("X", 2, 4)], r"unknown letter 'X'.*A, M, C"),
        ([("C", 2, 4)], r"cannot price \('C', 2, 4\)"),
        ([("C", 2, 3, 3, 1, 4, 8, 4)], "9 or 6 items"),
        ([("S", 2)], "cannot price"),
        ([("S", 2, 4, 8, 8), ("M", 2, 4)], "cannot price"),
    ],
)
def test_items_that_it_cannot_read(config, message):
    with pytest.raises(ValueError, match=message):
        compute_storage(config, (28, 28, 1))


def test_unknown_strategies_are_refused():
    with pytest.raises(ValueError, match="'naive', 'normal', 'transpose', 'herringbone'.*'best'"):
        compute_storage(STUDY, (28, 28, 1), convolution_strategy="best")
    with pytest.raises(ValueError, match="`convolution_strategy` must be one of"):
        convolution_slack((5, 5, 1), (3, 3, 2), (3, 3), (1, 1), "row")
