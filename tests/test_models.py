"""The networks in models/: each card says what its files are."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_efficient as ke

_MODELS = Path(__file__).parents[1] / "models"
_CARDS = {path.parent.name: json.loads(path.read_text(encoding="utf-8")) for path in _MODELS.glob("*/card.json")}


def _load(name):
    return keras.saving.load_model(_MODELS / name / f"{name}.keras", compile=False)


def test_every_model_has_a_card():
    from measuring.model_card import index_text

    assert {path.name for path in _MODELS.iterdir() if path.is_dir()} == _CARDS.keys() >= {"mnist_2kb", "mnist_1kb"}
    assert (_MODELS / "README.md").read_text(encoding="utf-8") == index_text()


@pytest.mark.parametrize("name", _CARDS)
def test_the_page_is_made_of_the_card(name):
    from measuring.model_card import card_text

    assert (_MODELS / name / "README.md").read_text(encoding="utf-8") == card_text(_CARDS[name])
    assert _CARDS[name]["name"] == name


@pytest.mark.parametrize("name", _CARDS)
def test_bytes_and_code_are_those_of_the_file(name, tmp_path):
    from measuring.model_card import sizes

    model = _load(name)
    assert sizes(model, ke.export_c(model, tmp_path)) == _CARDS[name]["bytes"]
    for path in (_MODELS / name / "c").iterdir():
        assert path.read_text(encoding="utf-8") == (tmp_path / path.name).read_text(encoding="utf-8"), path.name


def test_the_digits_score_what_the_card_says():
    card, data = _CARDS["digits_1_5kb"]["accuracy"], ke.datasets.load_dataset("digits")
    model = _load("digits_1_5kb")
    right = model.predict(data.x_test, verbose=0).argmax(axis=1) == data.y_test
    logits = ke.export.IntegerModel(model).predict(np.round(data.x_test * 256).astype(np.uint8))
    assert right.mean() == pytest.approx(card["test"], abs=1e-9)
    assert np.mean(logits.argmax(axis=1) == data.y_test) == pytest.approx(card["test, of the 16-bit logits of the C"])


@pytest.mark.parametrize("name", sorted(_CARDS.keys() - {"digits_1_5kb"}))
def test_the_others_recognize_what_their_cards_say(name, shared_data):
    x, y = _test_samples(_CARDS[name]["data"], shared_data)
    right = _load(name).predict(x[:2000], batch_size=500, verbose=0).argmax(axis=1) == y[:2000]
    assert abs(right.mean() - _CARDS[name]["accuracy"]["test"]) < 0.03


def _test_samples(dataset, folder):
    if dataset != "spoken_digits":
        data = ke.datasets.load_dataset(dataset, folder)
        return data.x_test, data.y_test
    from measuring.tiny_tasks import TASKS

    return TASKS["speech_number"].load(folder, 0)[4:]
