"""The graph of a model: every call in the order of computation, whatever it is."""

import keras
import numpy as np
import pytest

from keras_efficient.reading import read_model
from keras_efficient.reading.network import read_network
from keras_efficient.reading.read import run_nodes

layers, ops = keras.layers, keras.ops


def chain(*stack, shape=(6, 6, 2)):
    return keras.Sequential([keras.Input(shape), *stack])


def operators():
    x = inputs = keras.Input((6, 6, 2))
    x = layers.Conv2D(3, 3)(x / 255.0 - 0.5)
    x = keras.activations.relu(x) + ops.abs(x)
    return keras.Model(inputs, layers.Dense(2)(ops.mean(x[:, 1:], (1, 2)) * np.float32(3)))


def shared_inner_model():
    block = chain(layers.Conv2D(2, 3, padding="same", name="conv"), layers.ReLU(), shape=(6, 6, 2))
    block.name = "block"
    inputs = keras.Input((6, 6, 2))
    return keras.Model(inputs, layers.Add()([block(inputs), block(block(inputs))]))


def deep_inner_models():
    inner = chain(layers.Conv2D(2, 3))
    return chain(chain(inner, layers.ReLU(), shape=(6, 6, 2)), layers.Flatten(), layers.Dense(2))


def two_by_name():
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    inner = keras.Model({"b": b, "a": a}, {"sum": layers.Concatenate()([a, b * 2.0]), "same": a})
    c, d = keras.Input((3,), name="c"), keras.Input((3,), name="d")
    found = inner({"a": c, "b": d})
    return keras.Model([c, d], [found["sum"], found["same"]])


def masked():
    ids = keras.Input((5,))
    return keras.Model(ids, layers.LSTM(4)(layers.Embedding(9, 3, mask_zero=True)(ids)))


def several_outputs_of_a_layer():
    inputs = keras.Input((5, 3))
    y, state, _ = layers.LSTM(4, return_state=True)(inputs)
    return keras.Model(inputs, [y, state])


def called_with_arguments():
    inputs = keras.Input((6, 6, 2))
    return keras.Model(inputs, layers.Flatten()(layers.BatchNormalization()(inputs, training=False)))


MODELS = [
    operators,
    shared_inner_model,
    deep_inner_models,
    two_by_name,
    masked,
    several_outputs_of_a_layer,
    called_with_arguments,
]


@pytest.mark.parametrize("make", MODELS)
def test_running_the_graph_is_running_the_model(make):
    model = make()
    graph, random = read_model(model), np.random.default_rng(0)
    x = [random.integers(0, 9, (4, *value.shape)).astype(value.dtype) for value in graph.inputs]
    known = run_nodes(graph.nodes, dict(zip(graph.inputs, map(ops.convert_to_tensor, x), strict=True)))
    expected = keras.tree.flatten(model(x if len(x) > 1 else x[0], training=False))
    for value, wanted in zip(graph.outputs, expected, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(known[value]), ops.convert_to_numpy(wanted))
        assert value.shape == tuple(wanted.shape[1:])


def test_names_of_inner_models_and_shared_layers():
    graph = read_model(shared_inner_model())
    assert [node.name for node in graph.nodes].count("block/conv") == 3
    assert [node.name for node in graph.operations if "conv" in node.name] == ["block/conv"]
    assert [node.name for node in read_model(shared_inner_model(), inner=False).nodes if "block" in node.name] == (
        ["block"] * 3
    )


def test_constants_and_arguments_of_a_call():
    node = next(node for node in read_model(operators()).nodes if node.kind_name == "multiply")
    assert len(node.inputs) == 1 and node.args[1] == 3
    (norm, _) = read_model(called_with_arguments()).nodes
    assert norm.kwargs["training"] is False


def test_masks_are_no_data():
    graph = read_model(masked())
    assert {node.kind_name for node in graph.nodes} - {node.kind_name for node in graph.working} == {"not_equal"}
    (embedding,) = (node for node in graph.nodes if node.kind_name == "Embedding")
    assert [node.kind_name for node in graph.readers(embedding.outputs[0])] == ["LSTM"]


