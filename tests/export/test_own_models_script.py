"""The parts of scripts/own_models.py: made-up signals, plain networks, one short series, the table."""

import importlib
import sys
from argparse import Namespace
from pathlib import Path

import keras
import numpy as np
import pytest
from quantization.own_models import with_random_weights

import keras_efficient as ke

SCRIPTS = str(Path(__file__).resolve().parents[2] / "scripts")


@pytest.fixture
def scripts(monkeypatch):
    """Imports a script by name."""
    monkeypatch.syspath_prepend(SCRIPTS)
    yield importlib.import_module
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", "")).startswith(SCRIPTS):
            del sys.modules[name]


def test_signals_are_numbers_of_16_bits(scripts):
    signals = scripts("measuring.signals")
    x, y = signals.make_signals(60, seed=1)
    codes = x * 2**15
    assert x.shape == (60, 1024, 1) and x.dtype == np.float32 and set(y) == set(range(10))
    np.testing.assert_array_equal(codes, np.rint(codes))
    assert -(2**15) <= codes.min() < -(2**10) and 2**10 < codes.max() < 2**15
    np.testing.assert_array_equal(signals.make_signals(60, seed=1)[0], x)
    assert not np.array_equal(signals.make_signals(60, seed=2)[0], x)


@pytest.mark.parametrize("direction", [0, 1, -1])
def test_sounds_rise_and_fall(scripts, direction):
    """Turns in the middle of the first and of the second half, by the zeros that are crossed."""
    sound = scripts("measuring.signals").sound(direction, np.random.default_rng(0))
    half = len(sound) // 2
    first, second = (np.count_nonzero(np.diff(np.signbit(part))) for part in (sound[:half], sound[half:]))
    assert abs(first - second) <= 1 if direction == 0 else (second - first) * direction >= 4


@pytest.mark.parametrize("name", ["batch_norm_cnn", "small_residual", "depthwise_separable", "signal_cnn"])
def test_networks_are_exact_in_their_priced_arena(scripts, name, c_compiler):
    script, plain = scripts("own_models"), scripts("measuring.own_networks").NETWORKS[name]
    model = with_random_weights(plain.make())
    x = np.random.default_rng(0).uniform(-1 if plain.input_bits == 16 else 0, 1, (20, *model.input_shape[1:]))
    x, y = x.astype("float32"), np.arange(20) % 10
    small = ke.quantize_model(model, 4, activation_bits=4, x=x, input_bits=plain.input_bits, mode="freeze_scales")
    bytes_, firmware = (work(small, (x, y, x, y, x, y)) for work in (script.integer_figures, script.firmware_figures))
    assert bytes_["arena_bytes"] == bytes_["priced_bytes"] <= bytes_["greedy_bytes"]
    assert firmware["samples"] == firmware["samples_equal_in_c"] == 20 and firmware["verified"]
    assert firmware["accuracy"] == bytes_["accuracy"]


def tiny():
    inputs = keras.Input((1024, 1))
    x = keras.layers.Conv1D(2, 16, strides=16, activation="relu")(inputs)
    x = keras.layers.GlobalAveragePooling1D()(x)
    return keras.Model(inputs, keras.layers.Dense(10, activation="softmax")(x))


def test_a_series_is_trained_once(scripts, tmp_path, monkeypatch, c_compiler):
    script, networks, trainings = map(scripts, ("own_models", "measuring.own_networks", "measuring.trainings"))
    monkeypatch.setattr(script, "BITS", (4,))
    monkeypatch.setitem(networks.NETWORKS, "tiny", networks.Plain(tiny, "signals", 0, 0, input_bits=16))

    class InMemory(trainings.Ledger):
        def _read(self):
            return {}, {}

        def write(self, summary):
            pass

    ledger = InMemory("own_models", True)
    arguments = Namespace(models=tmp_path, quick=True, data_dir=None)
    script.Series("tiny", 0, arguments, ledger).run()
    kinds = ["float", "float_longer", "int4"]
    assert list(ledger.runs) == [f"tiny/0/{kind}" for kind in [*kinds, "int4_c"]]
    assert {file.name for file in tmp_path.iterdir()} == {f"tiny_0_{kind}.keras" for kind in kinds}
    monkeypatch.setattr(script, "fit", None)
    script.Series("tiny", 0, arguments, ledger).run()
    row = script.summary(ledger.runs)["tiny"]
    small = row["int4"]
    assert small["verified"] and small["samples_equal_in_c"] == small["samples_in_c"] == 100
    assert small["lost"]["each"] == [row["float"]["mean"] - small["mean"]]
    assert small["met"] == (small["lost"]["each"][0] <= small["target"] == 0.02)


def test_best_weights_are_those_of_the_best_epoch(scripts):
    best, model = scripts("own_models").BestWeights(), keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    best.set_model(model)
    for number, accuracy in enumerate([0.5, 0.7, 0.6, 0.7]):
        model.set_weights([np.full((1, 1), number), np.zeros(1)])
        best.on_epoch_end(number, {"val_accuracy": accuracy})
    assert best.accuracy == 0.7 and best.weights[0] == 1


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="LiteRT converts TensorFlow's models")
def test_the_arena_of_litert_holds_what_is_alive_at_once(scripts):
    inputs = keras.Input((8,))
    x = keras.layers.Dense(16, activation="relu")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(4)(x))
    content = ke.export.convert_litert(model, np.random.default_rng(0).normal(size=(20, 8)).astype("float32"))
    assert scripts("peers.litert").computed_arena(content)["arena_activation_bytes"] == 8 + 16
