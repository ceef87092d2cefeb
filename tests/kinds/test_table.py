"""One table of kinds: what stands beside it agrees, and every layer and function goes through all tools alike."""

import inspect
import warnings

import keras
import numpy as np
import pytest

import keras_efficient as ke
from keras_efficient.export.c.layers import WRITERS
from keras_efficient.export.integer.layers import READERS
from keras_efficient.export.integer.reading import layers_without_integers
from keras_efficient.kinds import Key
from keras_efficient.kinds.table import KINDS
from keras_efficient.quantization.own_model.conversions import CONVERTERS
from keras_efficient.reading.network import read_network
from keras_efficient.reading.read import read_model

# They are wrappers, and no part of a network.
WRAPPERS = {"Prunable", "PrunedChannels"}
SHAPES = [(6, 6, 2), (6, 2), (6,), (3, 4, 4, 2), (2, 3, 4, 4, 2)]
# What constructors ask for, by the names of their arguments.
ARGUMENTS = {
    **dict.fromkeys(("units", "filters", "rank", "dimensions", "output_dim", "num_heads", "key_dim", "head_dim"), 2),
    **dict.fromkeys(("num_query_heads", "num_key_value_heads", "n", "height", "width", "pool_size", "size"), 2),
    **dict.fromkeys(("dims", "target_shape", "axes"), None),
    "input_dim": 5,
    "kernel_size": 2,
    "rate": 0.5,
    "stddev": 0.1,
    "factor": 0.2,
}


def test_kinds_readers_writers_and_twins_agree():
    forms = {kind.form for kind in KINDS.values()} - {None, ""}
    written = {operation.__name__ for operation in WRITERS} - {"Outputs"}  # no layer is one
    assert forms == set(READERS) == written | {"Stages"}  # which are several of the others
    assert {kind.form for kind in KINDS.values() if kind.stages} == {"Stages"}
    assert {key for key, kind in KINDS.items() if kind.twin} == set(CONVERTERS)
    for key, kind in KINDS.items():
        assert kind.twin is None or KINDS[Key("own", kind.twin)].form, key
        assert not kind.form or kind.is_priced, f"{key} has integers and no price"
        assert kind.window is None or kind.form or kind.price, key


def test_the_table_holds_all_layers_of_this_package_and_no_stranger():
    assert {key.name for key in KINDS if key.origin == "own"} == set(ke.layers.__all__) - WRAPPERS
    assert [key for key in KINDS if key.origin == "layers" and not hasattr(keras.layers, key.name)] == []


def end_of(call, inputs):
    """A vector that one operation gives; None where it takes no such input, or gives no floats."""
    try:
        y = call(inputs, keras.ops.relu(inputs))
    except Exception:
        return None
    y = y[0] if isinstance(y, (list, tuple)) else y
    if (
        not isinstance(y, keras.KerasTensor)
        or "float" not in y.dtype
        or len(y.shape) < 2
        or None in y.shape[1:]
        or y.shape[0]
    ):
        return None
    return keras.layers.Dense(2)(keras.layers.Flatten()(y) if len(y.shape) > 2 else y)


def calls_of_layers():
    """(what calls a layer of it, a shape) for each class of layers and the first shape that it takes."""
    for package in (keras.layers, ke.layers):
        for name in sorted(set(dir(package)) - WRAPPERS):
            found = getattr(package, name)
            if inspect.isclass(found) and issubclass(found, keras.layers.Layer):
                yield [
                    (
                        lambda x, y, found=found, shape=shape, pick=pick: made(found, shape)(
                            pick(on_grid(x, found), y)
                        ),
                        shape,
                    )
                    for shape in SHAPES
                    for pick in (lambda x, y: x, lambda x, y: [x, y])
                ]


def on_grid(x, found):
    """Behind layers that are a grid themselves `quantize_model` puts none, and logits are sums as in 2019."""
    return ke.InputQ(8)(x) if found in (ke.ActivationQ, ke.AveragePoolingQ) else x


