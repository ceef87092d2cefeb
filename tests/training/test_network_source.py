"""The networks that a function builds."""

import keras

from keras_efficient.training.network_source import NetworkSource


def test_a_compiled_network_leaves_no_optimizer_in_its_file(tmp_path):
    def build():
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        model.compile("adam", "mse")
        return model

    NetworkSource(build, (3,)).build("float", 0).save(tmp_path / "model.keras")
    assert not keras.saving.load_model(tmp_path / "model.keras").compiled
