"""estimate_storage knows the layers with Kronecker factors."""

import pytest

from keras_efficient.kinds.factors import default_divisor, nearest_divisors
from keras_efficient.storage import estimate_storage

DENSE = {
    "PHMDense": {"units": 256, "terms": 5, "p": 16, "q": 28},
    "LPHMDense": {"units": 256, "rank": 3, "p": 16, "q": 28},
    "DualLPHMDense": {"units": 256, "rank": 3, "p": 16, "q": 28},
    "LowRankDense": {"units": 256, "rank": 3},
    "MonarchDense": {"units": 256, "blocks": 8},
    "TaylorDualLPHM": {"units": 64, "rank": 5, "p": 8, "q": 784},
}


def price(class_name, input_shape=(784,), **config):
    return estimate_storage([{"class_name": class_name, "config": config}], input_shape)


def the_seed_network():
    layer = "TaylorDualLPHM"
    return [
        {"class_name": layer, "config": {"units": 64, "rank": 5, "p": 8, "q": 784}},
        {"class_name": layer, "config": {"units": 64, "rank": 5, "p": 8, "q": 64, "normalize": True}},
        {"class_name": layer, "config": {"units": 10, "rank": 5, "p": 2, "q": 64, "normalize": True}},
    ]


def test_the_network_of_tinybig():
    report = estimate_storage(the_seed_network(), (784,))
    assert [layer.parameters for layer in report.layers] == [7925, 725, 680]
    assert (report.parameters, report.weight_bytes) == (9330, 37320)
    assert [layer.minimal_parameters for layer in report.layers] == [None, None, 453]
    assert report.minimal_parameters == 9103
    assert "equivalent minimal: 9103 parameters" in str(report)
    assert "equivalent minimal" not in str(price("PHMDense", **DENSE["PHMDense"]))


@pytest.mark.parametrize(
    "class_name, parameters, products",
    [
        ("PHMDense", 5 * (448 + 448) + 256, 5 * 16 * 28 * (28 + 16)),
        ("LPHMDense", 448 + 3 * 44 + 256, 3 * (784 + 448 + 256)),
        ("DualLPHMDense", 3 * 88 + 256, 3 * (784 + 3 * 44 + 256)),
        ("LowRankDense", 3 * (256 + 784) + 256, 3 * (256 + 784)),
        ("MonarchDense", 32 * (256 + 784) + 256, 32 * (256 + 784)),
    ],
)
def test_numbers_and_products(class_name, parameters, products):
    report = price(class_name, **DENSE[class_name])
    assert (report.parameters, report.mult_adds) == (parameters, products)
    without = price(class_name, **DENSE[class_name], use_bias=False)
    assert without.parameters == parameters - 256


def test_taylor_products():
    """The note's 7,989 for the aligned layout; a term for each pair of inputs for the other."""
    assert price("TaylorDualLPHM", units=64, rank=5, p=8, q=785, layout="kronecker").mult_adds == 7989
    direct = price("TaylorDualLPHM", **DENSE["TaylorDualLPHM"]).mult_adds
    assert direct == 784 * 785 + 2 * 784 + 5 * (784 + 64)


def test_bits_of_factors_bias_and_output():
    report = price("LPHMDense", **DENSE["LPHMDense"], kernel_bits=4, bias_bits=8, activation_bits=3)
    assert report.weight_bytes == (448 + 3 * 44) / 2 + 256
    half = price("LPHMDense", **DENSE["LPHMDense"], kernel_bits=4)
    assert half.weight_bytes == (448 + 3 * 44) / 2 + 256 * 4


def test_working_bytes_are_two_neighbours_of_the_chain():
    """784 bytes in; rank sums for each of 28 columns, then of 16 rows, 4 bytes each; 256 floats out."""
    report = price("LPHMDense", **DENSE["LPHMDense"])
    assert report.activation_bytes == max(784 + 3 * 28 * 4, (3 * 28 + 3 * 16) * 4, 3 * 16 * 4 + 256 * 4)
    rows = price("LPHMDense", (1, 5, 784), **DENSE["LPHMDense"])
    assert rows.activation_bytes == 5 * (784 + 256 * 4) + 3 * 28 * 4
    assert rows.mult_adds == 5 * report.mult_adds


def test_the_sums_between_two_block_products():
    report = price("MonarchDense", **DENSE["MonarchDense"], kernel_bits=4, bias_bits=8, activation_bits=3)
    assert report.weight_bytes == 32 * (256 + 784) / 2 + 256
    assert report.activation_bytes == max(784 + 256 * 4, 256 * 4 + 256 * 2)  # outputs of the last layer: 16 bits


