"""estimate_storage for descriptions: the published numbers, and the rules one by one."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import STUDY

from keras_efficient.storage import StorageReport, estimate_storage

LAST = ("S", 2, 4, 8, 8)


def working(config, input_shape, **arguments):
    """Working bytes of each layer, by class."""
    report = estimate_storage(config, input_shape, **arguments)
    return [(layer.kind, layer.working_bytes) for layer in report.layers]


def test_the_studys_network():
    report = estimate_storage(STUDY)
    assert (report.weight_bytes, report.activation_bytes, report.total_bytes) == (
        1512.5,
        434.5,
        1947,
    )
    assert (report.parameters, report.mult_adds) == (2991, 94928)
    assert report.ram_bytes() == 434.5
    assert report.ram_bytes("ram") == 1947
    assert report.flash_bytes("flash") == report.flash_bytes("ram") == 1512.5


def test_the_studys_network_layer_by_layer():
    assert working(STUDY, (28, 28, 1)) == [
        ("AveragePoolingQ", 98 + 14 * 2),  # the averages, and a row of running sums of 16 bits
        ("ConvQ", (196 + 533) / 2),
        ("ConvQ", (720 + 149) / 2),
        ("ConvQ", (800 + 46) / 2),
        ("MaxPooling2D", 704 / 2),
        ("Dropout", 176 / 2),
        ("Flatten", 176 / 2),
        ("DenseQ", 176 / 2 + 20),
    ]


@pytest.mark.parametrize(
    ("order", "activations"),
    [("row", 457.5), ("column", 457.5), ("transpose", 436.5), ("herringbone", 434.5)],
)
def test_each_order(order, activations):
    report = estimate_storage(STUDY, order=order)
    assert report.activation_bytes == activations
    assert {layer.order for layer in report.layers} <= {order, None}


def test_best_says_which_order_it_took():
    orders = [layer.order for layer in estimate_storage(STUDY).layers if layer.kind == "ConvQ"]
    assert orders == ["row", "herringbone", "herringbone"]


def test_without_streaming_the_input_is_stored_and_pooled_in_place():
    assert estimate_storage(STUDY, streaming=False).activation_bytes == 784


def test_a_first_convolution_keeps_the_lines_of_its_window():
    """Outputs, and three rows of the input, in whole bytes each; a signal of one row keeps pixels."""
    config = [("C", 2, 3, 4, 8, 4), LAST]
    assert working(config, (8, 8, 1))[0] == ("ConvQ", 6 * 6 * 2 / 2 + 3 * 8)
    assert working(config, (8, 8, 1), streaming=False)[0] == ("ConvQ", 8 * 8 + 2 / 2)
    odd = [("C", 3, 3, 4, 8, 3), LAST]
    outputs, lines = math.ceil(5 * 7 * 3 * 3 / 8), math.ceil(3 * 9 * 2 * 5 / 8)
    assert working(odd, (7, 9, 2), input_bits=5)[0] == ("ConvQ", outputs + lines)
    row = {"class_name": "ConvQ", "config": {"filters": 2, "kernel_size": (1, 5), "strides": (1, 3), "kernel_bits": 4}}
    assert working([row, LAST], (1, 200, 3))[0] == ("ConvQ", 66 * 2 / 2 + 5 * 3)


def test_a_first_convolution_stores_its_input_where_that_takes_less():
    config = [("C", 2, 5, 4, 8, 8), LAST]
    assert working(config, (8, 8, 1)) == working(config, (8, 8, 1), streaming=False)
    assert working(config, (8, 8, 1))[0][1] < 4 * 4 * 2 + 5 * 8


def test_streamed_pixels_are_stored_as_the_quantizer_left_them():
    config = [("Q", 4), ("C", 2, 1, 4, 8, 4), LAST]
    # 64 pixels of 4 bits, and one output of 2 x 4 bits before the first input goes.
    # Each further pixel adds 8 - 4 bits.
    assert working(config, (8, 8, 1))[:2] == [("ActivationQ", 0), ("ConvQ", (64 * 8 + 4) / 8)]
    assert working(config, (8, 8, 1), streaming=False)[0] == ("ActivationQ", 64)


def test_quantizers_may_stand_before_streamed_pooling():
    config = [("Q", 4), ("N", 0.1, 3), ("A", 2, 4), LAST]
    assert [size for _, size in working(config, (8, 8, 1))[:4]] == [0, 0, 0, 8 + 4 * 2]


def test_overlapping_pooling_cannot_be_streamed():
    overlapping = {"class_name": "MaxPooling2D", "config": {"pool_size": 3, "strides": 2}}
    assert working([overlapping, LAST], (9, 9, 1))[0] == ("MaxPooling2D", 81)


def test_the_bits_of_max_pooling_and_dropout_change_nothing():
    wide = [("A", 2, 4), ("M", 2, 16), ("D", 0.1, 16), LAST]
    narrow = [("A", 2, 4), ("M", 2, 1), ("D", 0.9, 1), LAST]
    assert estimate_storage(wide) == estimate_storage(narrow)


def test_input_bits():
    config = [("M", 2, 8), LAST]
    assert working(config, (8, 8, 1), input_bits=16)[0] == ("MaxPooling2D", 16 * 2)
    assert working(config, (8, 8, 1), input_bits=1)[0] == ("MaxPooling2D", 16 / 8)


@pytest.mark.parametrize(
    ("item", "input_shape", "weight_bits", "parameters", "products"),
    [
        (("C", 5, 3, 2, 1, 1, 3, 7, 4), (6, 5, 2), 60 * 3 + 5 * 7, 65, 4 * 4 * 5 * 12),
        (("CN", 5, 3, 2, 2, 1, 3, 7, 4), (6, 5, 2), 60 * 3 + 5 * 7, 65, 2 * 4 * 5 * 12),
        (("T", 3, 3, 2, 1, 1, 3, 7, 4), (6, 5, 2), 36 * 3 + 6 * 7, 42, 4 * 4 * 6 * 6),
        (
            ("DSC", 5, 3, 2, 1, 1, 3, 7, 4),
            (6, 5, 2),
            12 * 3 + 2 * 7 + 10 * 3 + 5 * 7,
            29,
            4 * 4 * (2 * 6 + 5 * 2),
        ),
        (("R", 3, 7, 4), (6, 5, 2), 72 * 3 + 4 * 7, 76, 30 * 72),
        (("F", 5, 3, 7, 4), (6, 5, 2), 300 * 3 + 5 * 7, 305, 300),
        (("A", 2, 4), (6, 5, 2), 0, 0, 0),
        (("Q", 4), (6, 5, 2), 0, 0, 0),
    ],
)
def test_weights_and_products(item, input_shape, weight_bits, parameters, products):
    report = estimate_storage([item], input_shape)
    assert report.weight_bytes == weight_bits / 8
    assert (report.parameters, report.mult_adds) == (parameters, products)


def test_a_layer_without_bias_stores_none():
    config = {"units": 3, "kernel_bits": 4, "use_bias": False}
    report = estimate_storage([{"class_name": "DenseQ", "config": config}], (5,))
    assert (report.parameters, report.weight_bytes) == (15, 7.5)


def test_the_last_outputs_have_16_bits_whatever_follows():
    report = estimate_storage([("S", 10, 4, 8, 4), ("D", 0.1, 4)], (5,))
    assert report.activation_bytes == 5 + 20
    assert estimate_storage([("S", 10, 4, 8, 4)], (5,)).activation_bytes == 5 + 20
    assert estimate_storage([("F", 10, 4, 8, 4), LAST], (5,)).layers[0].working_bytes == 5 + 5


def test_a_last_convolution_has_16_bit_outputs():
    assert working([("C", 1, 1, 4, 8, 4)], (1, 1, 1)) == [("ConvQ", 1 + 2)]


def test_float_outputs_have_32_bits():
    dense = {"class_name": "Dense", "config": {"units": 10}}
    report = estimate_storage([dense], (5,))
    assert (report.activation_bytes, report.weight_bytes) == (5 + 40, 60 * 4)


def test_the_residual_block_needs_two_rows_and_four_pixels():
    # 6 rows of 8 pixels: by columns it is 2 x 6 + 4 pixels, by rows 2 x 8 + 4.
    config = [("Q", 4), ("R", 4, 8, 4), LAST]
    assert working(config, (6, 8, 3), order="row")[1] == ("ResidualQ", (48 + 20) * 3 / 2)
    assert working(config, (6, 8, 3))[1] == ("ResidualQ", (48 + 16) * 3 / 2)
    assert estimate_storage(config, (6, 8, 3)).layers[1].order == "column"


def test_depthwise_convolutions_run_in_place_and_widening_ones_do_not():
    one_to_one = [("Q", 4), ("T", 1, 3, 4, 8, 4), LAST]
    assert working(one_to_one, (6, 6, 4), streaming=False)[1] == ("DepthwiseConvQ", 36 * 4 / 2)
    widening = [("Q", 4), ("T", 2, 1, 4, 8, 4), LAST]
    # Eight channels of a pixel are stored before its four are freed.
    assert working(widening, (6, 6, 4), streaming=False)[1] == ("DepthwiseConvQ", (36 * 8 + 4) / 2)


def test_a_widening_quantizer_needs_its_output():
    config = [("A", 2, 4), ("Q", 9), LAST]
    assert working(config, (8, 8, 1))[1] == ("ActivationQ", 16 * 9 / 8)


@settings(max_examples=60)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 3), st.booleans(), st.integers(1, 16))
def test_no_layer_gets_by_with_less_than_its_maps(filters, units, kernel, streaming, bits):
    config = [
        ("C", filters, kernel, 4, 8, bits),
        ("R", 4, 8, bits),
        ("M", 2, 4),
        ("F", units, 4, 8, 4),
    ]
    report = estimate_storage(config, (9, 8, 2), streaming=streaming)
    best = report.activation_bytes
    for order in ("row", "column", "transpose", "herringbone"):
        assert estimate_storage(config, (9, 8, 2), streaming=streaming, order=order).activation_bytes >= best
    cells = filters * (10 - kernel) * (9 - kernel)
    stored = kernel * 8 * 2 + cells * bits / 8 if streaming else 144
    assert report.layers[0].working_bytes >= max(min(stored, 144), cells * bits / 8)
    assert report.layers[1].working_bytes >= cells * bits / 8


def test_the_report_is_a_table_and_json():
    report = estimate_storage(STUDY)
    text = str(report)
    for fragment in ("herringbone", "12 x 12 x 5", "1512.5", "434.5", "1947 bytes", "94928"):
        assert fragment in text
    lines = text.splitlines()
    assert len(lines[1]) == len(lines[2].ljust(len(lines[1])))
    assert len(lines) == 2 + len(report.layers) + 2 + 5
    values = json.loads(report.to_json())
    assert values == json.loads(json.dumps(report.to_dict()))
    assert (values["total_bytes"], len(values["layers"])) == (1947.0, 8)
    assert values["layers"][2]["order"] == "herringbone"


def test_reports_are_equal_whatever_the_layers_are_called():
    named = [{"class_name": "Dense", "config": {"units": 3, "name": name}} for name in ("a", "b")]
    first, second = (estimate_storage([item], (4,)) for item in named)
    assert isinstance(first, StorageReport)
    assert first == second
    assert [first.layers[0].name, second.layers[0].name] == ["a", "b"]


WRONG_ARGUMENTS = [
    ({"config_or_model": []}, ValueError, "at least one item"),
    ({"config_or_model": [("A", 2.5, 4)]}, ValueError, "item 1 of 1.*fractional sizes"),
    ({"config_or_model": [("D", 1.5, 4)]}, ValueError, "rate must be"),
    ({"config_or_model": [("A", 99, 4)]}, ValueError, "nothing is left"),
    ({"config_or_model": "STUDY"}, TypeError, "must be a description .* or a built Keras model"),
    ({"config_or_model": None}, TypeError, "config_or_model must be"),
    (
        {"config_or_model": [{"class_name": "LSTM", "config": {"units": 3}}]},
        ValueError,
        r"cannot price the description: what these layers take is not known: 'lstm_1' \(LSTM\)",
    ),
    ({"input_bits": 0}, ValueError, "input_bits must be 1 to 16"),
    ({"input_bits": 8.0}, ValueError, "input_bits must be an integer"),
    ({"order": "normal"}, ValueError, "`order` must be one of 'row'.*'normal'"),
    ({"streaming": "false"}, ValueError, "`streaming` must be True or False. Received: streaming='false'"),
    ({"input_shape": (28, 28)}, ValueError, "`input_shape` must be .* for images"),
    ({"input_shape": (28,) * 4}, ValueError, "`input_shape` must be"),
]


@pytest.mark.parametrize(("arguments", "error", "message"), WRONG_ARGUMENTS)
def test_wrong_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        estimate_storage(**{"config_or_model": STUDY, **arguments})


def test_weights_live_in_flash_or_ram():
    with pytest.raises(ValueError, match="`weights` must be one of 'flash', 'ram'. Received: weights='disk'"):
        estimate_storage(STUDY).ram_bytes("disk")
