"""What the page says about a run."""

import ast
import math
from pathlib import Path

import pytest
from report import report_samples
from report.html_reader import Page

import keras_efficient.report
from keras_efficient.report.overview import python_call
from keras_efficient.report.page import render


def read(result) -> Page:
    return Page(render(result))


def test_headline(full_page):
    text = full_page.text
    assert "mnist, 1,947 bytes, 99.16 % on test data" in text
    assert "1,512.5 weights + 434.5 activations" in text
    assert "99.09 %" in text and "98.95 %" in text
    assert "Chosen from 10 trials in 3 stages: trial 0 of stage 2 (freeze_scales)" in text


def test_without_test_data(full_result):
    full_result["best"] |= {"test_loss": None, "test_accuracy": None}
    text = read(full_result).text
    assert "not measured: the run had no test data" in text
    assert "99.09 % on validation data" in text


def test_chosen_trials_are_marked_and_first(full_page):
    chosen = full_page.rows_of_class("chosen")
    assert [row.split("|")[:2] for row in chosen] == [[i, "chosen"] for i in ("0", "1", "0")]
    assert "trial 1" in full_page.text  # the label in the plot of stage 1


def test_failed_trials_are_listed_with_their_reason(full_page):
    (row,) = full_page.rows_of_class("failed")
    assert row.startswith("2|failed| loss became NaN at epoch 3|–|")
    assert "Stage 0: float, trial 2 (loss became NaN at epoch 3)" in full_page.text


def test_trials_are_ordered_by_score_then_loss(full_result):
    stage = full_result["stages"][0]
    for trial, score in zip(stage["trials"], [0.1, None, None, 0.5, 0.3], strict=True):
        trial["score"] = score
    stage["trials"][3] |= {"score": None, "val_loss": 0.001}
    assert trial_order(full_result) == ["0", "4", "3", "1", "2"]


def trial_order(result) -> list[str]:
    result["stages"] = result["stages"][:1]
    seeds = {str(trial["seed"]) for trial in result["stages"][0]["trials"]}
    rows = [row["text"].split("|") for row in read(result).rows]
    return [cells[0] for cells in rows if seeds & set(cells)]


def test_stage_without_a_finished_trial():
    page = read(report_samples.all_failed_result())
    assert "No trial to show." in page.text
    assert page.rows_of_class("chosen") == []
    assert len(page.rows_of_class("failed")) == 2


def test_largest_working_layer_stands_out(full_page):
    assert "the layer that needs most at once, conv_q_1, decides" in full_page.text
    assert [v["class"] for t, v in full_page.tags if t == "div"].count("bar peak") == 1
    (warned,) = [v for t, v in full_page.tags if t == "td" and v.get("class") == "warn"][:1]
    assert warned


def test_storage_table(full_page):
    (total,) = full_page.rows_of_class("total")
    assert total == "total|2,991|1,512.5|434.5|94,928|"


def test_layers_of_the_same_name_are_numbered(full_result):
    for row in full_result["storage"]["layers"]:
        row["name"] = row["kind"] = row["kind"] * 2
    page = read(full_result)
    assert "the layer that needs most at once, 3 CC, decides" in page.text
    assert "layer|order|input|output|parameters|weight bytes|working bytes|multiply-adds|" in [
        row["text"] for row in page.rows
    ]


def test_storage_of_unknown_price(bare_result):
    text = read(bare_result).text
    assert text.count("layers without a known price") == 3
    assert "A builder function made the model" in text


def test_long_networks_are_folded():
    page = read(report_samples.long_result())
    summaries = ["Show all 123 items", "Show all 120 layers", "Show all 50 trials"]
    assert all(summary in page.text for summary in summaries)
    names = [values for tag, values in page.tags if values.get("class") == "name"]
    assert len(names) == 24 and "96 smaller layers" in page.text


def test_quantizers(full_page):
    assert "Parked: 8 of 12 scales." in full_page.text
    assert "Saturated: 4 of 12 tensors with more than 25 %" in full_page.text
    warned = [values for tag, values in full_page.tags if values.get("class") == "warn"]
    assert len(warned) == 8 + 4 + 1  # parked scales, saturated tensors, the largest layer
    assert "conv_q|bias|4 signed|−0.2100|0|8.0 %|12.5 %|14 of 16|" in [r["text"] for r in full_page.rows]