def made(found, shape):
    """A layer with the arguments that it needs, as they are right for an input of this shape."""
    parameters = inspect.signature(found.__init__).parameters.values()
    wanted = [p.name for p in parameters if p.default is p.empty and p.name in ARGUMENTS]
    special = {"dims": tuple(range(len(shape), 0, -1)), "target_shape": (-1,), "axes": -1}
    return found(**{name: special.get(name, ARGUMENTS[name]) for name in wanted})


def calls_of_functions():
    for name in sorted(dir(keras.ops)):
        function = getattr(keras.ops, name)
        if callable(function) and not inspect.isclass(function) and not name.startswith("_"):
            forms = (
                lambda x, y, function=function: function(x),
                lambda x, y, function=function: function(x, y),
                lambda x, y, function=function: function([x, y]),
                lambda x, y, function=function: function(x, 2),
            )
            yield [(form, shape) for form in forms for shape in SHAPES[:3]]


def works(call, shape):
    """Whether an operation computes numbers for each sample of such an input."""
    x = keras.ops.convert_to_tensor(samples(shape))
    try:
        y = call(x, keras.ops.relu(x))
        y = keras.ops.convert_to_numpy(y[0] if isinstance(y, (list, tuple)) else y)
    except Exception:
        return False
    fits = y.ndim > 1 and len(y) == len(x) and y.dtype == "float32" and np.isfinite(y).all()
    return fits and end_of(call, keras.Input(shape)) is not None


def samples(shape):
    """Pixels: a byte stands for byte / 256."""
    return (np.random.default_rng(0).integers(25, 230, (4, *shape)) / 256).astype("float32")


def check_all(calls):
    """Each operation goes through the tools: those that the table says become C alone, all others in few models.

    Returns how many there were, and how many of them became C.
    """
    found = [next((each for each in options if works(*each)), None) for options in calls]
    others, exported = {}, 0
    for call, shape in filter(None, found):
        inputs = keras.Input(shape)
        model = keras.Model(inputs, end_of(call, inputs))
        nodes = read_model(model).nodes
        if all(node.kind.form or node.kind.twin for node in nodes if node.kind_name != "Flatten"):
            exported += check_alike(model, samples(shape))
        else:
            others.setdefault(shape, []).append(call)
    for shape, several in others.items():
        inputs = keras.Input(shape)
        x = ke.InputQ(8)(inputs)
        check_alike(keras.Model(inputs, keras.layers.Add()([end_of(call, x) for call in several])), None)
    return len(list(filter(None, found))), exported


def check_alike(model, x):
    """Whether what the report says is what every tool does. Returns whether it becomes C, which then equals Keras."""
    report = ke.support_report(model)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        small = ke.quantize_model(model, x=x, mode="freeze_scales")
    text = " ".join(str(warning.message) for warning in caught)
    assert [row for row in report.rows if row.quantize == "float" and row.name not in text] == []
    unknown = {call.node.name for call in read_network(small).calls if not call.kind.is_priced}
    unpriced = {row.name for row in report.rows if not row.priced}
    assert unknown <= unpriced
    if unpriced:
        with pytest.raises(ValueError, match=f"and {len(unknown) - 10} more" if len(unknown) > 10 else "") as error:
            ke.estimate_storage(small)
        assert any(repr(name) in str(error.value) for name in unpriced)
    try:
        integers = ke.export.IntegerModel(small)
    except ValueError as error:
        assert not report.exports_c and str(error) in report.reasons
        if len(model.inputs[0].shape) <= 4:
            without = {row.name for row in report.rows if not row.c}
            assert {refusal.name for refusal in layers_without_integers(small)} == without
        return False
    assert report.exports_c and report.priced
    logits = integers.predict(integers.encode(x)) * 2.0**integers.logit_exponent
    assert np.array_equal(logits, keras.ops.convert_to_numpy(small(x, training=False)).reshape(len(x), -1))
    return True


@pytest.mark.one_backend
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("calls", "most", "some"), [(calls_of_layers, 100, 25), (calls_of_functions, 150, 2)])
def test_every_operation_goes_through_all_tools_alike(calls, most, some):
    walked, exported = check_all(calls())
    assert walked >= most and exported >= some
