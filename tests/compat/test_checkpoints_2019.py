"""The published files of the 2019 study give the published numbers."""

import json

import h5py
import keras
import numpy as np
import pytest

import keras_efficient as ke
from attacks.hostile_arrays import KERNEL, checkpoints, write_2019

_FILES = {"QL_0": "freeze_scales", "TL_best": "learn_scales", "FL_best": "float"}


def _logits(model, x):
    return keras.Model(model.inputs, model.layers[-2].output).predict(x, verbose=0)


@pytest.mark.parametrize("name, mode", _FILES.items())
def test_logits(name, mode, golden, shared_data):
    model = ke.compat.load_2019(golden(f"checkpoints_2019/model{name}.h5"))
    expected = np.load(golden(f"checkpoints_2019/logits_{name}.npz"))
    with np.load(shared_data / "mnist.npz") as file:
        x = file["x_test"][:256, ..., np.newaxis].astype("float32") / 256
    assert {layer.mode for layer in ke.quantization.quantized_layers(model)} == {mode}
    logits = _logits(model, x)
    if mode == "float":  # the order of a float sum is the backend's own
        np.testing.assert_allclose(logits, expected["preactivation"], atol=2e-5)
    else:
        np.testing.assert_array_equal(logits, expected["logits_unsigned"])


@pytest.mark.parametrize("name", _FILES)
def test_published_scores(name, golden, shared_data):
    scores = json.loads(golden("checkpoints_2019/scores.json").read_text())
    expected = next(score for score in scores if score["file"] == f"model{name}.h5")
    data = ke.datasets.load_dataset("mnist", shared_data)
    model = ke.compat.load_2019(golden(f"checkpoints_2019/model{name}.h5"))
    model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    for part, x, y in (("val", data.x_val, data.y_val), ("test", data.x_test, data.y_test)):
        loss, accuracy = model.evaluate(x, y, batch_size=1000, verbose=0)
        assert loss == pytest.approx(expected[f"{part}_loss"], abs=2e-6)
        assert accuracy == pytest.approx(expected[f"{part}_accuracy"], abs=1e-6)
    scales = [[row["log2_scale"] for row in ke.quantization.scale_table(model)][i : i + 3] for i in (0, 3, 6, 9)]
    np.testing.assert_allclose(scales, expected["log2_scales"], rtol=1e-6)


def test_the_model_is_flat_priced_and_saves(golden, tmp_path):
    model = ke.compat.load_2019(golden("checkpoints_2019/modelQL_0.h5"))
    assert not any(isinstance(layer, keras.Model) for layer in model.layers)
    assert ke.estimate_storage(model).total_bytes == 1947.0
    model.save(tmp_path / "model.keras")
    x = np.random.default_rng(0).integers(0, 256, (8, 28, 28, 1)).astype("float32") / 256
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


def test_other_files_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no checkpoint of the 2019 study at"):
        ke.compat.load_2019(tmp_path / "missing.h5")
    (tmp_path / "text.h5").write_text("no HDF5")
    with pytest.raises(ValueError, match="is no checkpoint of the 2019 study"):
        ke.compat.load_2019(tmp_path / "text.h5")
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)]).save(tmp_path / "other.h5")
    with pytest.raises(ValueError, match="is no checkpoint of the 2019 study"):
        ke.compat.load_2019(tmp_path / "other.h5")


@pytest.mark.parametrize(
    "layers",
    [
        [],
        [{"class_name": "InputLayer", "config": {"batch_input_shape": [None, 28, 28, 1]}}],
        [{"class_name": "Flatten"}],
    ],
)
def test_a_file_without_input_or_quantized_layers_is_refused(layers, tmp_path):
    with h5py.File(tmp_path / "short.h5", "w") as file:
        file.attrs["model_config"] = json.dumps({"config": {"layers": layers}})
    with pytest.raises(ValueError, match="is no checkpoint of the 2019 study"):
        ke.compat.load_2019(tmp_path / "short.h5")


def test_names_may_be_bytes_or_text(tmp_path):
    write_2019(tmp_path / "bytes.h5")
    write_2019(tmp_path / "text.h5", as_text=True)
    first, second = (ke.compat.load_2019(tmp_path / name) for name in ("bytes.h5", "text.h5"))
    assert [layer.name for layer in first.layers] == [layer.name for layer in second.layers]
    for one, other in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


# Each of them was read, or ended in a traceback, before it was refused.
_HOSTILE = {
    "numbers in another file": "lie in another file",
    "a link into another file": "is a link to somewhere else",
    "a link within the file": "is a link to somewhere else",
    "the folder of weights in another file": "is a link to somewhere else",
    "a virtual array of other files": "lie in another file",
    "NaN": "numbers that are not finite",
    "infinity": "numbers that are not finite",
    "2.5 TiB": r"must have the shape \(4, 10\). Received: \(1000000, 687195\)",
    "chunks of 2 GiB": "is stored in chunks of",
    "text as numbers": "is no array of numbers",
    "a group as an array": "is no array of numbers",
    "deep JSON": "more than 100 lists or objects in one another",
    "10^12 units": "networks of more than 268,435,456 are not built",
    "an input of 10^12 pixels": "networks of more than 268,435,456 are not built",
}


@pytest.mark.parametrize("name", _HOSTILE)
def test_hostile_files_are_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (case,) = [case for case in checkpoints() if case.name == name]
    case.write(tmp_path)
    with pytest.raises(ValueError, match=f"is no checkpoint of the 2019 study: .*{_HOSTILE[name]}"):
        ke.compat.load_2019(tmp_path / case.file)


def test_a_soft_link_to_right_numbers_is_refused_too(tmp_path):
    write_2019(
        tmp_path / "file.h5",
        lambda file: (file.move(KERNEL, "kernel"), file.__setitem__(KERNEL, h5py.SoftLink("/kernel"))),
    )
    with pytest.raises(ValueError, match="is a link to somewhere else"):
        ke.compat.load_2019(tmp_path / "file.h5")
