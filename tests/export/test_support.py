"""`support_report`: each operation's answer is what the tools then do."""

import json

import keras
import numpy as np
import pytest

import keras_efficient as ke

layers, ops = keras.layers, keras.ops


def rows_of(function, shape=(8, 8, 2)):
    inputs = keras.Input(shape)
    x = function(layers.Conv2D(4, 3, padding="same", name="conv")(inputs))
    return keras.Model(inputs, layers.Dense(3, name="dense")(layers.Flatten(name="flatten")(x)))


class Mine(layers.Layer):
    def call(self, x):
        return x


# What stands between a convolution and a dense layer, and (quantize, priced, c) of the operation in the report.
CASES = {
    "max pooling": (layers.MaxPooling2D(2), ("keeps codes", True, True)),
    "relu": (keras.activations.relu, ("folded", True, True)),
    "ops.relu": (ops.relu, ("folded", True, True)),
    "batch norm": (layers.BatchNormalization(), ("folded", True, True)),
    "dropout": (layers.Dropout(0.5), ("training only", True, True)),
    "mean": (lambda x: ops.mean(x, (1, 2), keepdims=True), ("quantized", True, True)),
    "zero padding": (layers.ZeroPadding2D(1), ("keeps codes", True, True)),
    "scaled": (lambda x: x * 0.5, ("quantized", True, True)),
    "power": (lambda x: x**2, ("quantized", True, True)),
    "sums": (lambda x: ops.cumsum(x, axis=1), ("float", False, False)),
    "slice": (lambda x: x[:, 1:], ("keeps codes", True, True)),
    "tanh": (layers.Activation("tanh"), ("quantized", True, True)),
    "own class": (Mine(), ("float", False, False)),
    "grouped": (layers.Conv2D(4, 3, groups=2), ("quantized", True, True)),
    "transposed": (layers.Conv2DTranspose(4, 3), ("quantized", True, True)),
    "normalization": (layers.LayerNormalization(), ("float", True, False)),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.filterwarnings("ignore:These layers stay float")
def test_the_report_says_what_the_tools_do(case, tmp_path):
    function, expected = CASES[case]
    model = rows_of(function)
    report = ke.support_report(model)
    row = report.rows[1]
    assert (row.quantize, row.priced, row.c) == expected and (row.reason is None) == (row.priced and row.c)
    x = np.random.default_rng(0).normal(size=(16, 8, 8, 2)).astype("float32")
    small = ke.quantize_model(model, x=x)
    for claim, tool in ((report.priced, ke.estimate_storage), (report.exports_c, lambda m: ke.export_c(m, tmp_path))):
        if claim:
            tool(small)
        else:
            with pytest.raises(ValueError):
                tool(small)
    assert ke.support_report(small).exports_c == report.exports_c
    assert report.exports_c == all(row.c for row in report.rows)


def test_rows_of_inner_models_wrappers_and_ends():
    block = keras.Sequential([keras.Input((6,)), layers.Dense(6, "relu", name="inner")], name="block")
    inputs = keras.Input((6,))
    x = block(block(layers.Rescaling(1 / 255, name="scale")(inputs)))
    model = keras.Model(inputs, ops.softmax(layers.Dense(3, name="last")(x)))
    report = ke.support_report(model)
    assert [(row.name, row.quantize) for row in report.rows[:3]] == [
        ("scale", "outside"),
        ("block/inner", "quantized"),
        ("last", "quantized"),
    ]
    assert (report.rows[3].kind, report.rows[3].quantize) == ("softmax", "outside")
    assert report.exports_c and report.priced


def test_a_wrapper_is_one_row():
    model = ke.prune_model(rows_of(layers.ReLU()), ke.ConstantSparsity(0.5))
    report = ke.support_report(model)
    assert [row.kind for row in report.rows] == ["Prunable", "ReLU", "Flatten", "Prunable"]
    assert "strip_pruning" in report.rows[0].reason and not report.exports_c


def test_json_and_table():
    report = ke.support_report(rows_of(lambda x: ops.cumsum(x, axis=1)))
    found = json.loads(report.to_json())
    assert found["exports_c"] is False and found["rows"][1]["kind"] == "cumsum"
    assert set(found["rows"][0]) == {"name", "kind", "quantize", "priced", "c", "litert", "prunable", "reason"}
    assert "cumsum" in str(report) and "the whole model, quantized: priced: no, C: no, LiteRT: yes" in str(report)


def test_other_models_are_refused():
    with pytest.raises(TypeError, match="`model` must be a built Functional or Sequential model"):
        ke.support_report(keras.Sequential([layers.Dense(2)]))


@pytest.mark.filterwarnings("ignore:These layers stay float", "ignore:No samples were given")
def test_what_stands_after_a_map_of_four_axes_is_read_on():
    """The refusal names the layers in the way, and not the dense layer that has other numbers to read."""
    inputs = keras.Input((4, 4, 3))
    x = layers.Conv3D(2, 3, padding="same", name="volume")(layers.Reshape((4, 4, 3, 1), name="shape")(inputs))
    model = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(x)))
    assert not ke.support_report(model).exports_c
    with pytest.raises(ValueError, match="'volume': Conv3D has no integer form"):
        ke.export.IntegerModel(ke.quantize_model(model))