@pytest.mark.parametrize(
    ("function", "form"),
    [
        (ops.relu, ("ReLU", {})),
        (ops.relu6, ("ReLU", {"max_value": 6.0})),
        (lambda x: keras.activations.relu(x, 0.1, 4.0, 0.0), ("ReLU", {"negative_slope": 0.1, "max_value": 4.0})),
        (lambda x: x / 4, ("Rescaling", {"scale": 0.25, "offset": 0.0})),
        (lambda x: 4 / (x + 1), None),
        (lambda x: 1 - x, ("Rescaling", {"scale": -1.0, "offset": 1.0})),
        (lambda x: x * np.array([1, 2], "float32"), ("Rescaling", {"scale": [1.0, 2.0], "offset": 0.0})),
        (lambda x: x - np.ones((6, 2), "float32"), None),
        (lambda x: ops.mean(x, (1, 2), keepdims=True), ("GlobalAveragePooling2D", {"keepdims": True})),
        (lambda x: ops.mean(x, -1), None),
        (lambda x: ops.max(x, [2, 1]), ("GlobalMaxPooling2D", {"keepdims": False})),
        (lambda x: ops.reshape(x, (-1, 72)), ("Reshape", {"target_shape": (72,)})),
        (lambda x: ops.reshape(x, (-1, 36)), None),
        (lambda x: ops.transpose(x, (0, 2, 1, 3)), ("Permute", {"dims": (2, 1, 3)})),
        (lambda x: ops.transpose(x, (1, 0, 2, 3)), None),
        (lambda x: ops.concatenate([x, x], -1), ("Concatenate", {"axis": -1})),
        (lambda x: x + x, ("Add", {})),
        (ops.tanh, ("Activation", {"activation": "tanh"})),
        (lambda x: ops.elu(x, 0.5), None),
        (ops.abs, None),
    ],
)
def test_functions_as_layers(function, form):
    """None: no layer computes the same, so that only the function's own name is known."""
    inputs = keras.Input((6, 6, 2))
    graph = read_model(keras.Model(inputs, function(inputs)))
    found = graph.nodes[-1].form
    if form is None:
        assert found.key is not None and found.key.origin == "ops"
        return
    name, config = form
    assert found.class_name == name and config.items() <= found.config.items()
    x = np.random.default_rng(0).normal(size=(3, 6, 6, 2)).astype("float32")
    layer = getattr(layers, name)(**found.config)
    arguments = [x, x] if len(graph.nodes[-1].inputs) > 1 else x
    np.testing.assert_allclose(layer(arguments), function(ops.convert_to_tensor(x)), rtol=1e-6)


def test_what_a_device_runs():
    """From the grid to the last layer that works: what prepares the input, and heads, stay outside."""
    ke = pytest.importorskip("keras_efficient")
    inputs = keras.Input((6, 6, 2))
    x = ke.InputQ(8)(layers.RandomFlip()(inputs) / 255)
    x = ke.DenseQ(3)(layers.Flatten()(layers.Dropout(0.5)(x)))
    network = read_network(keras.Model(inputs, ops.softmax(x)))
    (entry,) = network.entries
    assert [node.kind_name for node in entry.preparation] == ["RandomFlip", "true_divide"]
    assert entry.grid.node.form.class_name == "InputQ"
    assert [call.node.form.class_name for call in network.calls] == [
        "Dropout",
        "Flatten",
        "DenseQ",
    ] and network.is_chain


def test_calls_of_layers_that_share_weights():
    shared, relu, inputs = layers.Dense(4), layers.ReLU(), keras.Input((4,))
    network = read_network(keras.Model(inputs, shared(relu(shared(relu(inputs))))))
    assert network.twice == {3} and not network.is_chain
    assert not read_network(keras.Model(inputs, relu(layers.Dense(2)(relu(inputs))))).twice


def test_a_device_has_the_ends_of_the_model():
    """The softmax is no part of an output that is also read before it; a relu is."""
    first, second = keras.Input((4,)), keras.Input((3,))
    y = layers.Dense(3)(first)
    model = keras.Model([first, second], [ops.softmax(y), y, layers.ReLU()(y), second, layers.Dense(2)(y + second)])
    network = read_network(model)
    assert network.outputs == (2, 2, 5, 1, 4) and [entry.shape for entry in network.entries] == [(4,), (3,)]


class Subclassed(keras.Model):
    def call(self, x):
        return x


def test_models_that_do_not_say_how_they_are_connected():
    with pytest.raises(ValueError, match=r"\(Subclassed\) does not say how its layers are connected"):
        read_model(Subclassed())
    with pytest.raises(ValueError, match="is not built"):
        read_model(keras.Sequential([layers.Dense(2)]))
    inputs = keras.Input((4,))
    graph = read_model(keras.Model(inputs, Subclassed()(inputs)))
    assert graph.nodes[0].key is None and graph.nodes[0].kind_name == "Subclassed"