@pytest.mark.parametrize("inputs, units, blocks, minimal", [(12, 12, 12, 12), (10, 10, 1, 100), (12, 24, 2, None)])
def test_wasteful_blocks(inputs, units, blocks, minimal):
    report = price("MonarchDense", (inputs,), units=units, blocks=blocks, use_bias=False)
    assert report.parameters == min(inputs, units) * (inputs + units) // blocks
    assert report.layers[0].minimal_parameters == minimal


def test_a_wasteful_rank_is_priced_as_it_is_computed():
    report = price("DualLPHMDense", (64,), units=64, rank=8, p=8, q=8, use_bias=False)
    assert (report.parameters, report.minimal_parameters) == (256, 128)
    assert report.mult_adds == 8 * 8 * (8 + 8)


@pytest.mark.parametrize("class_name", DENSE)
def test_a_model_costs_what_its_layers_as_a_description_cost(class_name):
    keras = pytest.importorskip("keras")
    import keras_efficient as ke

    layer = getattr(ke, class_name)(**DENSE[class_name])
    model = keras.Sequential([keras.Input((784,)), layer])
    report = estimate_storage(model)
    assert report == price(class_name, **DENSE[class_name])
    assert report.parameters == model.count_params()


def test_defaults_are_those_of_the_layers():
    keras = pytest.importorskip("keras")
    import keras_efficient as ke

    stack = [ke.PHMDense(48), ke.LPHMDense(40, 1), ke.DualLPHMDense(30, 1), ke.LowRankDense(6, 1), ke.MonarchDense(9)]
    model = keras.Sequential([keras.Input((60,)), *stack, ke.TaylorDualLPHM(4, 1)])
    assert estimate_storage(model).parameters == model.count_params()


@pytest.mark.parametrize("p, q, products", [(2, 4, 2 * 2 * 2 * (4 + 6 * 4)), (4, 1, 2 * 2 * 1 * (6 * 8 + 4))])
def test_convolution(p, q, products):
    config = {"filters": 8, "kernel_size": (2, 3), "terms": 2, "p": p, "q": q, "padding": "same"}
    report = price("PHMConv2D", (5, 4, 8), **config)
    assert report.parameters == 2 * (p * q + 6 * (8 // p) * (8 // q)) + 8
    assert report.mult_adds == 20 * products
    assert report.layers[0].output_shape == (5, 4, 8) and report.layers[0].order


@pytest.mark.parametrize(
    "class_name, config, message",
    [
        ("PHMDense", {"units": 256, "p": 15}, "`p` must divide the outputs, 256; the nearest is 8 or 16"),
        ("LPHMDense", {"units": 256, "rank": 1, "q": 27}, "`q` must divide the inputs, 784; the nearest is 16 or 28"),
        ("MonarchDense", {"units": 256, "blocks": 7}, "divisor of 784 inputs and 256 outputs, 16; the nearest is 4"),
        ("MonarchDense", {"units": 256, "blocks": 0}, "blocks must be at least 1"),
        ("TaylorDualLPHM", {"units": 64, "rank": 5, "q": 100}, "`q` must be 784 or 785"),
        (
            "TaylorDualLPHM",
            {"units": 64, "rank": 5, "order": 3, "layout": "kronecker"},
            "`order=3` is for small inputs",
        ),
    ],
)
def test_what_the_layers_refuse_is_refused(class_name, config, message):
    with pytest.raises(ValueError, match=message):
        price(class_name, **config)


def test_layer_normalization():
    keras = pytest.importorskip("keras")
    for center, scale in ((True, True), (False, False), (True, False)):
        norm = keras.layers.LayerNormalization(center=center, scale=scale)
        model = keras.Sequential([keras.Input((6,)), norm, keras.layers.Dense(3)])
        report = estimate_storage(model)
        assert report.parameters == model.count_params()
        assert report.layers[0].working_bytes == 6 * 4 and report.layers[0].mult_adds == 12
    model = keras.Sequential([keras.Input((4, 4, 2)), keras.layers.LayerNormalization(axis=1)])
    with pytest.raises(ValueError, match="axis must be the last one"):
        estimate_storage(model)


def test_divisors():
    assert [default_divisor(n) for n in (1, 7, 12, 64, 784)] == [1, 1, 3, 8, 28]
    assert nearest_divisors(12, 5) == [4, 6]
    assert nearest_divisors(12, 40) == [12]
