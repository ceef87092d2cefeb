"""Layers made of small factors, in stages: integers, C and Keras agree, in the arena that was priced."""

import keras
import numpy as np
import pytest
from export.agreement import assert_agree
from keras import layers

import keras_efficient as ke
from keras_efficient.export.integer.operations import Convolution, Move, Scale
from keras_efficient.kinds.stages import widest_bits
from keras_efficient.storage import estimate_storage

pytestmark = pytest.mark.filterwarnings("ignore:.*is wasted on")
WIDTHS = {"kernel_bits": 4, "bias_bits": 8, "activation_bits": 5}
VECTOR, MAP, IMAGE = (20,), (3, 2, 20), (6, 7, 4)
# (layer, its arguments, shape of an input): one case for each way through its stages.
CASES = {
    "low rank": (ke.LowRankDense, {"units": 6, "rank": 3}, VECTOR),
    "monarch": (ke.MonarchDense, {"units": 6, "blocks": 2}, VECTOR),
    "monarch of a map": (ke.MonarchDense, {"units": 8, "blocks": 4}, MAP),
    "monarch of one block": (ke.MonarchDense, {"units": 5, "blocks": 1}, VECTOR),
    "monarch of single numbers": (ke.MonarchDense, {"units": 8, "blocks": 4}, IMAGE),
    "low rank of a map": (ke.LowRankDense, {"units": 6, "rank": 3}, IMAGE),
    "B first": (ke.PHMDense, {"units": 12, "terms": 2, "p": 4, "q": 4}, VECTOR),
    "A first": (ke.PHMDense, {"units": 8, "terms": 2, "p": 4, "q": 10}, VECTOR),
    "one row of outputs": (ke.PHMDense, {"units": 8, "terms": 2, "p": 1, "q": 10}, VECTOR),
    "one column of outputs": (ke.PHMDense, {"units": 8, "terms": 2, "p": 8, "q": 4}, VECTOR),
    "B first, of a map": (ke.PHMDense, {"units": 12, "terms": 3, "p": 4, "q": 4}, MAP),
    "A first, of a signal": (ke.PHMDense, {"units": 8, "terms": 3, "p": 4, "q": 10}, (3, 20)),
    "low rank of B": (ke.LPHMDense, {"units": 8, "rank": 2, "p": 4, "q": 4}, VECTOR),
    "low rank of B, of a map": (ke.LPHMDense, {"units": 12, "rank": 2, "p": 4, "q": 4}, MAP),
    "low ranks": (ke.DualLPHMDense, {"units": 8, "rank": 3, "p": 4, "q": 4}, VECTOR),
    "low ranks, of a map": (ke.DualLPHMDense, {"units": 12, "rank": 2, "p": 4, "q": 5}, MAP),
    "convolution": (ke.PHMConv2D, {"filters": 8, "kernel_size": 3, "terms": 2, "p": 4, "q": 2}, IMAGE),
    "convolution, same": (
        ke.PHMConv2D,
        {"filters": 8, "kernel_size": (3, 2), "terms": 2, "p": 4, "q": 2, "padding": "same", "strides": 2},
        IMAGE,
    ),
    "convolution, A first": (
        ke.PHMConv2D,
        {"filters": 8, "kernel_size": 3, "terms": 2, "p": 4, "q": 4, "padding": "same"},
        IMAGE,
    ),
    "convolution of one pixel": (
        ke.PHMConv2D,
        {"filters": 8, "kernel_size": 3, "terms": 2, "p": 2, "q": 1, "padding": "same"},
        (1, 1, 4),
    ),
    "convolution of one group": (
        ke.PHMConv2D,
        {"filters": 8, "kernel_size": 3, "terms": 2, "p": 1, "q": 1, "padding": "same"},
        IMAGE,
    ),
    "convolution, zeros above": (
        ke.PHMConv2D,
        {"filters": 6, "kernel_size": 3, "p": 3, "q": 2, "padding": ((3, 1), (0, 2))},
        IMAGE,
    ),
    "convolution, A first, zeros above": (
        ke.PHMConv2D,
        {"filters": 8, "kernel_size": 3, "terms": 2, "p": 2, "q": 2, "padding": ((2, 0), (1, 0))},
        IMAGE,
    ),
    "convolution, zeros around": (
        ke.PHMConv2D,
        {"filters": 6, "kernel_size": (4, 2), "p": 3, "q": 2, "padding": ((2, 3), (0, 2)), "strides": (3, 1)},
        IMAGE,
    ),
    "convolution, dilated": (
        ke.PHMConv2D,
        {"filters": 4, "kernel_size": (2, 3), "p": 2, "q": 4, "padding": "same", "dilation_rate": (3, 1)},
        IMAGE,
    ),
}
CASES |= {
    "ACDC": (ke.ACDC, {}, (12,)),
    "ACDC, random": (ke.ACDC, {"permutation": "random", "seed": 4}, (11,)),
    "ACDC in groups": (ke.ACDC, {"permutation": "riffle", "order": "inner_riffle", "groups": 2}, (3, 12)),
    "ACDC, images": (ke.ACDC, {"transform": "dct2d", "permutation": "riffle"}, (12,)),
    "ACDC, images in groups": (ke.ACDC, {"transform": "dct2d", "groups": 2}, (2, 2, 24)),
    "ACDC, a prime size": (ke.ACDC, {"transform": "dct2d"}, (7,)),
    "ACDC stack": (ke.ACDCDense, {"units": 5, "depth": 3}, (12,)),
    "ACDC stack, wider": (
        ke.ACDCDense,
        {"units": 16, "depth": 2, "transform": "dct2d", "permutation": "riffle"},
        (6,),
    ),
    "ACDC stack, filled up": (
        ke.ACDCDense,
        {"units": 16, "depth": 2, "transform": "dct2d", "permutation": None, "expand": "pad"},
        (2, 3, 6),
    ),
    "ACDC convolution": (ke.ACDCConv2D, {"filters": 6, "kernel_size": 3, "depth": 2, "padding": "same"}, (5, 4, 3)),
    "ACDC convolution of pixels": (
        ke.ACDCConv2D,
        {"filters": 8, "depth": 2, "strides": 2, "transform": "dct2d", "permutation": "riffle"},
        (5, 4, 3),
    ),
    "ACDC convolution, one channel": (
        ke.ACDCConv2D,
        {"filters": 4, "kernel_size": (3, 2), "depth": 1, "strides": 2},
        (5, 4, 1),
    ),
}
# Which of these multiply by B first: the cheaper order, which nobody chooses.
B_FIRST = {
    "convolution of one pixel",
    "B first",
    "one column of outputs",
    "B first, of a map",
    "convolution",
    "convolution, same",
}
B_FIRST |= {"convolution, zeros above", "convolution, zeros around"}
# How a layer stands in its network: (whether the input has a grid, what comes before and after it).
PLACES = {
    "last": (True, lambda layer, y: layer(y)),
    "its sums are the logits": (False, lambda layer, y: layer(y)),
    "inside": (True, lambda layer, y: ke.DenseQ(3)(layers.Flatten()(layer(y)))),
    "in a branch": (True, lambda layer, y: ke.AddQ(activation_bits=6)([layer(y), twin(layer)(y)])),
    "twice": (True, lambda layer, y: ke.AddQ(activation_bits=6)([layer(y), layer(ke.ActivationQ(3)(y))])),
}