def test_exactly_a_quarter_is_not_saturated(full_result):
    for row in full_result["diagnostics"]:
        row["saturated"] = 0.25
    assert "Saturated: 0 of 12" in read(full_result).text


def test_float_network_has_no_quantizer_tables(full_result):
    full_result |= {"diagnostics": [], "stages": full_result["stages"][:1]}
    text = read(full_result).text
    assert "Quantizers" not in text and "Scales" not in text


def test_scales_of_the_chosen_trials(full_result):
    full_result["stages"][1]["trials"][1]["scales"][0] |= {"start": -1.25, "end": 2.5}
    full_result["stages"][1]["trials"][0]["scales"][0] |= {"start": 9.0, "end": 9.0}
    page = read(full_result)
    assert "conv_q|kernel_scale|−1.2500|2.5000|−0.3000|0.5002|" in [r["text"] for r in page.rows]
    assert "stage 1 start|stage 1 end|stage 2 start|stage 2 end|" in str(page.rows)


def test_reproduction(full_page):
    for part in ("mnist: 50,000 train, 10,000 validation, 10,000 test", "keras 3.15.1", "Seed7"):
        assert part in full_page.text


def test_python_call_is_python(any_result):
    calls = [node for node in ast.walk(ast.parse(python_call(any_result))) if is_stage(node)]
    modes = [call.args[0].value for call in calls]
    assert modes == [stage["mode"] for stage in any_result["stages"]]


def is_stage(node) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "ke.Stage"


@pytest.mark.parametrize("missing", [None, math.nan, math.inf])
def test_numbers_that_are_missing(full_result, missing):
    best = full_result["best"]
    best |= {key: missing for key in best if key not in ("path", "stage", "trial")}
    for stage in full_result["stages"]:
        for trial in stage["trials"]:
            trial |= dict.fromkeys(["val_loss", "val_accuracy", "score", "epoch"], missing)
            trial["history"] = {"val_loss": [missing] * 3, "val_accuracy": []}
    text = read(full_result).text
    assert "nan" not in text and "inf " not in text and "None" not in text
    assert text.count("No trial of this stage kept its history.") == 3


OPTIONAL = ["network", "input_shape", "classes", "dataset", "seed", "rule", "backend", "versions"]
OPTIONAL += ["storage", "diagnostics", "finished_date"]


@pytest.mark.parametrize("key", [*OPTIONAL, "all of them are null"])
def test_optional_keys(full_result, key):
    full_result["stages"] = full_result["stages"][1:2]  # plots take most of the time
    if key in full_result:
        del full_result[key]
    else:
        full_result |= dict.fromkeys(OPTIONAL)
    assert "None" not in read(full_result).text


@pytest.mark.parametrize("key", sorted(report_samples.trial(0)))
def test_optional_keys_of_a_trial(full_result, key):
    (stage, *_) = full_result["stages"]
    full_result["stages"], stage["trials"] = [stage], stage["trials"][:2]
    for trial in stage["trials"]:
        del trial[key]
    assert "Trials" in read(full_result).text


def test_imports_no_keras():
    for file in Path(keras_efficient.report.__file__).parent.glob("*.py"):
        imported = {node for node in ast.walk(ast.parse(file.read_text())) if is_import(node)}
        names = {name for node in imported for name in imported_names(node)}
        strangers = {"keras", "tensorflow", "jax", "torch", "pyplot"}
        assert not strangers & {part for name in names for part in name.split(".")}, file.name
        own = {name for name in names if name.startswith("keras_efficient")}
        allowed = tuple(f"keras_efficient.{name}" for name in ("report", "files", "outside_files", "markup"))
        assert all(name.startswith(allowed) for name in own), file.name


def is_import(node) -> bool:
    return isinstance(node, ast.Import | ast.ImportFrom)


def imported_names(node) -> list[str]:
    prefix = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
    return [prefix + alias.name for alias in node.names]
