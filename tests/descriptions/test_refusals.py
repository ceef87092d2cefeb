"""Every wrong description is refused by a message with the item, its position and the right form."""

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_efficient.descriptions import LETTERS, expand

LONG_FORM = (
    '("C", filters, kernel rows, kernel columns, stride rows, stride columns, kernel bits, bias bits, activation bits)'
)
SHORT_FORM = '("C", filters, kernel size, kernel bits, bias bits, activation bits)'
OBJECT_FORM = '{"class_name": "Dense", "config": {"units": 10}}'

WRONG_ITEMS = [
    (("X", 1), ["unknown letter 'X'", "The letters are A, M, C, CN, DSC, T, R, F, S, Q, N, D"]),
    (("a", 2, 4), ["unknown letter 'a'"]),
    ((3, 2, 4), ["unknown letter 3"]),
    ((), ["it is empty", OBJECT_FORM]),
    (7, ["neither a list that starts with a letter nor an object", OBJECT_FORM]),
    ("A", ["neither a list", OBJECT_FORM]),
    (None, ["neither a list"]),
    (("C", 5, 3, 3), ["it has 4 items", LONG_FORM, SHORT_FORM]),
    (("C", 5, 3, 3, 1, 1, 4, 8), ["it has 8 items", LONG_FORM]),
    (("D", 0.1), ["it has 2 items", '("D", rate, activation bits)']),
    (("R", 3, 4, 8, 4), ["it has 5 items", '("R", kernel bits, bias bits, activation bits)']),
    (("A", 2.0, 4), ["pool size must be an integer", "fractional sizes", "2.0"]),
    (("A", 2.5, 4), ["pool size", "fractional sizes", "2.5", '("A", pool size, activation bits)']),
    (("A", "2", 4), ["pool size must be an integer", "'2' (str)"]),
    (("A", True, 4), ["pool size must be an integer", "True (bool)"]),
    (("A", None, 4), ["pool size must be an integer", "None"]),
    (("A", [2, 2], 4), ["pool size must be an integer", "[2, 2] (list)"]),
    (("A", 0, 4), ["pool size must be at least 1", "0"]),
    (("C", -5, 3, 3, 1, 1, 4, 8, 4), ["filters must be at least 1", "-5", LONG_FORM]),
    (("C", 5, 3, 3, 0, 1, 4, 8, 4), ["stride rows must be at least 1"]),
    (("C", 5, 3, 3, 1, 1, 0, 8, 4), ["kernel bits must be 1 to 16", "0"]),
    (("C", 5, 3, 3, 1, 1, 4, 17, 4), ["bias bits must be 1 to 16", "17"]),
    (("C", 5, 3, 4, 8, 4.5), ["activation bits must be an integer", "4.5"]),
    (("Q", 32), ["activation bits must be 1 to 16", '("Q", activation bits)']),
    (("D", 1.0, 4), ["rate must be at least 0 and below 1", "1.0"]),
    (("D", -0.1, 4), ["rate must be at least 0 and below 1"]),
    (("D", math.nan, 4), ["rate must be finite", "nan"]),
    (("D", "much", 4), ["rate must be a number", "'much'"]),
    (("N", -1, 4), ["standard deviation must be at least 0"]),
    (("N", math.inf, 4), ["standard deviation must be finite"]),
    (("C", 5, 30, 3, 1, 1, 4, 8, 4), ["nothing is left of its input", "(-1, 26, 5)"]),
    (("M", 40, 4), ["nothing is left", "(28, 28, 1)", '("M", pool size, activation bits)']),
    ({"config": {}}, ['"class_name" must be the name of a layer class', OBJECT_FORM]),
    ({"class_name": 3}, ['"class_name"', "3"]),
    ({"class_name": "Dense", "units": 3}, ["unknown keys ['units']", OBJECT_FORM]),
    ({"class_name": "Dense", "config": [3]}, ['"config" must be an object', "[3]"]),
    ({"class_name": "Dense", "config": {3: 4}}, ['"config" must be an object']),
    ({"class_name": "Dense", "config": {}}, ["needs 'units'"]),
    ({"class_name": "Dense", "config": {"units": 2.5}}, ["units must be an integer", "fractional"]),
    ({"class_name": "Dropout", "config": {"rate": 1.0}}, ["rate must be at least 0 and below 1"]),
    ({"class_name": "ActivationQ", "config": {"bits": 17}}, ["bits must be 1 to 16"]),
    ({"class_name": "Dropout", "config": {}}, ["the configuration needs 'rate'"]),
    ({"class_name": "GaussianNoise"}, ["the configuration needs 'stddev'"]),
    ({"class_name": "LPHMDense", "config": {"units": 4}}, ["the configuration needs 'rank'"]),
    ({"class_name": "LowRankDense", "config": {"units": 4, "rank": "x"}}, ["rank must be an integer", "'x'"]),
    ({"class_name": "MonarchDense", "config": {"units": 4, "blocks": 1.5}}, ["blocks must be an integer", "1.5"]),
    ({"class_name": "PHMDense", "config": {"units": 4, "terms": -1}}, ["terms must be at least 1"]),
    ({"class_name": "PHMDense", "config": {"units": 4, "kernel_bits": 99}}, ["kernel_bits must be 1 to 16"]),
    ({"class_name": "ACDCDense", "config": {"units": 4, "depth": 0}}, ["depth must be at least 1"]),
    ({"class_name": "GroupedShuffleDense", "config": {"units": 4, "groups": 0}}, ["groups must be at least 1"]),
    ({"class_name": "RandomBasisDense", "config": {"units": 4}}, ["the configuration needs 'dimensions'"]),
    ({"class_name": "Conv2D", "config": {"filters": 2, "kernel_size": 3, "groups": 0}}, ["groups must be at least 1"]),
    ({"class_name": "Conv2D", "config": {"filters": 3, "kernel_size": 3, "groups": 3}}, ["must divide the 1 channels"]),
    ({"class_name": "GlobalMeanPoolingQ", "config": {"activation_bits": 0}}, ["activation_bits must be 1 to 16"]),
    ({"class_name": "Conv2D", "config": {"filters": 2, "kernel_size": [3]}}, ["kernel_size"]),
    (
        {"class_name": "Conv2D", "config": {"filters": 2, "kernel_size": 3, "padding": "full"}},
        ["padding must be 'valid' or 'same'", "'full'"],
    ),
    (
        {"class_name": "Conv2D", "config": {"filters": 2, "kernel_size": 3, "data_format": "channels_first"}},
        ["data_format must be 'channels_last'"],
    ),
    (
        {"class_name": "MaxPooling2D", "config": {"data_format": "channels_first"}},
        ["data_format must be 'channels_last'"],
    ),
    ({"class_name": "Reshape", "config": {"target_shape": [5, 5]}}, ["does not hold the 784"]),
]


