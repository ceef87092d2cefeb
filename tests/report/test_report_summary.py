"""summary_table: the lines at the end of a run. And the numbers of the report."""

import math

import pytest

from keras_efficient.report import numbers, summary_table

FULL = """\
stage  mode           trials  failed  chosen  epoch  val loss  val accuracy        time
0      float               5       1       0     12    0.0315       99.06 %  5 min 13 s
1      learn_scales        2       0       1     11    0.0312       98.99 %  5 min 13 s
2      freeze_scales       3       0       0     12    0.0315       99.06 %  5 min 13 s

chosen      best.keras (stage 2, trial 0)
bytes       1,947 = 1,512.5 weights + 434.5 activations
validation  99.09 %, loss 0.0335
expected    98.95 % on new data
test        99.16 %, loss 0.0295"""


def test_full(full_result):
    assert summary_table(full_result) == FULL


def test_bare(bare_result):
    text = summary_table(bare_result)
    assert "bytes       unknown" in text
    assert "test        not measured" in text
    assert text.splitlines()[1].split() == ["0", "float", "1", "0", "0", "1", "0.5778", "82.67", "%", "–"]


def test_columns_are_aligned(any_result):
    table = summary_table(any_result).split("\n\n")[0].splitlines()
    assert len(table) == 1 + len(any_result["stages"])
    assert len(set(map(len, table))) == 1


def test_refuses_what_is_no_result():
    with pytest.raises(ValueError, match="format=None"):
        summary_table({})


CASES = [
    (numbers.percent, 0.99094, "99.09 %"),
    (numbers.percent, 1, "100.00 %"),
    (numbers.loss, 0.03352, "0.0335"),
    (numbers.signed, -0.3, "−0.30"),
    (numbers.signed, -0.001, "0.00"),
    (numbers.size, 1947.0, "1,947"),
    (numbers.size, 434.5, "434.5"),
    (numbers.size, 0.125, "0.1"),
    (numbers.size, 999.96, "1,000"),
    (numbers.size, 0, "0"),
    (numbers.count, 94928, "94,928"),
    (numbers.duration, 3.04, "3.0 s"),
    (numbers.duration, 59.99, "1 min 0 s"),
    (numbers.duration, 75, "1 min 15 s"),
    (numbers.duration, 3599.7, "1 h 0 min"),
    (numbers.duration, 7261, "2 h 1 min"),
    (numbers.setting, 0.005, "0.005"),
    (numbers.setting, 1024, "1024"),
    (numbers.setting, "score", "score"),
]


@pytest.mark.parametrize(("write", "value", "text"), CASES)
def test_numbers(write, value, text):
    assert write(value) == text


@pytest.mark.parametrize("value", [10**400, -(10**400), math.nan, math.inf, -math.inf, True, "1", None, [1]])
@pytest.mark.parametrize(
    "write", [numbers.percent, numbers.loss, numbers.signed, numbers.size, numbers.count, numbers.duration]
)
def test_what_is_no_number_is_a_dash(write, value):
    assert write(value) == "–"
