"""What an operation is known by: its origin and name, never the text of a class alone."""

import inspect

import keras
import pytest

import keras_efficient as ke
from keras_efficient.copies import replace_layers
from keras_efficient.kinds import Key, key_of, kind_name
from keras_efficient.reading.keras_private import has_functional_constructor

layers = keras.layers


class Dense(layers.Layer):
    """Bears a name of Keras's."""

    def call(self, x):
        return x


class Quiet(ke.DenseQ):
    """Changes nothing."""

    def __init__(self, units, **kwargs):
        super().__init__(units, **kwargs)
        self.note = "mine"

    def added(self):
        return self.note


class OtherCall(layers.Dense):
    def call(self, x):
        return 2 * super().call(x)


class OtherProperty(layers.Dense):
    @property
    def kernel(self):
        return 0.0


class BelowOther(OtherCall):
    """Changes nothing of a class that changed something."""


class Training(keras.Model):
    def train_step(self, data):
        return super().train_step(data)


class Subclassed(keras.Model):
    def call(self, x):
        return x


def operation_of(function):
    return function(keras.Input((4, 4, 2)))._keras_history.operation


@pytest.mark.parametrize(
    ("make", "key"),
    [
        (lambda: layers.Dense(2), ("layers", "Dense")),
        (lambda: ke.DenseQ(2), ("own", "DenseQ")),
        (lambda: Quiet(2), ("own", "DenseQ")),
        (lambda: operation_of(lambda x: x / 2), ("ops", "TrueDivide")),
        (lambda: operation_of(lambda x: x[:, :2]), ("ops", "GetItem")),
        (lambda: operation_of(keras.ops.relu), ("ops", "Relu")),
        (lambda: operation_of(lambda x: keras.activations.relu(x, 0.1)), ("activations", "ReLU")),
        (lambda: operation_of(layers.ReLU()), ("layers", "ReLU")),
        (lambda: operation_of(lambda x: layers.Add()([x, x])), ("layers", "Add")),
        (lambda: operation_of(lambda x: x + x), ("ops", "Add")),
        (lambda: keras.Sequential([keras.Input((2,)), layers.Dense(1)]), ("models", "Sequential")),
    ],
)
def test_keys(make, key):
    assert key_of(make()) == Key(*key)


@pytest.mark.parametrize("kind", [Dense, OtherCall, OtherProperty, BelowOther])
def test_another_class_is_foreign(kind):
    assert key_of(kind(2) if issubclass(kind, layers.Dense) else kind()) is None


def test_a_model_with_training_of_its_own_is_functional():
    inputs = keras.Input((2,))
    assert key_of(Training(inputs, layers.Dense(1)(inputs))) == Key("models", "Functional")
    assert key_of(Subclassed()) is None


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (lambda x: keras.activations.relu(x), "relu"),
        (lambda x: x[..., :1], "get_item"),
        (lambda x: keras.ops.leaky_relu(x), "leaky_relu"),
        (layers.MaxPooling2D(2), "MaxPooling2D"),
    ],
)
def test_names_that_people_use(function, name):
    assert kind_name(operation_of(function)) == name


@pytest.mark.parametrize("name", ke.layers.__all__)
def test_every_layer_of_ours_has_a_key(name):
    kind = getattr(ke.layers, name)
    arguments = {"units": 2, "filters": 2, "kernel_size": 1, "rank": 1, "dimensions": 2, "depth": 1, "p": 1, "q": 1}
    known = inspect.signature(kind).parameters
    assert key_of(kind(**{key: value for key, value in arguments.items() if key in known})) == Key("own", name)


def relu(x):
    """Bears a name of Keras's, and mixes the channels."""
    return keras.ops.roll(x, 1, axis=-1) - 1


def test_a_function_of_that_name_is_not_keras_own():
    assert not ke.DenseQ(2, "relu").output_is_signed and ke.DenseQ(2, relu).output_is_signed
    model = keras.Sequential([keras.Input((3,)), layers.Dense(4, relu), layers.Dense(2)])
    silent, bias = model.layers[0].get_weights()
    silent[:, 0] = 0
    model.layers[0].set_weights([silent, bias])
    assert ke.remove_filters(model).layers[0].units == 4


class Functional(keras.Model):
    """Bears a name of Keras's, and is made otherwise."""

    def __init__(self, size):
        inputs = keras.Input((size,))
        super().__init__(inputs, layers.Dense(2)(inputs))


def test_a_model_of_that_name_is_not_keras_own():
    assert not has_functional_constructor(Functional(3))
    copy = replace_layers(Functional(3), lambda layer: None)
    assert type(copy) is not Functional and copy.output_shape == (None, 2)


def test_refusals_say_whose_class_it_is_that_bears_a_name_of_keras():
    inputs = keras.Input((4,))
    model = keras.Model(inputs, layers.Dense(2)(Dense(name="mine")(layers.Dense(4)(inputs))))
    with pytest.warns(UserWarning, match=rf"mine \({__name__}.Dense\)"):
        small = ke.quantize_model(model, x=keras.ops.ones((2, 4)))
    for tool in (ke.estimate_storage, ke.export.IntegerModel):
        with pytest.raises(ValueError, match=f"{__name__}.Dense"):
            tool(small)
    assert [row.kind for row in ke.support_report(model).rows] == ["Dense", "Dense", "Dense"]
