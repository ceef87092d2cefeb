"""Copies compute what the original computes, whatever it is made of and however it was compiled."""

import warnings

import keras
import numpy as np
import pytest

import keras_efficient as ke
from keras_efficient.copies import replace_layers

layers, ops = keras.layers, keras.ops


def adapted():
    norm = layers.Normalization()
    norm.adapt(np.random.default_rng(0).normal(50, 20, (64, 6)).astype("float32"))
    return keras.Sequential([keras.Input((6,)), norm, layers.Dense(5, "relu"), layers.Dense(3)])


def operators():
    inputs = keras.Input((6,))
    x = layers.Dense(5)(inputs * 0.5 - 1)
    x = ops.concatenate([ops.abs(x), keras.activations.relu(x) + ops.flip(x[:, :5], -1)])
    return keras.Model(inputs, layers.Dense(3)(x))


def with_lambda():
    return keras.Sequential([keras.Input((6,)), layers.Lambda(lambda x: x * 2), layers.Dense(3)])


def called_twice_in_a_chain():
    shared = layers.Dense(6, "relu")
    return keras.Sequential([keras.Input((6,)), shared, layers.Dropout(0.1), shared, layers.Dense(3)])


def shared_and_inner():
    block = keras.Sequential([keras.Input((6,)), layers.Dense(6, name="inner"), layers.ReLU()], name="block")
    inputs = keras.Input((6,))
    relu = layers.ReLU()
    return keras.Model(inputs, layers.Dense(3)(relu(layers.Add()([block(inputs), block(relu(inputs))]))))


def masked():
    ids = keras.Input((6,))
    x = layers.Embedding(90, 4, mask_zero=True)(ids)
    return keras.Model(ids, layers.Dense(3)(layers.GlobalAveragePooling1D()(x)))


def ends_by_name():
    a, b = keras.Input((6,), name="a"), keras.Input((6,), name="b")
    return keras.Model({"a": a, "b": b}, {"sum": layers.Dense(2)(a) + layers.Dense(2)(b), "first": layers.Dense(3)(a)})


class OwnStep(keras.Model):
    def train_step(self, *args):  # JAX hands over a state beside the data
        return super().train_step(*args)


def own_training():
    inputs = keras.Input((6,))
    return OwnStep(inputs, layers.Dense(3)(layers.Dense(5, "relu")(inputs)))


def data_for(model):
    random = np.random.default_rng(1)
    x = {tensor.name: random.integers(0, 90, (8, 6)).astype("float32") for tensor in model.inputs}
    return x if len(x) > 1 else next(iter(x.values()))


def outputs(model, x):
    found = model(keras.tree.map_structure(ops.convert_to_tensor, x), training=False)
    return [ops.convert_to_numpy(y) for y in keras.tree.flatten(found)]


TOOLS = {
    "quantize_model": lambda model, x: ke.quantize_model(model, x=x, mode="float"),
    "prune_model": lambda model, x: ke.prune_model(model, ke.ConstantSparsity(0.5)),
    "strip_pruning": lambda model, x: ke.strip_pruning(model),
    "remove_filters": lambda model, x: ke.remove_filters(model),
    "compress": lambda model, x: replace_layers(model, lambda layer: None),
}
MODELS = [
    adapted,
    operators,
    with_lambda,
    called_twice_in_a_chain,
    shared_and_inner,
    masked,
    ends_by_name,
    own_training,
]


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("make", MODELS)
def test_copies_compute_the_same(make, tool):
    model = make()
    x = data_for(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what stays float is named
        copy = TOOLS[tool](model, x)
    for ours, theirs in zip(outputs(copy, x), outputs(model, x), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)
    kind = keras.Model if make is called_twice_in_a_chain else type(model)  # no Sequential model of Keras loads with it
    assert isinstance(copy, kind) and {id(v) for v in copy.variables}.isdisjoint(map(id, model.variables))


def my_loss(y, p):
    return ops.mean(ops.abs(y - p))


@pytest.mark.parametrize("loss", [my_loss, keras.losses.Huber(0.5), "mae", lambda y, p: ops.mean(y - p)])
@pytest.mark.parametrize("tool", ["quantize_model", "prune_model", "remove_filters"])
def test_losses_and_metrics_are_the_objects_that_were_given(loss, tool):
    model = own_training()
    model.compile(keras.optimizers.Adam(0.25), loss, metrics=[keras.metrics.MeanAbsoluteError()])
    x, y = data_for(model), np.ones((8, 3), "float32")
    copy = TOOLS[tool](model, x)
    assert copy.optimizer is not model.optimizer and float(copy.optimizer.learning_rate) == 0.25
    assert copy.evaluate(x, y, verbose=0) == pytest.approx(model.evaluate(x, y, verbose=0), rel=1e-5)
    copy.fit(x, y, verbose=0)


def test_a_call_without_training_keeps_its_statistics_where_it_is_folded():
    inputs = keras.Input((6, 6, 2))
    norm = layers.BatchNormalization()
    x = norm(layers.Conv2D(3, 3)(inputs), training=False)
    model = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(layers.BatchNormalization()(x, training=False))))
    x = np.random.default_rng(0).normal(3, 2, (16, 6, 6, 2)).astype("float32")
    small = ke.quantize_model(model, x=x, mode="float")
    small.compile("sgd", "mse")
    before = [ops.convert_to_numpy(v) for v in small.non_trainable_variables if "moving" in v.name]
    small.fit(x, np.zeros((16, 2)), verbose=0)
    after = [ops.convert_to_numpy(v) for v in small.non_trainable_variables if "moving" in v.name]
    assert len(before) == 4
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)


