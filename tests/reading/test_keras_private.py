"""What of Keras is read that Keras does not promise: one test for each piece, on every version that is allowed."""

import ast
from pathlib import Path

import keras
import pytest

from keras_efficient.reading import keras_private

PACKAGE = Path(keras_private.__file__).parents[1]
PRIVATE = {"_functional", "_nodes_by_depth", "_inputs_struct", "_outputs_struct", "_compile_config"}
PRIVATE |= {"_call_has_training_arg", "_keras_history", "_inbound_nodes", "_outbound_nodes", "_flatten_layers"}
PRIVATE |= {"get_global_attribute", "set_global_attribute"}


def model():
    inputs = keras.Input((4,), name="pixels")
    shared = keras.layers.Dense(4)
    return keras.Model({"pixels": inputs}, [shared(keras.layers.Dropout(0.5)(shared(inputs)))])


def sequential():
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])


def test_functional_of():
    made, chain = model(), sequential()
    assert keras_private.functional_of(made) is made
    assert keras_private.functional_of(chain) is not None
    assert keras_private.functional_of(keras.Sequential([keras.layers.Dense(2)])) is None


def test_calls_in_order():
    calls = [call for call in keras_private.calls_in_order(model()) if not call.is_input]
    assert [type(call.operation).__name__ for call in calls] == ["Dense", "Dropout", "Dense"]
    assert calls[1].arguments.keras_tensors == calls[0].outputs


def test_structures_and_names():
    made = model()
    assert set(keras_private.input_structure(made)) == {"pixels"}
    assert keras_private.input_names(made) == ["pixels"]
    assert len(keras_private.output_structure(made)) == 1
    assert keras_private.maker_of(made.outputs[0]) is made.layers[1]


def test_takes_training():
    assert keras_private.takes_training(keras.layers.Dropout(0.5))
    assert not keras_private.takes_training(keras.layers.Flatten())


def test_layers_within():
    wrapped, inner = keras.layers.TimeDistributed(keras.layers.Dense(2)), sequential()
    made = keras.Sequential([keras.Input((3, 4)), wrapped, keras.layers.Flatten(), keras.layers.Dense(4), inner])
    inputs = [model.inputs[0]._keras_history.operation for model in (made, inner)]
    found = keras_private.layers_within(made)
    assert {*map(id, found)} == {*map(id, [made, *made.layers, wrapped.layer, *inner.layers, *inputs])}
    assert len(found) == 9 and keras_private.layers_within(made, recursive=False) == [made, inputs[0], *made.layers]


class OwnConstructor(keras.Model):
    def __init__(self, size):
        inputs = keras.Input((size,))
        super().__init__(inputs, keras.layers.Dense(2)(inputs))


class OwnStep(keras.Model):
    def train_step(self, data):
        return super().train_step(data)


def test_has_functional_constructor():
    inputs = keras.Input((4,))
    own_step = OwnStep(inputs, keras.layers.Dense(2)(inputs))
    assert keras_private.has_functional_constructor(own_step) and keras_private.has_functional_constructor(model())
    assert not keras_private.has_functional_constructor(OwnConstructor(3))


def test_compile_arguments():
    made, loss = sequential(), keras.losses.Huber(0.5)
    assert keras_private.compile_arguments(made) is None
    made.compile("adam", loss)
    assert keras_private.compile_arguments(made)["loss"] is loss


def test_names_from_the_start():
    before = keras.layers.Dense(2).name
    with keras_private.names_from_the_start():
        assert [keras.layers.Dense(2).name for _ in range(2)] == ["dense", "dense_1"]
    assert keras.layers.Dense(2).name not in (before, "dense", "dense_1")


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_else_touches_them(path):
    if path.name == "keras_private.py" or "compat" in path.parts:
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    touched = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)} & PRIVATE
    assert not touched, touched


def test_a_metric_says_what_is_better():
    mean = keras.metrics.MeanMetricWrapper(lambda true, predicted: true, name="own")
    found = [
        keras_private.better_direction(metric)
        for metric in (keras.metrics.AUC(), keras.metrics.MeanAbsoluteError(), mean)
    ]
    assert found == ["max", "min", None]
