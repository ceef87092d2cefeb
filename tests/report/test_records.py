"""The tables of records: alike dicts side by side, the rest by name."""

import json
import re
from pathlib import Path

import pytest

from keras_efficient.report.records import load_records, record_tables, records_text

_RESULTS = Path(__file__).parents[2] / "results"


def _only(figures):
    (table,) = record_tables(figures)
    return table


def test_alike_dicts_are_rows():
    table = _only({"dense": {"bytes": 1200, "accuracy": 0.98765}, "low rank": {"bytes": 40}})
    assert table.headings == ["", "bytes", "accuracy"]
    assert table.rows == [["dense", "1,200", "0.9877"], ["low rank", "40", "–"]]


def test_a_list_of_dicts_has_no_names():
    table = _only([{"d": 250, "fits": True}, {"d": 500, "fits": None}])
    assert table.headings == ["d", "fits"] and table.rows == [["250", "yes"], ["500", "–"]]


def test_what_is_nested_gets_columns_of_its_own():
    table = _only({"a": {"time": {"mean": 1.5, "sd": 0.25}}, "b": {"time": {"mean": 2.0, "sd": 0.5}}})
    assert table.headings == ["", "time mean", "time sd"] and table.rows[1] == ["b", "2", "0.5"]


def test_what_differs_becomes_tables_under_titles():
    first, second = record_tables({"epochs": 3, "sizes": {"x": {"n": 1}, "y": {"n": 2}}})
    assert (first.title, first.rows) == ("", [["epochs", "3"]])
    assert (second.title, second.rows) == ("sizes", [["x", "1"], ["y", "2"]])


def test_dicts_that_share_less_than_half_are_no_rows():
    tables = list(
        record_tables({"speed": {"n": 1, "ratio": 2.5, "rounds": 3}, "size": {"n": 1, "bytes": 5, "bits": 4}})
    )
    assert [table.title for table in tables] == ["speed", "size"] and tables[0].rows[1] == ["ratio", "2.5"]


def test_a_wide_table_is_turned():
    names = [f"figure {number}" for number in range(9)]
    table = _only({"a": dict.fromkeys(names, 1), "b": dict.fromkeys(names, 2)})
    assert table.headings == ["", "a", "b"] and table.rows[0] == ["figure 0", "1", "2"] and len(table.rows) == 9


def test_many_numbers_are_their_mean():
    assert _only({"short": [1, 2], "long": [1, 2, 3, 4, 5], "none": []}).rows == [
        ["short", "1, 2"],
        ["long", "3 ± 1.4 (5)"],
        ["none", "–"],
    ]


def test_single_runs_stay_in_the_file():
    assert _only({"summary": {"a": 1}, "runs": {"r": {"seed": 0}}}).rows == [["a", "1"]]


def test_every_record_of_the_repository_has_tables():
    records = load_records(_RESULTS)
    text = records_text(records)
    assert text.count("\n## ") + 1 == len(records) >= 35
    for record in records:
        assert f"## {record['name']}\n" in text
        for table in record_tables(record["figures"]):
            assert table.rows and all(len(row) == len(table.headings) for row in table.rows)
    assert not re.search(r"\{|\[\d", text)


def test_the_command_shows_them(tmp_path, command):
    record = {
        "name": "speed",
        "command": "python x.py",
        "date": "2026-11-22T00:00",
        "seeds": [0],
        "figures": {"a|b": 1},
    }
    (tmp_path / "speed.json").write_text(json.dumps(record))
    (tmp_path / "other.json").write_text("[]")
    code, shown, _ = command("report", tmp_path)
    assert code == 0 and not (tmp_path / "report.html").exists()
    assert shown.splitlines()[:3] == ["## speed", "", "`python x.py`, 2026-11-22, 1 seed"] and "| a/b | 1 |" in shown


@pytest.mark.parametrize("text", ["{", "[]", '{"name": "x"}'])
def test_other_folders_are_refused(text, tmp_path, command):
    (tmp_path / "x.json").write_text(text)
    code, _, errors = command("report", tmp_path)
    assert code == 2 and "Received" in errors and "Traceback" not in errors