class Doubled(layers.Dense):
    """Bears the attributes of a Dense and computes something else."""

    def call(self, x):
        return 2 * super().call(x)


class SameDense(layers.Dense):
    """Changes nothing."""


def test_foreign_classes_stay_float_and_subclasses_that_change_nothing_do_not():
    x = np.random.default_rng(0).normal(size=(8, 6)).astype("float32")
    model = keras.Sequential([keras.Input((6,)), SameDense(5), Doubled(4, name="mine"), layers.Dense(3)])
    with pytest.warns(UserWarning, match=r"stay float, and have no integer form: mine \(Doubled\)$"):
        small = ke.quantize_model(model, x=x, mode="float")
    np.testing.assert_allclose(outputs(small, x)[0], outputs(model, x)[0], rtol=1e-5)
    with pytest.raises(ValueError, match="not known: 'mine'"):
        ke.estimate_storage(small)
    with pytest.raises(ValueError, match="'mine': Doubled has no integer form"):
        ke.export.IntegerModel(small)


def test_what_cannot_be_quantized_as_it_is_set_stays_float():
    x = np.random.default_rng(0).normal(size=(8, 9, 9, 2)).astype("float32")
    inputs = keras.Input((9, 9, 2))
    y = layers.ReLU()(layers.BatchNormalization(axis=1, name="rows")(layers.Conv2D(4, 3)(inputs)))
    model = keras.Model(inputs, layers.Dense(3)(layers.Flatten()(y)))
    with pytest.warns(UserWarning, match=r"rows \(BatchNormalization\)"):
        small = ke.quantize_model(model, x=x, mode="float")
    np.testing.assert_allclose(outputs(small, x)[0], outputs(model, x)[0], rtol=1e-4, atol=1e-5)


def test_pruned_layers_keep_their_masks_where_the_last_has_a_softmax():
    model = keras.Sequential([keras.Input((6,)), layers.Dense(5, "relu"), layers.Dense(3, "softmax")])
    pruned = ke.prune_model(model, ke.ConstantSparsity(0.5))
    ke.pruning.update_masks(pruned, 0)
    x = data_for(model)
    small = ke.quantize_model(pruned, x=x, mode="float")
    np.testing.assert_allclose(outputs(small, x)[0], outputs(pruned, x)[0], rtol=1e-5)
    assert [layer.sparsity for layer in ke.pruning.prunable_layers(small)] == [0.5, pytest.approx(0.5, abs=0.04)]


def test_overrides_by_path():
    with pytest.raises(ValueError, match="`overrides` names no layer of the model: 'other/inner'"):
        ke.quantize_model(shared_and_inner(), overrides={"other/inner": {"kernel_bits": 4}})
    for name in ("block/inner", "inner", "block/*"):
        small = ke.quantize_model(shared_and_inner(), overrides={name: {"kernel_bits": 3}})
        assert small.get_layer("block").get_layer("inner").kernel_bits == 3


class OwnDense(keras.layers.Dense):
    """Not registered, as classes in a script are."""

    def call(self, inputs):
        return super().call(inputs) * 2


class Closed(keras.Model):
    """Its configuration says nothing of what it holds."""

    def __init__(self):
        super().__init__(name="closed")
        self.dense = keras.layers.Dense(2)

    def call(self, inputs):
        return self.dense(inputs)


def test_classes_of_ones_own_within_wrappers_are_copied():
    plain = keras.Sequential([keras.Input((3, 4)), keras.layers.TimeDistributed(OwnDense(2))])
    pruned, x = ke.prune_model(plain, ke.ConstantSparsity(0.5)), np.ones((2, 3, 4), "float32")
    with pytest.warns(UserWarning, match="stay float"):
        small = ke.quantize_model(pruned, x=x, input_bits=None)
    for copy in (pruned, small, ke.strip_pruning(pruned)):
        np.testing.assert_array_equal(copy.predict(x, verbose=0), plain.predict(x, verbose=0))


def test_what_can_not_be_copied_is_named():
    model = keras.Sequential([keras.Input((3,)), Closed(), keras.layers.Dense(2)])
    for tool in (ke.quantize_model, ke.strip_pruning, ke.support_report):
        with pytest.raises(ValueError, match=r"the layer 'closed' \(Closed\) can not be copied from its configuration"):
            tool(model)
