"""The collected benchmarks are those of results/, and their plot is made of them. No time is measured here."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import outdated, texts, write
from pages.benchmark_plot import draw
from pages.benchmark_rows import benchmark_rows

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results"


@pytest.fixture
def results(tmp_path):
    """A copy of results/ that a test may change."""
    return shutil.copytree(RESULTS, tmp_path / "results")


def test_the_files_are_up_to_date():
    assert outdated(RESULTS) == []


def test_rows_say_both_sides_and_where_they_come_from():
    rows = benchmark_rows(RESULTS)
    assert len({(row.subject, row.case, row.backend) for row in rows}) == len(rows)
    for row in rows:
        assert (ROOT / row.script).exists() and (ROOT / row.result).exists()
        assert row.subject and row.case and row.ours and row.other and row.versions["keras"]
        assert row.reason if row.ratio is None else row.ratio > 0
        assert row.range is None or row.range[0] <= row.ratio <= row.range[1]


def test_another_figure_makes_both_files_old(results):
    path = results / "compare_litert.json"
    record = json.loads(path.read_text())
    record["figures"]["ratios"]["arena_activation"] *= 10
    path.write_text(json.dumps(record))
    assert outdated(results) == ["benchmarks.json", "benchmarks.svg"]
    write(results)
    assert outdated(results) == []


@pytest.mark.parametrize("name", ["benchmarks.json", "benchmarks.svg"])
def test_a_missing_file_is_old(results, name):
    (results / name).unlink()
    assert outdated(results) == [name]


def test_a_peer_that_is_not_installed_is_a_row_without_a_bar(results):
    path = results / "benchmark_layers_jax.json"
    record = json.loads(path.read_text())
    networks = record["figures"]["networks"]
    networks["peers"] = {"hgq2": "not installed"}
    for task in ("fit", "predict"):
        for batch in (32, 256):
            for side in ("hgq2", "hgq2_per_tensor"):
                del networks[f"{task}_batch_{batch}"][side]
    path.write_text(json.dumps(record))
    rows = [row for row in benchmark_rows(results) if row.backend == "jax"]
    peers = [row for row in rows if "HGQ2" in row.other]
    assert len(peers) == 8 and {(row.ratio, row.reason) for row in peers} == {(None, "not installed")}
    assert not any("HGQ2" in text for text in texts(draw(rows)))


def test_the_plot_is_the_same_for_the_same_rows_and_shows_ratios():
    rows = benchmark_rows(RESULTS)
    assert draw(rows) == draw(rows)
    row = next(row for row in rows if row.plotted and row.ratio)
    written = texts(draw([replace(row, ratio=1234.0)]))
    assert {row.subject, row.case, "1,234"} <= set(written)