def twin(layer):
    return type(layer).from_config({**layer.get_config(), "name": f"{layer.name}_twin"})


def network(make, shape, has_grid=True, seed=0, bits=8):
    """A calibrated network with biases, and what it was calibrated by."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input(shape)
    model = keras.Model(inputs, make(ke.InputQ(bits, signed=True)(inputs) if has_grid else inputs))
    random = np.random.default_rng(seed)
    for weight in model.weights:
        if weight.name.startswith("bias") and "scale" not in weight.name:
            weight.assign(random.normal(0, 0.3, weight.shape))
    x = random.normal(size=(48, *shape)) if has_grid else random.integers(0, 256, (48, *shape)) / 256
    ke.calibrate(model, x=x.astype("float32"))
    ke.set_mode(model, "freeze_scales")
    return model, x.astype("float32")


@pytest.mark.usefixtures("c_compiler")
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("use_bias", [True, False])
def test_keras_integers_and_c_agree(case, use_bias, tmp_path):
    layer_class, arguments, shape = CASES[case]
    first, acdc = 2 * list(CASES).index(case) + 3 * use_bias, layer_class.__name__.startswith("ACDC")
    biases = {"bias": ("output", "spectrum")[first % 4 // 2] if use_bias else None} if acdc else {"use_bias": use_bias}
    for number in (first % len(PLACES), (first + 1) % len(PLACES)):
        place, (has_grid, build) = list(PLACES.items())[number]
        widths = WIDTHS if number % 2 else {"kernel_bits": 8, "bias_bits": 8, "activation_bits": 8}
        relu = {} if layer_class is ke.ACDC else {"activation": "relu" if number else None}
        layer = layer_class(**arguments, **biases, **widths, **relu)
        model, x = network(lambda y, layer=layer, build=build: build(layer, y), shape, has_grid, number)
        integers, _ = assert_agree(model, x, tmp_path / place.replace(" ", "_"))
        assert not integers.inexact_layers, place


@pytest.mark.usefixtures("c_compiler")
@pytest.mark.parametrize(
    "case",
    ["low rank of a map", "A first", "low ranks", "convolution, same", "ACDC stack", "ACDC convolution of pixels"],
)
@pytest.mark.parametrize("inner_bits", [None, 8])
def test_words_and_saved_files(case, inner_bits, tmp_path):
    """The C for "dsp" takes as many bytes as were priced; what was saved computes the same."""
    layer_class, arguments, shape = CASES[case]
    layer = layer_class(**arguments, kernel_bits=8, bias_bits=8, activation_bits=8, inner_bits=inner_bits)
    model, x = network(lambda y: ke.DenseQ(3)(layers.Flatten()(layer(y))), shape)
    integers, codes = assert_agree(model, x, tmp_path / "c")
    priced = estimate_storage(model, target="dsp")
    report = ke.export_c(model, tmp_path / "dsp", target="dsp")
    assert report.weight_bytes == np.ceil(priced.weight_bytes)
    assert report.arena_bytes == np.ceil(priced.activation_bytes)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(ke.export.IntegerModel(loaded).predict(codes), integers.predict(codes))
    np.testing.assert_array_equal(loaded(x), model(x))


def test_pruned_factors_are_stored_in_their_smallest_encoding(tmp_path, c_compiler):
    layer = ke.PHMDense(32, terms=2, p=4, q=16, kernel_bits=8, bias_bits=8, activation_bits=8)
    model, x = network(lambda y: ke.DenseQ(3)(layer(y)), (64,))
    dense = estimate_storage(model).weight_bytes
    for factor in layer.factors:
        values = keras.ops.convert_to_numpy(factor)
        factor.assign(np.where(np.random.default_rng(1).random(values.shape) < 0.8, 0, values))
    assert_agree(model, x, tmp_path)
    assert estimate_storage(model).weight_bytes < 0.7 * dense


def test_a_layer_becomes_plain_operations():
    layer = ke.PHMDense(12, terms=2, p=4, q=4, **WIDTHS)
    model, _ = network(lambda y: ke.DenseQ(2)(layer(y)), VECTOR)
    operations = ke.export.IntegerModel(model).operations
    kinds = [(type(each).__name__, each.source.shape, each.target.shape) for each in operations]
    assert kinds == [
        ("Move", (1, 1, 20), (1, 4, 5)),
        ("Convolution", (1, 4, 5), (1, 4, 6)),
        ("Move", (1, 4, 6), (4, 3, 2)),
        ("Convolution", (4, 3, 2), (1, 3, 4)),
        ("Move", (1, 3, 4), (1, 1, 12)),
        ("Scale", (1, 1, 12), (1, 1, 12)),
        ("Move", (1, 1, 12), (1, 3, 4)),
        ("Move", (1, 3, 4), (1, 4, 3)),
        ("Move", (1, 4, 3), (1, 1, 12)),
        ("Convolution", (1, 1, 12), (1, 1, 2)),
    ]
    weighted = [each for each in operations if isinstance(each, (Convolution, Scale))]
    assert [each.target.codes.bits for each in weighted] == [16, 16, 5, 4]
    moves = [each for each in operations if isinstance(each, Move)]
    assert [each.ways is None for each in moves] == [True, True, True, True, False, True]
    # Factors and biases as they are stored in Keras, and a bit for each number 1 that biases are added by.
    assert estimate_storage(model).layers[1].weight_bytes == (2 * (16 + 15) * 4 + 12 * 8 + 12) / 8


def test_the_cases_go_both_ways():
    for name, (layer_class, arguments, shape) in CASES.items():
        if layer_class in (ke.PHMDense, ke.PHMConv2D):
            layer = layer_class(**arguments, **WIDTHS)
            layer.build((None, *shape))
            factors = [stage.factor for stage in layer.stages if stage.factor is not None]
            assert (factors == [1, 0]) == (name in B_FIRST), name


def test_the_widest_grid_with_which_the_next_product_is_exact():
    for kernel_bits in range(1, 17):
        largest = 2**kernel_bits - 1 if kernel_bits <= 2 else 2 ** (kernel_bits - 1)
        for terms in (1, 2, 3, 7, 64, 784):
            bits = widest_bits(kernel_bits, terms)
            fits = [b for b in range(3, 17) if terms * largest * 2 ** (b - 1) < 2**24]
            assert bits == max(fits, default=3)


def test_wider_inner_grids_are_named():
    for inner_bits, named in ((None, ()), (11, ()), (12, ("thin",))):
        layer = ke.LowRankDense(
            4, 64, kernel_bits=8, bias_bits=8, activation_bits=8, inner_bits=inner_bits, name="thin"
        )
        keras.utils.set_random_seed(0)
        model, _ = network(lambda y, layer=layer: layer(y), (70,))
        for factor in layer.factors:
            factor.assign(np.full(factor.shape, -100.0))
        assert ke.export.IntegerModel(model).inexact_layers == named, inner_bits


def test_a_stack_stores_its_matrices_once():
    """4 layers of 6 x 4 entries: both matrices and both inverse ones, whatever the depth."""
    settings = {"transform": "dct2d", "permutation": "riffle", **WIDTHS}
    for depth in (1, 4):
        model, _ = network(lambda y, depth=depth: ke.ACDCDense(24, depth, **settings)(y), (24,))
        stored = depth * (2 * 24 * 4 + 24 * 8 + 24) / 8
        assert estimate_storage(model).weight_bytes == stored + 2 * (4 * 4 + 6 * 6)


def old(layer):
    """As a file that is older than `inner_bits` writes it."""
    config = layer.get_config()
    del config["inner_bits"]
    return type(layer).from_config(config)


@pytest.mark.parametrize("case", ["low rank", "B first", "low rank of B", "low ranks", "convolution"])
def test_older_files_round_nothing_inside(case):
    layer_class, arguments, shape = CASES[case]
    layer = old(layer_class(**arguments, **WIDTHS, mode="freeze_scales", bias_initializer="ones"))
    layer.build((None, *shape))
    assert layer.inner_bits is False and not any("inner" in weight.name for weight in layer.weights)
    x = np.random.default_rng(0).normal(size=(4, *shape)).astype("float32")
    factors = layer.current_factors()
    sums = keras.ops.convert_to_numpy(layer.product(x, *factors)) + layer._current(
        layer.bias, layer.bias_quantizer, "float32"
    )
    expected = layer.activation_quantizer(sums, layer.current_mode)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer(x)), keras.ops.convert_to_numpy(expected))


REFUSED = {
    "no widths": ({"kernel_bits": 4}, "it computes without bias_bits, activation_bits"),
    "an older file": ({**WIDTHS, "inner_bits": False}, "its inner products are not rounded"),
    "tinybig": ({**WIDTHS, "layout": "tinybig"}, "a layer of the Kronecker layout"),
    "tanh": ({**WIDTHS, "activation": "tanh"}, "its activation must be one of"),
}


REFUSED_ACDC = {
    "a long dct": ({}, (65,), "transform='dct' has integers of up to 64 entries. Right would be transform='dct2d'"),
    "random images": (
        {"transform": "dct2d", "permutation": "random"},
        VECTOR,
        "a random permutation has integers with",
    ),
    "random groups": ({"groups": 2, "permutation": "random"}, VECTOR, "Right would be permutation='riffle'"),
    "riffled images": ({"transform": "dct2d", "order": "inner_riffle"}, VECTOR, "order='paper' only"),
    "an odd riffle": ({"transform": "dct2d", "permutation": "riffle"}, (9,), "for an even number of entries"),
    "an older file": ({"inner_bits": False}, VECTOR, "its inner products are not rounded"),
}


@pytest.mark.parametrize("case", REFUSED_ACDC)
def test_what_acdc_has_no_c_is_refused_by_name(case):
    settings, shape, message = REFUSED_ACDC[case]
    inputs = keras.Input(shape)
    layer = ke.ACDC(name="product", **WIDTHS, **settings)
    model = keras.Model(inputs, ke.DenseQ(2)(layer(ke.InputQ(8)(inputs))))
    with pytest.raises(ValueError, match=f"'product'.*{message}"):
        ke.export.IntegerModel(model)
    assert not layer.inner_quantizers
    row = next(row for row in ke.support_report(model).rows if row.name == "product")
    assert not row.c and message in row.reason


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_c_is_refused_by_name(case):
    settings, message = REFUSED[case]
    inputs = keras.Input(VECTOR)
    layer = ke.PHMDense(8, p=2, q=4, name="product", **settings)
    model = keras.Model(inputs, ke.DenseQ(2)(layer(ke.InputQ(8)(inputs))))
    with pytest.raises(ValueError, match=f"'product'.*{message}"):
        ke.export.IntegerModel(model)
    if case == "no widths":  # which `quantize_model` gives it
        return
    report = ke.support_report(model)
    row = next(row for row in report.rows if row.name == "product")
    assert not row.c and not report.exports_c and row.reason


def test_plain_layers_are_quantized(tmp_path, c_compiler):
    inputs = keras.Input(IMAGE)
    y = layers.Flatten()(ke.PHMConv2D(6, 3, 2, activation="relu")(inputs))
    plain = keras.Model(inputs, ke.LPHMDense(4, 1)(ke.LowRankDense(8, 2, activation="relu")(y)))
    x = np.random.default_rng(0).normal(size=(32, *IMAGE)).astype("float32")
    assert ke.support_report(plain).exports_c
    assert_agree(ke.quantize_model(plain, x=x, mode="freeze_scales"), x, tmp_path)


def test_the_report_says_that_they_reach_c():
    model, _ = network(lambda y: ke.LowRankDense(4, 2, **WIDTHS, name="thin")(y), VECTOR)
    report = ke.support_report(model)
    row = next(row for row in report.rows if row.name == "thin")
    assert report.exports_c and (row.quantize, row.priced, row.c, row.reason) == ("quantized", True, True, None)
