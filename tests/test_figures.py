"""The pages say the conditions of their figures."""

import re
import statistics
from pathlib import Path

import pytest

from keras_efficient.kinds.kind import TRAINING_ONLY
from keras_efficient.kinds.table import KINDS
from measuring.results import figures
from pages.conditions import arenas, demo_picture, more_than_predicted
from pages.reproduction_claims import compared

_ROOT = Path(__file__).parents[1]
_PUBLISHED = {"mean": 77.3, "sd": 0.29}


@pytest.mark.parametrize("page", ["README.md", "REPRODUCTION.md", "docs/figures.md"])
def test_figures_of_cifar_10_say_that_it_was_read_from_jpeg(page):
    lines = (_ROOT / page).read_text(encoding="utf-8").splitlines()
    shown = [re.sub("`.*?`", "", line) for line in lines if line.startswith("| ") or line.endswith(".py`)")]
    named = [line for line in shown if re.search("cifar-?10", line, flags=re.IGNORECASE) and "/datasets" not in line]
    assert not [line for line in named if "(JPEG)" not in line and re.search(r"\d\.\d|\d,\d", line)]
    assert any("(JPEG)" in line for line in shown)


@pytest.mark.parametrize(
    ("each", "verdict"),
    [
        ([75.65, 76.31, 76.35], "1.2 points lower"),
        ([77.1, 77.2, 77.6], "reproduced"),
        ([78, 79, 80], "1.7 points higher"),
    ],
)
def test_seeds_decide_whether_a_mean_is_reproduced(each, verdict):
    assert compared({"mean": statistics.mean(each), "each": each}, _PUBLISHED) == verdict


def test_the_picture_of_the_demo_is_of_a_median_seed():
    runs = figures("demo")["runs"]
    seed = int(re.search(r"seed (\d+)", demo_picture("x.png"))[1])
    shown = next(run["test_accuracy"] for run in runs if run["seed"] == seed)
    assert shown == statistics.median(run["test_accuracy"] for run in runs)
    assert f"Seed {seed}" in (_ROOT / "README.md").read_text(encoding="utf-8")


def test_networks_above_their_price_are_told():
    networks, equal, above, _ = arenas()
    assert (equal == networks) == (above == 0)
    assert f"| {more_than_predicted()} |" in (_ROOT / "README.md").read_text(encoding="utf-8")


def test_the_table_of_layers_is_that_of_the_kinds():
    """Else scripts/layer_support.py has to run again."""
    kinds = {key.name: kind for key, kind in KINDS.items() if key.origin != "ops"}
    augmentations = {name for name, kind in kinds.items() if kind.codes == TRAINING_ONLY and kind.prepares}
    asked = figures("layer_support")
    assert kinds.keys() - asked.keys() == augmentations - {"RandomFlip"}
    for name in kinds.keys() & asked.keys():
        kind, row = kinds[name], asked[name]
        assert row["priced"] == kind.is_priced, name
        assert row["c"] == (kind.form is not None or kind.twin is not None or row["quantize"] == "outside"), name
