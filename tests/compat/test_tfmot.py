"""What of compat.tfmot needs no tfmot: its schedules' settings, its grid, its refusals."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_efficient as ke
from keras_efficient.compat import tfmot

CONSTANT = {"target_sparsity": 0.5, "begin_step": 3, "end_step": -1, "frequency": 7}
DECAY = {"initial_sparsity": 0.1, "final_sparsity": 0.9, "power": 2, "begin_step": 3, "end_step": 40, "frequency": 7}


class Theirs:
    """As tfmot's schedules show themselves."""

    def __init__(self, class_name, config):
        self.class_name, self.config = class_name, config

    def get_config(self):
        return {"class_name": self.class_name, "config": self.config}


def test_schedules_are_known_by_their_settings():
    assert tfmot.schedule(Theirs("ConstantSparsity", CONSTANT)) == ke.ConstantSparsity(**CONSTANT)
    assert tfmot.schedule(Theirs("PolynomialDecay", DECAY)) == ke.PolynomialDecay(**DECAY)
    assert tfmot.convert_schedule(Theirs("PolynomialDecay", DECAY).get_config()) == ke.PolynomialDecay(**DECAY)


@pytest.mark.parametrize(
    "schedule, error, text",
    [
        (0.5, TypeError, "`schedule` must be a tfmot.* Received: schedule=0.5"),
        (ke.ConstantSparsity(0.5), TypeError, "Received: schedule=ConstantSparsity"),
        (Theirs, TypeError, "Received: schedule=<class"),
        ({"class_name": "ConstantSparsity"}, TypeError, "Received: schedule={'class_name'"),
        (Theirs("Mine", CONSTANT), ValueError, "one of ConstantSparsity, PolynomialDecay.* of class 'Mine'"),
        (
            Theirs("PolynomialDecay", {**DECAY, "end_step": 3}),
            ValueError,
            "`end_step` must be larger than begin_step=3",
        ),
    ],
)
def test_other_schedules_are_refused(schedule, error, text):
    with pytest.raises(error, match=text):
        tfmot.convert_schedule(schedule)


@pytest.mark.parametrize("bits", [2, 5, 8])
@pytest.mark.parametrize("narrow_range", [False, True])
@pytest.mark.parametrize("limits", [(-6, 6), (0, 3.7), (-2.1, 0), (-0.013, 0.4), (-127, 127), (0, 0)])
def test_fake_quantize_is_tensorflows_to_the_last_bit(bits, narrow_range, limits):
    codes = 2**bits - 1 - narrow_range
    x = np.random.default_rng(0).uniform(limits[0] - 1, limits[1] + 1, 1000).astype("float32")
    if keras.backend.backend() == "tensorflow":  # JAX divides otherwise: half way between codes it may take the other
        x = np.concatenate([x, np.linspace(*limits, 2 * codes + 1, dtype="float32")])
    expected = tf.quantization.fake_quant_with_min_max_vars(x, *limits, bits, narrow_range).numpy()
    layer = tfmot.FakeQuantize(*limits, bits, narrow_range)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer(x)), expected)


def test_fake_quantize_is_a_layer_for_inference(tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), tfmot.FakeQuantize(-1, 2, 6, True)])
    x = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="has no gradient.*`quantizers=False`"):
        model.fit(x, np.zeros((5, 4)), verbose=0)


@pytest.mark.parametrize(
    "arguments, text",
    [((1, 2), "0 between them"), ((-1, np.inf), "finite"), ((-1, 1, 1), "`bits` must be from 2 to 16.*bits=1")],
)
def test_wrong_ranges_are_refused(arguments, text):
    with pytest.raises(ValueError, match=text):
        tfmot.FakeQuantize(*arguments)


@pytest.mark.parametrize("model", [None, keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])])
def test_what_is_no_tf_keras_model_is_refused(model):
    with pytest.raises(TypeError, match="`model` must be .* of tf_keras.* Received: "):
        tfmot.convert_model(model)


def test_a_missing_tfmot_is_said():
    code = """if True:
        import os, sys
        import keras_efficient as ke
        sys.modules["tensorflow_model_optimization"] = None
        try:
            ke.compat.tfmot.import_tfmot()
        except ImportError as error:
            print("TF_USE_LEGACY_KERAS" in os.environ, error)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (
        done.stdout.startswith("False `import_tfmot` needs") and "pip install 'keras_efficient[tfmot]'" in done.stdout
    )
