"""Letters and objects become the layers they stand for, with the shapes after them."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import STUDY

from keras_efficient.descriptions import LETTERS, LayerSpec, expand
from keras_efficient.descriptions.expand import expand_with_shapes

BITS = {"kernel_bits": 4, "bias_bits": 8, "activation_bits": 5}


def window(rows, columns, row_stride=1, column_stride=1):
    return {
        "kernel_size": [rows, columns],
        "strides": [row_stride, column_stride],
        "padding": "valid",
    }


def convolution(filters, activation, *sizes):
    config = {"filters": filters, **window(*sizes), "activation": activation, **BITS}
    return LayerSpec("ConvQ", config)


def depthwise(multiplier, *sizes):
    config = {**window(*sizes), "depth_multiplier": multiplier, "activation": "linear", **BITS}
    return LayerSpec("DepthwiseConvQ", config)


def dense(units, activation):
    return LayerSpec("DenseQ", {"units": units, "activation": activation, **BITS})


def quantizer(bits):
    return LayerSpec("ActivationQ", {"bits": bits, "signed": True})


EXPANSIONS = [
    (("A", 2, 5), [LayerSpec("AveragePoolingQ", {"pool_size": [2, 2], "bits": 5})]),
    (("M", 3, 5), [LayerSpec("MaxPooling2D", {"pool_size": [3, 3]})]),
    (("C", 6, 3, 2, 2, 1, 4, 8, 5), [convolution(6, "relu", 3, 2, 2, 1)]),
    (("CN", 6, 3, 2, 2, 1, 4, 8, 5), [convolution(6, "linear", 3, 2, 2, 1)]),
    (("C", 6, 3, 4, 8, 5), [convolution(6, "relu", 3, 3)]),
    (("CN", 6, 3, 4, 8, 5), [convolution(6, "linear", 3, 3)]),
    (("T", 2, 3, 2, 2, 1, 4, 8, 5), [depthwise(2, 3, 2, 2, 1)]),
    (("T", 2, 3, 4, 8, 5), [depthwise(2, 3, 3)]),
    (
        ("DSC", 6, 3, 2, 2, 1, 4, 8, 5),
        [depthwise(1, 3, 2, 2, 1), convolution(6, "relu", 1, 1, 1, 1)],
    ),
    (("DSC", 6, 3, 4, 8, 5), [depthwise(1, 3, 3), convolution(6, "relu", 1, 1)]),
    (("R", 4, 8, 5), [LayerSpec("ResidualQ", BITS)]),
    (("F", 7, 4, 8, 5), [LayerSpec("Flatten", {}), dense(7, "relu")]),
    (("S", 7, 4, 8, 5), [LayerSpec("Flatten", {}), dense(7, "linear")]),
    (("Q", 5), [quantizer(5)]),
    (("N", 0.05, 5), [LayerSpec("GaussianNoise", {"stddev": 0.05}), quantizer(5)]),
    (("D", 0.1, 5), [LayerSpec("Dropout", {"rate": 0.1})]),
]


@pytest.mark.parametrize(("item", "layers"), EXPANSIONS, ids=lambda value: str(value)[:40])
def test_each_letter_becomes_its_layers(item, layers):
    assert expand([item], (12, 10, 3)) == layers


def test_every_letter_is_in_the_table_above():
    assert {item[0] for item, _ in EXPANSIONS} == set(LETTERS)


def test_the_studys_network_has_the_shapes_of_the_paper():
    shapes = [shape for _, shape in expand_with_shapes(STUDY, (28, 28, 1))]
    maps = [(14, 14, 1), (12, 12, 5), (10, 10, 8), (8, 8, 11), (4, 4, 11), (4, 4, 11)]
    assert shapes == [*maps, (176,), (10,)]


def test_pooling_rounds_sizes_down():
    assert expand_with_shapes([("M", 2, 4)], (5, 7, 1))[-1][1] == (2, 3, 1)


def test_a_vector_is_not_flattened():
    specs = expand([("F", 4, 4, 8, 4), ("D", 0.5, 4), ("S", 2, 4, 8, 8)], (6,))
    assert [spec.class_name for spec in specs] == ["DenseQ", "Dropout", "DenseQ"]


def test_items_and_networks_may_be_lists_tuples_or_json():
    as_tuple = expand(tuple(STUDY), (28, 28, 1))
    assert as_tuple == expand([list(item) for item in STUDY], [28, 28, 1])
    assert as_tuple == expand(json.loads(json.dumps(STUDY)), (28, 28, 1))


def test_numpy_integers_are_integers():
    assert expand([("A", np.int64(2), np.int8(4))], (np.int32(4), 4, 1)) == expand([("A", 2, 4)], (4, 4, 1))


def test_each_call_returns_configurations_of_its_own():
    first = expand(STUDY, (28, 28, 1))
    first[1].config["filters"] = 99
    assert expand(STUDY, (28, 28, 1))[1].config["filters"] == 5


def test_a_layer_object_is_passed_on_and_its_shape_followed():
    item = {"class_name": "Conv2D", "config": {"filters": 4, "kernel_size": 3, "padding": "same"}}
    layers = expand_with_shapes([item, ("S", 2, 4, 8, 8)], (6, 6, 1))
    assert layers[0] == (LayerSpec("Conv2D", item["config"]), (6, 6, 4))
    assert layers[1] == (LayerSpec("Flatten", {}), (144,))


def test_a_serialized_layer_of_this_package_is_known_by_its_short_name():
    item = {
        "module": "keras_efficient.layers",
        "class_name": "keras_efficient>DenseQ",
        "config": {"units": 3},
        "registered_name": "keras_efficient>DenseQ",
        "build_config": {"input_shape": [None, 4]},
    }
    assert expand([item], (4,)) == [LayerSpec("DenseQ", {"units": 3})]


def test_behind_an_unknown_class_shapes_are_not_checked_and_maps_flattened_in_any_case():
    layers = expand_with_shapes([{"class_name": "Mystery", "config": {}}, ("A", 99, 4), ("S", 2, 4, 8, 8)], (4, 4, 1))
    assert [spec.class_name for spec, _ in layers] == [
        "Mystery",
        "AveragePoolingQ",
        "Flatten",
        "DenseQ",
    ]
    assert {shape for _, shape in layers} == {None}


bits = st.integers(1, 16)
small = st.integers(1, 3)
three_bits = st.tuples(bits, bits, bits)
long_form = st.tuples(small, small, small, small, small).flatmap(
    lambda sizes: three_bits.map(lambda widths: (*sizes, *widths))
)
short_form = st.tuples(small, small).flatmap(lambda sizes: three_bits.map(lambda widths: (*sizes, *widths)))
values = {
    **dict.fromkeys(("A", "M"), st.tuples(small, bits)),
    **dict.fromkeys(("C", "CN", "DSC", "T"), long_form | short_form),
    "R": three_bits,
    **dict.fromkeys(("F", "S"), st.tuples(small, bits, bits, bits)),
    "Q": st.tuples(bits),
    "N": st.tuples(st.floats(0, 2), bits),
    "D": st.tuples(st.floats(0, 0.9), bits),
}
valid_item = st.sampled_from(sorted(values)).flatmap(lambda letter: values[letter].map(lambda rest: (letter, *rest)))


@given(st.lists(valid_item, min_size=1, max_size=6))
def test_tuples_lists_and_json_read_the_same(config):
    outcomes = []
    for form in (config, [list(item) for item in config], json.loads(json.dumps(config))):
        try:
            outcomes.append(expand(form, (20, 20, 2)))
        except ValueError as error:
            outcomes.append(str(error).replace("(", "").replace(")", "")[:7])
    assert outcomes[0] == outcomes[1] == outcomes[2]


@given(st.lists(valid_item, min_size=1, max_size=6))
def test_shapes_behind_every_layer_are_positive(config):
    try:
        layers = expand_with_shapes(config, (20, 20, 2))
    except ValueError:
        return
    assert all(min(shape) >= 1 for _, shape in layers)
