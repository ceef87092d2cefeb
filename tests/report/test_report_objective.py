"""What the page and the table say of a run that chose by something else than the accuracy."""

import pytest
from report.html_reader import Page

from keras_efficient.report import summary_table
from keras_efficient.report.page import render


@pytest.fixture
def regression(full_result):
    full_result["stages"] = full_result["stages"][:2]
    for stage in full_result["stages"]:
        stage["trials"] = stage["trials"][:2]
        for trial in stage["trials"]:
            accuracies = trial["history"].pop("val_accuracy")
            trial["history"]["val_mae"] = [1 - accuracy for accuracy in accuracies]
            trial["val_metrics"] = {"loss": trial["val_loss"], "mae": 0.125 + trial["trial"]}
            trial |= {"val_accuracy": None, "score": None, "max_accuracy": None}
            trial["best_objective"] = {"epoch": 7, "val_loss": 1.0, "val_mae": 0.0625}
    full_result["best"] |= dict.fromkeys(("val_accuracy", "test_accuracy", "expected_accuracy"))
    full_result["best"] |= {"val_metrics": {"mae": 0.125}, "test_metrics": {"mae": 0.5}}
    return full_result | {"objective": ["val_mae", "min"], "rule": "objective"}


def test_the_page_speaks_of_the_objective(regression):
    page = Page(render(regression))
    assert "mae 0.5 on test data" in page.text and "Mae against loss" in page.text and "lower left" in page.text
    assert "accuracy" not in page.text.lower() and "expected" not in page.text.lower()
    rows = [row["text"] for row in page.rows]
    assert "trial|val loss|val mae|kept epoch|lowest mae|seed|time|" in rows
    assert any("|0.0625 in epoch 7|" in row for row in rows)
    assert [r for r in rows if r.startswith("Stage 1: learn_scales|")] == [
        "Stage 1: learn_scales|0.0312|−0.0003|1.125|+1|"
    ]


def test_the_table_speaks_of_the_objective(regression):
    text = summary_table(regression)
    assert "val loss  val mae " in text and "test        mae 0.5, loss" in text
    assert "expected" not in text and "accuracy" not in text


def test_the_loss_alone(regression):
    regression |= {"objective": ["val_loss", "min"]}
    text = Page(render(regression)).text
    assert "against loss" not in text and "mae" not in text.replace("made", "") and "Validation loss" in text
    assert "val loss        time" in summary_table(regression)


def test_a_confusion_matrix(full_result):
    full_result["stages"] = full_result["stages"][:1]
    full_result |= {"confusion": [[8, 2], [0, 9]], "labels": ["cat", "dog"]}
    page = Page(render(full_result))
    rows = [row["text"] for row in page.rows]
    assert "class|cat|dog|" in rows and "cat|8|2|" in rows and "dog|0|9|" in rows
    before = Page(render(full_result | {"confusion": [[9, 1], [0, 9]]}))  # a tenth is not more than a tenth
    assert page.text != before.text and warned(page) == warned(before) + 1
    assert "Confusion" not in Page(render(full_result | {"confusion": [[1] * 21] * 21})).text


def warned(page):
    return [values.get("class") for tag, values in page.tags if tag == "td"].count("warn")


def test_a_reason_for_missing_bytes(bare_result):
    bare_result["best"]["storage_reason"] = "the layer 'gru' (GRU) has no price"
    assert Page(render(bare_result)).text.count("'gru' (GRU) has no price") == 3
    assert "unknown: the layer 'gru'" in summary_table(bare_result)
