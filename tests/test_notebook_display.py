"""What a notebook shows: results as tables, trials as a figure, progress while they run."""

import sys
import types
from dataclasses import replace
from unittest import mock

import matplotlib
import numpy as np
import pytest

import keras_efficient as ke
from keras_efficient.export.firmware_estimate import FirmwareEstimate
from keras_efficient.export.verification import LogitComparison, Verification
from keras_efficient.markup import notebook_table
from keras_efficient.training import progress
from keras_efficient.training.notebook_bars import in_notebook
from keras_efficient.training.results import BestTrial, Selection, StageResult
from keras_efficient.training.trial import TrialResult

_CONFIG = [["C", 3, 3, 4, 8, 4], ["S", 10, 4, 8, 8]]


def _selection(accuracy=0.9):
    history = {"val_loss": [0.5, 0.25]}
    trials = [TrialResult(0, 1, epoch=2, val_loss=0.25, val_accuracy=accuracy, history=history)]
    trials += [TrialResult(1, 2, status="failed"), TrialResult(2, 3, epoch=1, val_loss=0.125, val_accuracy=accuracy)]
    stages = tuple(StageResult(mode, tuple(trials), 2) for mode in ("float", "learn_scales"))
    best = BestTrial("runs/<b>/best.keras", 1, 2, 0.125, accuracy, accuracy, test_loss=0.2, total_bytes=1947.0)
    return Selection(best, stages, "runs/<b>")


def _regression():
    """A run that chose by another metric than the accuracy."""
    found, name = _selection(None), "mean_absolute_error"
    found.stages[1][2].val_metrics = {"loss": 0.125, name: 0.75}
    best = replace(found.best, val_metrics={"loss": 0.125, name: 0.75}, test_metrics={"loss": 0.2, name: 0.8})
    return replace(found, best=best)


def test_a_table_is_escaped_and_numbers_are_on_the_right():
    html = notebook_table(("a<b", "n"), [("<i>", "1,000"), ("x", "-2.5")], ["1 < 2", ""])
    assert "<i>" not in html and "&lt;i&gt;" in html and "a&lt;b" in html and html.count("1 &lt; 2") == 1
    assert html.count("text-align: left") == html.count("text-align: right") == 3


def _firmware_report(tmp_path):
    model = ke.build_network(_CONFIG, (6, 6, 1))
    return ke.export_c(ke.quantize_model(model, x=np.ones((2, 6, 6, 1))), tmp_path, prefix="gesture")


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        (lambda _: ke.estimate_storage(_CONFIG, (6, 6, 1)), ("conv_q_1", "4 x 4 x 3", "total", "bytes RAM")),
        (lambda _: ke.support_report(ke.build_network(_CONFIG, (6, 6, 1))), ("dense_q_1", "DenseQ", "C: yes")),
        (_firmware_report, ("gesture", "arena", "bytes in all")),
        (lambda _: FirmwareEstimate("atmega328p", "-Os", 12_345, note="a < b"), ("12,345", "atmega328p", "a &lt; b")),
        (lambda _: Verification((LogitComparison("C", 3, 4, "a < b"),), None), ("<td", "3", "4", "a &lt; b")),
        (lambda _: _selection(), ("learn_scales", "0.1250", "0.9000", "test loss 0.2000", "1947 bytes", "&lt;b&gt;")),
        (lambda _: _selection(None), ("learn_scales", "0.1250")),
        (lambda _: _regression(), ("validation mean absolute error", "0.7500", "test mean absolute error 0.8000")),
    ],
)
def test_results_are_tables(make, parts, tmp_path):
    html = make(tmp_path)._repr_html_()
    assert html.startswith("<div") and all(part in html for part in parts) and "None" not in html


@pytest.mark.parametrize("accuracy", [0.9, None])
def test_the_figure_of_a_run(accuracy):
    from matplotlib import pyplot as plt

    figure = _selection(accuracy).plot()
    assert isinstance(figure, matplotlib.figure.Figure) and not plt.get_fignums()
    curves, ends = figure.axes[2:]
    assert curves.get_title("left") == "stage 2: learn_scales" and len(curves.lines) == 3
    assert list(curves.lines[0].get_ydata()) == [0.5, 0.25]
    assert [list(line.get_ydata()) for line in ends.lines] == ([[0.9], [0.9]] if accuracy else [[0.25], [0.125]])
    assert [curves.lines[0].get_color(), ends.lines[1].get_color()] == ["tab:gray", "tab:blue"]


def test_the_figure_shows_what_the_run_chose_by():
    found = replace(_regression(), objective=("val_mean_absolute_error", "min"))
    _, ends = found.plot().axes[2:]
    assert [list(line.get_ydata()) for line in ends.lines] == [[0.75]]
    assert ends.get_ylabel() == "validation mean absolute error"


@pytest.fixture
def notebook(monkeypatch):
    """This process as a kernel: what is displayed, one entry for each drawing."""
    drawn = []
    handle = types.SimpleNamespace(update=lambda shown, raw: drawn.append(shown))
    monkeypatch.setattr(progress, "in_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display", lambda shown, raw, display_id: drawn.append(shown) or handle)
    return drawn


@pytest.mark.parametrize(("shell", "expected"), [(None, False), (object(), False), (mock.Mock(["kernel"]), True)])
def test_a_kernel_is_a_notebook(shell, expected, monkeypatch):
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    assert in_notebook() is expected
    monkeypatch.delitem(sys.modules, "IPython")
    assert not in_notebook()


def test_progress_in_a_notebook(notebook, tmp_path, capsys):
    x, y = np.random.default_rng(0).random((40, 6, 6, 1)), np.arange(40) % 10
    ke.train_network(_CONFIG, (x, y, x, y), [ke.Stage("float", 2, 3, batch_size=20)], tmp_path)
    assert capsys.readouterr() == ("", "")
    assert '<progress max="6" value="6">' in notebook[-1]["text/html"] and "<td" in notebook[0]["text/html"]
    assert "stage 1/1 float" in notebook[-1]["text/plain"] and "trial 2/2 done" in notebook[-1]["text/plain"]


def test_who_sees_progress(notebook, monkeypatch):
    made = [type(progress.make_progress(verbose)) for verbose in ("auto", True, False)]
    assert made == [progress.NotebookProgress, progress.NotebookProgress, progress.SilentProgress]
    monkeypatch.setattr(progress, "in_notebook", lambda: False)
    made = [type(progress.make_progress(verbose)) for verbose in ("auto", True)]
    assert made == [progress.SilentProgress, progress.BarProgress]
