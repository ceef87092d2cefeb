"""What compare_qat.py builds on: one start for all sides, and choices that never see test images."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest

import compare_qat
from pages.figures_peers import qat_table
from peers import qat_float
from peers.qat_start import Start, exponent, levels
from peers.tiny_networks import keras_model, resnet8

_VALUES = np.array([-0.75, -0.5, 0.25, 0.5])


@pytest.mark.parametrize(
    ("values", "bits", "signed", "symmetric", "expected"),
    [
        (_VALUES, 3, True, False, -2),  # codes -3, -2, 1, 2
        (4 * _VALUES, 3, True, True, 0),
        (np.abs(_VALUES), 2, False, False, -2),
        (-_VALUES, 2, True, True, -1),  # -1, 1, 1 and half a code
    ],
)
def test_first_steps_have_the_least_error(values, bits, signed, symmetric, expected):
    lowest, highest = levels(bits, signed, symmetric)
    assert highest - lowest == 2**bits - 1 - symmetric
    assert exponent(values, bits, signed, symmetric) == expected


def test_folded_normalizations_compute_the_same(tmp_path):
    random, shape = np.random.default_rng(0), resnet8()
    model = keras_model(shape, qat_float.normalizing(True))
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([random.uniform(0.5, 1.5, each.shape) for each in layer.get_weights()])
    np.savez(tmp_path / "start.npz", **qat_float.folded(model, Start.kernels(shape)))
    images = random.random((2, 32, 32, 3), "float32")
    start = Start("resnet8", tmp_path / "start.npz", images)
    np.testing.assert_allclose(start.maps[shape.output], model.predict(images, verbose=0), rtol=1e-3, atol=1e-3)
    for name, signed in start.signed.items():
        assert signed or start.maps[name].min() >= 0


def run_of(validation, test=None):
    settings = {"seed": 0, "side": "ours", "epochs": 2, "images": 500}
    row = {"settings": settings, "validation_accuracy": validation, "weight_bits": 16, "cpu_seconds": 1.0}
    return row if test is None else {"settings": settings, "accuracy": test}


def test_validation_chooses_the_rate_and_what_failed_is_named(tmp_path):
    low, _, high = compare_qat.RATES
    runs = {f"mnist/ours/4/0/{low}": run_of(0.5), f"mnist/ours/4/0/{high}": run_of(0.6)}
    runs |= {f"mnist/float/32/0/{rate}": run_of(0.8) for rate in (low, high)}
    runs |= {"mnist/ours/4/0/test": run_of(0, 0.7), "mnist/float/32/0/test": run_of(0, 0.9)}
    runs[f"mnist/qkeras/4/0/{low}"] = {"settings": {"seed": 0, "side": "qkeras"}, "failed": "no environment"}
    places = {"network": "mnist", "seeds": [0], "models": tmp_path, "data_dir": None, "quick": True}
    places |= {"rates": compare_qat.RATES, "epochs": None, "images": None}
    sides = ["float", "ours", "qkeras"]
    grid = compare_qat.Grid(SimpleNamespace(**places, sides=sides, bits=[4]), SimpleNamespace(runs=runs))
    found = grid.summary()["mnist"]
    assert found["4"]["ours"]["rate"] == high and found["4"]["ours"]["test"]["mean"] == 0.7
    assert found["4"].keys() == {"ours"} and found["failed"]["qkeras"] == "no environment"
    table = qat_table("mnist", found, runs)
    assert "for 2 epochs of 500 images" in table.title
    lines = table.rows
    assert ["ours, a scale a tensor", "70.00, 2 B"] in lines
    assert ["QKeras (qkeras-v3), power-of-two scales", "no environment"] in lines


def test_a_package_without_its_environment_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(compare_qat, "ROOT", tmp_path)
    answer = compare_qat.Packages(tmp_path / "data.npz").ask({"side": "hgq2"})
    assert answer == {"failed": "hgq2 is not installed: make peers"}
