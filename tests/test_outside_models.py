"""Model files of strangers: looked at before Keras reads them."""

import zipfile

import keras
import pytest

from keras_efficient import outside_files, outside_models
from keras_efficient.outside_models import check_model_file

pytestmark = pytest.mark.one_backend


@pytest.fixture
def model(tmp_path):
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).save(tmp_path / "model.keras")
    return tmp_path / "model.keras"


def with_config(model, text):
    with zipfile.ZipFile(model) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(model, "w") as archive:
        for name, content in {**members, "config.json": text}.items():
            archive.writestr(name, content)


def test_a_model_is_taken(model):
    check_model_file(model)


def test_a_saved_graph_is_refused_by_name(model):
    with_config(model, '{"config": {"layers": [{"class_name": "TFSMLayer", "config": {"filepath": "x"}}]}}')
    with pytest.raises(ValueError, match="a TFSMLayer in it would run a graph that is saved elsewhere"):
        check_model_file(model)


def test_deep_and_large_configurations_are_refused(model, monkeypatch):
    with_config(model, "[" * 200_000)
    with pytest.raises(ValueError, match="more than 100 lists or objects in one another"):
        check_model_file(model)
    monkeypatch.setattr(outside_models, "MOST_RESULT_BYTES", 100_000)
    with pytest.raises(ValueError, match=r"config\.json in it has more than 100,000 bytes"):
        check_model_file(model)


def test_zeros_that_unpack_to_much_are_refused(model, monkeypatch):
    monkeypatch.setattr(outside_files, "_HARMLESS_BYTES", 100_000)
    with zipfile.ZipFile(model, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.weights.h5", bytes(1_000_000))
    with pytest.raises(ValueError, match="it unpacks to 1,000,000 bytes"):
        check_model_file(model)
