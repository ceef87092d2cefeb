"""PruningCallback counts batches, whatever else runs beside it."""

import keras
import numpy as np
import pytest

import keras_efficient as ke

SCHEDULE = ke.PolynomialDecay(0.0, 0.6, 0, 20, frequency=6)  # which does not divide the way
X = np.random.default_rng(0).normal(size=(96, 10)).astype("float32")
Y = np.random.default_rng(1).integers(0, 3, 96)


def pruned():
    keras.utils.set_random_seed(5)
    plain = keras.Sequential([keras.Input((10,)), keras.layers.Dense(25, "relu"), keras.layers.Dense(4)])
    model = ke.prune_model(plain, SCHEDULE)
    model.compile(keras.optimizers.Adam(1e-2), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


class Stopped(Exception):
    pass


class Stop(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 3:
            raise Stopped


def fit(model, *callbacks):
    return model.fit(X, Y, epochs=6, batch_size=24, shuffle=False, verbose=0, callbacks=list(callbacks))


@pytest.mark.parametrize("backup_comes_first", [True, False])
def test_an_interrupted_training_ends_as_one_that_was_not(backup_comes_first, tmp_path):
    def callbacks():
        both = [keras.callbacks.BackupAndRestore(tmp_path / "backup"), ke.PruningCallback()]
        return both if backup_comes_first else both[::-1]

    whole, resumed = pruned(), pruned()
    fit(whole, ke.PruningCallback())
    with pytest.raises(Stopped):
        fit(pruned(), *callbacks(), Stop())
    fit(resumed, *callbacks())
    for one, other in zip(whole.weights, resumed.weights, strict=True):
        np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (one, other)))
    assert [layer.sparsity for layer in ke.pruning.prunable_layers(resumed)] == [0.6, 0.6]


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.first = ke.Prunable(keras.layers.Dense(25, "relu"), SCHEDULE)
        self.second = keras.layers.Dense(4)

    def call(self, x):
        return self.second(self.first(x))


def test_a_model_that_its_first_batch_builds():
    model = Subclassed()
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    fit(model, ke.PruningCallback())
    assert model.first.sparsity == 0.6 and int(keras.ops.convert_to_numpy(model.first.step)) == 24


def test_a_target_that_is_not_reached_is_said():
    model = pruned()
    with pytest.warns(UserWarning, match=r"Training ended after 4 batches, before PolynomialDecay\(.* at step 20"):
        model.fit(X, Y, batch_size=24, verbose=0, callbacks=[ke.PruningCallback()])


def test_a_loop_of_ones_own():
    """It calls the callback as `fit` does, on a model that was called before."""
    model, callback = Subclassed(), ke.PruningCallback()
    model(X[:1])
    callback.set_model(model)
    callback.on_train_begin()
    for step in range(24):
        callback.on_train_batch_begin(step)
        callback.on_train_batch_end(step)
    callback.on_train_end()
    assert model.first.sparsity == 0.6
