"""The tables of records: alike dicts side by side, the rest by name."""

import re

import pytest

from measuring.results import ROOT
from show_records import load_records, record_tables, records_text

_NESTED = {"a": {"time": {"mean": 1.5, "sd": 0.25}}, "b": {"time": {"mean": 2.0, "sd": 0.5}}}
_WIDE = {name: {f"figure {number}": 1 for number in range(9)} for name in "ab"}
_CASES = {
    "alike dicts": (
        {"dense": {"bytes": 1200, "accuracy": 0.98765}, "low rank": {"bytes": 40}},
        ["", "bytes", "accuracy"],
        [["dense", "1,200", "0.9877"], ["low rank", "40", "–"]],
    ),
    "a list": ([{"d": 250, "fits": True}, {"d": 500, "fits": None}], ["d", "fits"], [["250", "yes"], ["500", "–"]]),
    "nested dicts": (_NESTED, ["", "time mean", "time sd"], [["a", "1.5", "0.25"], ["b", "2", "0.5"]]),
    "a wide table": (_WIDE, ["", "a", "b"], [[f"figure {number}", "1", "1"] for number in range(9)]),
    "many numbers": (
        {"short": [1, 2], "long": [1, 2, 3, 4, 5], "none": []},
        ["figure", "value"],
        [["short", "1, 2"], ["long", "3 ± 1.4 (5)"], ["none", "–"]],
    ),
    "single runs": ({"summary": {"a": 1}, "runs": {"r": {"seed": 0}}}, ["figure", "value"], [["a", "1"]]),
}


@pytest.mark.parametrize("figures, headings, rows", _CASES.values(), ids=_CASES)
def test_figures_are_a_table(figures, headings, rows):
    (table,) = record_tables(figures)
    assert (table.headings, table.rows) == (headings, rows)


def test_what_differs_becomes_tables_under_titles():
    speed, size = {"n": 1, "ratio": 2.5, "rounds": 3}, {"n": 1, "bytes": 5, "bits": 4}
    tables = list(record_tables({"epochs": 3, "speed": speed, "size": size}))
    assert [table.title for table in tables] == ["", "speed", "size"]
    assert tables[0].rows == [["epochs", "3"]] and tables[1].rows[1] == ["ratio", "2.5"]


def test_every_record_of_the_repository_has_tables():
    records = load_records(ROOT / "results")
    text = records_text(records)
    assert text.count("\n## ") + 1 == len(records) >= 35
    for record in records:
        assert f"## {record['name']}\n" in text
        for table in record_tables(record["figures"]):
            assert table.rows and all(len(row) == len(table.headings) for row in table.rows)
    assert not re.search(r"\{|\[\d", text)