@pytest.mark.parametrize(("item", "fragments"), WRONG_ITEMS, ids=lambda value: repr(value)[:50])
def test_a_wrong_item_is_shown_with_its_position_and_the_right_form(item, fragments):
    config = [("Q", 4), item, ("S", 10, 4, 8, 8)]
    with pytest.raises(ValueError) as caught:
        expand(config, (28, 28, 1))
    message = str(caught.value)
    for fragment in [f"item 2 of 3, {item!r}", *fragments]:
        assert fragment in message
    assert "\n" not in message


@pytest.mark.parametrize("letter", ["A", "M", "C", "CN", "DSC", "T", "R"])
def test_image_letters_are_refused_on_a_vector(letter):
    sizes = {"A": (1,), "M": (1,), "R": (4, 8)}.get(letter, (1, 1, 4, 8))
    with pytest.raises(ValueError, match="item 2 of 2.*rows, columns, channels.*10,"):
        expand([("F", 10, 4, 8, 4), (letter, *sizes, 4)], (28, 28, 1))


def test_a_layer_object_of_a_known_class_is_refused_on_a_vector():
    with pytest.raises(ValueError, match="rows, columns, channels"):
        expand([{"class_name": "MaxPooling2D", "config": {}}], (28,))


@pytest.mark.parametrize("config", [None, 3, "AS", {"A": 1}, iter([("A", 2, 4)]), {("A", 2, 4)}])
def test_what_is_no_list_is_refused(config):
    with pytest.raises(TypeError, match="config must be a list or tuple of items. Received"):
        expand(config, (28, 28, 1))


@pytest.mark.parametrize("config", [[], ()])
def test_an_empty_description_is_refused(config):
    with pytest.raises(ValueError, match="at least one item"):
        expand(config, (28, 28, 1))


@pytest.mark.parametrize(
    "input_shape",
    [None, 28, "28", (), (28, 28, 1, 1), (28, 28, 0), (28, 28.0, 1), (28, True, 1)]
    + [(None, 28, 1), (-1,), {28, 29, 30}],
)
def test_a_wrong_input_shape_is_refused(input_shape):
    with pytest.raises(ValueError, match=r"`input_shape` must be \(rows, columns, channels\)"):
        expand([("S", 10, 4, 8, 8)], input_shape)


def test_a_number_beyond_floats_is_refused():
    with pytest.raises(ValueError, match="item 1 of 1"):
        expand([("N", 10**400, 4)], (28, 28, 1))
    with pytest.raises(ValueError, match="item 1 of 1"):
        expand([("A", -(10**5000), 4)], (28, 28, 1))


def test_a_long_item_is_cut_in_the_message():
    with pytest.raises(ValueError) as caught:
        expand([["C", *range(10_000)]], (28, 28, 1))
    assert len(str(caught.value)) < 600


nonsense = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=3)
    | st.sampled_from(sorted(LETTERS))
    | st.sampled_from(["class_name", "config", "Conv2D", "Reshape", "ZeroPadding2D", "padding"]),
    lambda inner: st.lists(inner, max_size=9) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=20,
)
class_names = st.sampled_from(["Dense", "Conv2D", "DepthwiseConv2D", "MaxPooling2D", "Reshape"]) | (
    st.sampled_from(["ZeroPadding2D", "GlobalAveragePooling2D", "Flatten", "ConvQ", "Mystery"])
)
keys = st.sampled_from(["units", "filters", "kernel_size", "strides", "pool_size", "target_shape"]) | (
    st.sampled_from(["padding", "depth_multiplier", "data_format", "dilation_rate", "keepdims"])
)
objects = st.fixed_dictionaries({"class_name": class_names, "config": st.dictionaries(keys, nonsense, max_size=4)})
lettered = st.lists(nonsense, max_size=8).flatmap(
    lambda rest: st.sampled_from(sorted(LETTERS)).map(lambda letter: [letter, *rest])
)


@given(nonsense | st.lists(lettered | objects | nonsense, max_size=4), st.just((9, 8, 2)) | nonsense)
def test_nonsense_raises_nothing_but_value_and_type_errors(config, input_shape):
    with contextlib.suppress(ValueError, TypeError):
        expand(config, input_shape)
