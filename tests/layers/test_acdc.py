"""ACDC and its kin keep the layer contract and are the matrices that their formulas say."""

import itertools

import keras
import numpy as np
import numpy_acdc
import numpy_layers
import pytest
from contract import LayerContract
from gradients import gradients

import keras_efficient as ke

_FACTORS = {
    "kernel_bits": 6,
    "activation_bits": 5,
    "bias_bits": 7,
    "mode": "freeze_scales",
    "kernel_regularizer": "l2",
    "kernel_constraint": "non_neg",
    "bias_initializer": "ones",
    "bias_regularizer": "l1",
    "bias_constraint": "unit_norm",
}
_COSINE = {
    **_FACTORS,
    "transform": "dct2d",
    "permutation": "riffle",
    "bias": "spectrum",
    "order": "inner_riffle",
    "groups": 2,
    "seed": 3,
    "algorithm": "matmul",
    "inner_bits": 9,  # without effect with both dct2d and inner_riffle
    "diagonal_initializer": "ones",
}
_DEEP = {**_COSINE, "depth": 2, "activation": "tanh", "expand": "pad"}
_SCALES = ("a_scale", "d_scale", "bias_scale")


def _numpy(tensor):
    return keras.ops.convert_to_numpy(tensor)


def _quantized(values, scales, bits):
    return [numpy_layers.quantize(v, b, s) for v, s, b in zip(values, scales, bits, strict=True)]


def _randomized(layer, input_shape, mean=1.0):
    layer.build(input_shape)
    random = np.random.default_rng(1)
    layer.set_weights([random.normal(mean, 0.3, w.shape).astype("float32") for w in layer.weights])
    return layer


def _assert_is_its_matrix(layer, x):
    constant = _numpy(layer(np.zeros_like(x[:1])))
    expected = x @ _numpy(layer.dense_matrix()) + constant
    np.testing.assert_allclose(_numpy(layer(x)), expected, atol=1e-5 * np.abs(expected).max())


class FactorContract(LayerContract):
    @pytest.mark.parametrize("name", ["kernel_bits", "bias_bits", "activation_bits"])
    @pytest.mark.parametrize("bits", [0, 17, 2.5, True, "4"])
    def test_bits_out_of_range_are_refused(self, name, bits):
        with pytest.raises(ValueError, match=f"`{name}` must be an integer from 1 to 16.*Received: {name}="):
            self.layer_class(**{**self.arguments, name: bits})

    def test_without_bits_there_are_no_scales(self):
        floats = {"kernel_bits": None, "activation_bits": None, "bias_bits": None}
        layer = self.make(**floats)
        assert not layer.quantizers
        assert not [weight.name for weight in layer.weights if "scale" in weight.name]

    def test_factors_are_marked_for_the_optimizer(self):
        layer = self.make()
        marked = [w.name for w in layer.weights if getattr(w, "is_structured_factor", False)]
        assert marked and not {"bias", "kernel"} & set(marked)
        assert all(0 < w.compression_ratio <= 1 for w in layer.weights if w.name in marked)

    def test_starts_near_the_identity(self):
        if "units" in self.arguments or "filters" in self.arguments:
            return
        layer = self.layer_class()
        layer.build((None, 64))
        matrix = _numpy(layer.dense_matrix())
        if isinstance(layer, ke.BlockACDC):
            matrix = matrix @ numpy_acdc.riffle(64).T
        assert np.abs(matrix - np.eye(64)).max() < 0.5
        assert 0.001 < np.abs(matrix - np.eye(64)).mean() < 0.1
        a, d = layer.get_weights()[:2]
        assert not np.array_equal(a, d)


class TestACDC(FactorContract):
    layer_class = ke.ACDC
    arguments = _COSINE
    input_shape = (4, 12)
    output_shape = (4, 12)
    supports_masking = True
    weight_names = ("a", "d", "bias", *_SCALES, "activation_scale")

    def reference(self, x, weights):
        a, d, bias = _quantized(weights[:3], weights[3:6], (6, 6, 7))
        permutation = [*range(0, 12, 2), *range(1, 12, 2)]
        y = numpy_acdc.acdc(x, a, d, bias, "dct2d", "inner_riffle", 2, "spectrum", permutation)
        return numpy_layers.quantize(y, 5, weights[6])


class TestACDCDense(FactorContract):
    layer_class = ke.ACDCDense
    arguments = {**_DEEP, "units": 7}
    input_shape = (4, 9)
    output_shape = (4, 7)
    supports_masking = True
    weight_names = ("a", "d", "bias", *_SCALES, "activation_1_scale", "activation_scale")

    def reference(self, x, weights):
        return _deep_reference(x, weights, 10)[..., :7]


class TestACDCConv2D(FactorContract):
    layer_class = ke.ACDCConv2D
    arguments = {
        **_DEEP,
        **{"filters": 5, "kernel_size": (3, 2), "strides": (2, 1), "padding": "same"},
        "depthwise_initializer": "he_normal",
    }
    input_shape = (4, 9, 8, 3)
    output_shape = (4, 5, 8, 5)
    weight_names = ("kernel", "a", "d", "bias", "kernel_scale", *_SCALES, "activation_1_scale", "activation_scale")

    def reference(self, x, weights):
        kernel, *rest = weights
        kernel_scale = rest.pop(3)
        kernel = numpy_layers.quantize(kernel, 6, kernel_scale)
        u = numpy_layers.depthwise_conv(x, kernel, (2, 1), "same")
        return _deep_reference(u, rest, 6)[..., :5]


def _deep_reference(x, weights, size):
    a, d, bias = _quantized(weights[:3], weights[3:6], (6, 6, 7))
    x = np.concatenate([x, np.zeros((*x.shape[:-1], size - x.shape[-1]))], axis=-1)
    permutation = [*range(0, size, 2), *range(1, size, 2)]
    for k in range(2):
        x = numpy_acdc.acdc(x, a[k], d[k], bias[k], "dct2d", "inner_riffle", 2, "spectrum", permutation)
        x = np.tanh(x) if k == 0 else x
        x = numpy_layers.quantize(x, 5, weights[6 + k])
    return x


class TestAFDF(FactorContract):
    layer_class = ke.AFDF
    arguments = {**_FACTORS, "use_bias": True, "initial_deviation": 0.1}
    input_shape = (4, 7)
    output_shape = (4, 7)
    supports_masking = True
    weight_names = ("a", "d", "bias", *_SCALES, "activation_scale")

    def reference(self, x, weights):
        a, d, bias = _quantized(weights[:3], weights[3:6], (6, 6, 7))
        fourier = numpy_acdc.fourier_matrix(7)
        y = (x * (a @ [1, 1j]) @ fourier * (d @ [1, 1j]) @ fourier.conj().T).real + bias
        return numpy_layers.quantize(y, 5, weights[6])


class BlockContract(FactorContract):
    input_shape = (4, 12)
    output_shape = (4, 12)
    supports_masking = True
    weight_names = ("a", "d", "bias", *_SCALES, "activation_scale")

    def test_groups_that_do_not_divide_are_refused(self):
        with pytest.raises(ValueError, match="`groups` must divide the 7 inputs of layer .* Received: groups=2"):
            self.layer_class(2)(np.ones((1, 7), "float32"))


class TestBlockACDC(BlockContract):
    layer_class = ke.BlockACDC
    arguments = {**_FACTORS, "groups": 3, "use_bias": False, "initial_deviation": 0.1}
    weight_names = ("a", "d", "a_scale", "d_scale", "activation_scale")

    def reference(self, x, weights):
        a, d = (numpy_acdc.block_diagonal(v) for v in _quantized(weights[:2], weights[2:4], (6, 6)))
        cosine = numpy_acdc.dct_matrix(12)
        return numpy_layers.quantize(x @ a @ cosine @ d @ cosine.T @ numpy_acdc.riffle(12), 5, weights[4])


class TestBlockAFDF(BlockContract):
    layer_class = ke.BlockAFDF
    arguments = {**_FACTORS, "groups": 3, "use_bias": True, "initial_deviation": 0.1}

    def reference(self, x, weights):
        a, d, bias = _quantized(weights[:3], weights[3:6], (6, 6, 7))
        a, d = (numpy_acdc.block_diagonal(v @ [1, 1j]) for v in (a, d))
        fourier = numpy_acdc.fourier_matrix(12)
        return numpy_layers.quantize((x @ a @ fourier @ d @ fourier.conj().T).real + bias, 5, weights[6])


class TestGroupedShuffleDense(FactorContract):
    layer_class = ke.GroupedShuffleDense
    arguments = {
        **_FACTORS,
        **{"units": 7, "groups": 3, "depth": 3, "use_bias": False, "kernel_initializer": "he_normal"},
    }
    input_shape = (4, 10)
    output_shape = (4, 7)
    supports_masking = True
    weight_names = ("kernel_1", "kernel_2", "kernel_3", *(f"kernel_{k}_scale" for k in (1, 2, 3)), "activation_scale")

    def reference(self, x, weights):
        y = np.pad(x, [(0, 0), (0, 2)])
        for kernel in _quantized(weights[:3], weights[3:6], (6, 6, 6)):
            y = y @ numpy_acdc.block_diagonal(kernel)
            y = y.reshape(-1, 3, 3).swapaxes(1, 2).reshape(-1, 9)
        return numpy_layers.quantize(y[:, :7], 5, weights[6])


@pytest.mark.parametrize("size", [1, 2, 3, 8, 13, 36, 97, 100])
@pytest.mark.parametrize("transform", ["dct", "dct2d"])
def test_every_variant_of_acdc_is_its_formula(size, transform):
    x = np.random.default_rng(0).normal(size=(3, size)).astype("float32")
    variants = itertools.product(
        ("paper", "inner_riffle"),
        ("output", "spectrum", None),
        (None, "riffle", "random"),
        ("fft", "matmul") if transform == "dct" else ("auto",),
        (1, 2) if size % 2 == 0 else (1,),
    )
    for order, bias, permutation, algorithm, groups in variants:
        layer = ke.ACDC(transform, permutation, bias, order, groups, seed=5, algorithm=algorithm)
        _randomized(layer, x.shape)
        a, d, *rest = layer.get_weights()
        index = {"riffle": [*range(0, size, 2), *range(1, size, 2)], "random": numpy_acdc.hashed_order(size, 5, 0)}
        place = (rest[0], transform, order, groups, bias) if rest else (None, transform, order, groups)
        expected = numpy_acdc.acdc(x, a, d, *place, permutation=index.get(permutation))
        np.testing.assert_allclose(_numpy(layer(x)), expected, atol=2e-5 * np.abs(expected).max(), err_msg=str(place))
        _assert_is_its_matrix(layer, x)


@pytest.mark.parametrize("inputs, units", [(7, 3), (3, 7), (5, 5), (1, 4), (4, 1), (97, 80)])
def test_every_variant_of_a_linear_stack_is_its_matrix(inputs, units):
    x = np.random.default_rng(0).normal(size=(3, inputs)).astype("float32")
    variants = itertools.product(("dct", "dct2d"), ("fft", "matmul"), ("tile", "pad"), ("output", "spectrum"), (1, 3))
    for transform, algorithm, expand, bias, groups in variants:
        layer = ke.ACDCDense(
            units,
            depth=3,
            transform=transform,
            bias=bias,
            activation=None,
            algorithm=algorithm,
            expand=expand,
            groups=groups,
        )
        _assert_is_its_matrix(_randomized(layer, x.shape), x)
        np.testing.assert_allclose(_numpy(layer.fold()(x)), _numpy(layer(x)), atol=1e-4)


@pytest.mark.parametrize("expand", ["tile", "pad"])
@pytest.mark.parametrize("algorithm", ["fft", "matmul"])
def test_a_stack_is_its_layers_one_after_the_other(expand, algorithm):
    x = np.random.default_rng(0).normal(size=(3, 5)).astype("float32")
    stack = _randomized(ke.ACDCDense(12, depth=3, seed=8, expand=expand, algorithm=algorithm), x.shape)
    h = np.tile(x, 3)[:, :12] if expand == "tile" else np.pad(x, [(0, 0), (0, 7)])
    for k, (a, d, bias) in enumerate(zip(*stack.get_weights(), strict=True)):
        h = numpy_acdc.acdc(h, a, d, bias, permutation=numpy_acdc.hashed_order(12, 8, k))
        h = np.maximum(h, 0) if k < 2 else h
    np.testing.assert_allclose(_numpy(stack(x)), h, atol=1e-4)


@pytest.mark.parametrize(
    "make, inputs",
    [
        (lambda: ke.AFDF(use_bias=True), 9),
        (lambda: ke.BlockACDC(3), 9),
        (lambda: ke.BlockAFDF(2, use_bias=True), 10),
        (lambda: ke.GroupedShuffleDense(7, 3, depth=3), 10),
        (lambda: ke.ACDC(kernel_bits=4, mode="freeze_scales", inner_bits=False), 10),
    ],
)
def test_the_others_are_their_matrix_and_their_folded_layer(make, inputs):
    x = np.random.default_rng(0).normal(size=(2, 3, inputs)).astype("float32")
    layer = _randomized(make(), x.shape)
    _assert_is_its_matrix(layer, x[0])
    folded = layer.fold()
    assert type(folded) is keras.layers.Dense and folded.name == f"{layer.name}_folded"
    np.testing.assert_allclose(_numpy(folded(x)), _numpy(layer(x)), atol=1e-4)


@pytest.mark.parametrize("kernel_size, strides, padding", [(1, 1, "valid"), (1, 2, "same"), ((3, 2), (2, 1), "same")])
@pytest.mark.parametrize("filters", [3, 8])
@pytest.mark.parametrize("bias", ["output", None])
def test_a_linear_convolution_folds_into_a_plain_one(kernel_size, strides, padding, filters, bias):
    x = np.random.default_rng(0).normal(size=(2, 6, 5, 4)).astype("float32")
    layer = ke.ACDCConv2D(filters, kernel_size, 3, strides, padding, activation=None, bias=bias)
    _randomized(layer, x.shape)
    folded = layer.fold()
    assert type(folded) is keras.layers.Conv2D
    np.testing.assert_allclose(_numpy(folded(x)), _numpy(layer(x)), atol=1e-4)
    assert layer.compute_output_shape(x.shape) == layer(x).shape


@pytest.mark.parametrize("activation", [None, "relu"])
@pytest.mark.parametrize("algorithm", ["fft", "matmul"])
def test_few_and_many_positions_give_the_same_pixels(activation, algorithm):
    # One pixel goes through the transforms, many through the matrix of the stack or its layers.
    x = np.random.default_rng(0).normal(size=(1, 9, 9, 6)).astype("float32")
    layer = _randomized(ke.ACDCConv2D(5, depth=3, activation=activation, algorithm=algorithm), x.shape)
    many = _numpy(layer(x))
    alone = np.concatenate([_numpy(layer(x[:, :1, k : k + 1])) for k in range(9)], axis=2)
    np.testing.assert_allclose(many[:, :1], alone, atol=1e-4)


@pytest.mark.parametrize("transform", ["dct", "dct2d"])
@pytest.mark.parametrize("order", ["paper", "inner_riffle"])
@pytest.mark.parametrize("size", [9, 70])
def test_gradients_are_those_of_the_matrix(transform, order, size):
    layer = ke.ACDC(transform, "random", order=order)
    random = np.random.default_rng(0)
    x, upstream = (random.normal(size=(3, size)).astype("float32") for _ in range(2))
    layer.build(x.shape)
    a, d = (random.normal(1, 0.3, (1, size)).astype("float32") for _ in range(2))
    _, (dx, da, dd) = gradients(layer.stack, [x, a, d], upstream)
    forth, back = numpy_acdc.acdc_parts(size, transform, order)
    back = back[:, numpy_acdc.hashed_order(size, 0, 0)]
    np.testing.assert_allclose(dx, upstream @ (np.diag(a[0]) @ forth @ np.diag(d[0]) @ back).T, atol=1e-4)
    np.testing.assert_allclose(da[0], (x * (upstream @ back.T * d @ forth.T)).sum(0), atol=1e-4)
    np.testing.assert_allclose(dd[0], ((x * a) @ forth * (upstream @ back.T)).sum(0), atol=1e-4)


def test_the_algorithm_of_a_built_layer_can_be_changed():
    x = np.random.default_rng(0).normal(size=(3, 100)).astype("float32")
    layer = _randomized(ke.ACDCDense(100, depth=2), x.shape)
    before = _numpy(layer(x))
    layer.algorithm = "matmul"
    assert layer.get_config()["algorithm"] == "matmul" and layer.stack.block.is_matrix
    np.testing.assert_allclose(_numpy(layer(x)), before, atol=1e-4)
    with pytest.raises(ValueError, match="`algorithm` must be one of"):
        layer.algorithm = "fast"


@pytest.mark.parametrize(
    "make, parameters",
    [
        (lambda: ke.ACDC(), 192),
        (lambda: ke.ACDC(bias=None), 128),
        (lambda: ke.ACDCDense(64, bias=None), 1536),
        (lambda: ke.ACDCDense(10, depth=2), 384),
        (lambda: ke.AFDF(), 256),
        (lambda: ke.BlockACDC(4), 2 * 64 * 64 // 4 + 64),
        (lambda: ke.BlockAFDF(4), 4 * 64 * 64 // 4),
        (lambda: ke.GroupedShuffleDense(64, 4), 2 * 64 * 64 // 4 + 64),
    ],
)
def test_parameters(make, parameters):
    layer = make()
    layer.build((None, 64))
    assert layer.count_params() == parameters
    assert len(layer.variables) == len(layer.weights)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: ke.ACDC("fft"), "`transform` must be one of .*Received: transform='fft'"),
        (lambda: ke.ACDC(permutation="shuffle"), "`permutation` must be one of .*Received: permutation='shuffle'"),
        (lambda: ke.ACDC(bias=True), "`bias` must be one of .*Received: bias=True"),
        (lambda: ke.ACDC(order=1), "`order` must be one of .*Received: order=1"),
        (lambda: ke.ACDC(groups=0), "`groups` must be a positive integer. Received: groups=0"),
        (lambda: ke.ACDC(algorithm="fast"), "`algorithm` must be one of .*Received: algorithm='fast'"),
        (lambda: ke.ACDC(seed=1.5), "`seed` must be an integer. Received: seed=1.5"),
        (lambda: ke.ACDC(groups=3)(np.ones((1, 7))), "`groups` must divide the 7 entries .* Received: groups=3"),
        (lambda: ke.ACDC()(np.ones(7)), r"needs inputs of shape \(batch, ..., inputs\).*Received: input shape \(7,\)"),
        (lambda: ke.ACDCDense(0), "`units` must be a positive integer. Received: units=0"),
        (lambda: ke.ACDCDense(3, depth=0), "`depth` must be a positive integer. Received: depth=0"),
        (lambda: ke.ACDCDense(3, expand="fill"), "`expand` must be one of .*Received: expand='fill'"),
        (lambda: ke.ACDCConv2D(3, (1, 0)), "`kernel_size` must be a positive integer or a pair"),
        (lambda: ke.ACDCConv2D(3, padding="full"), "`padding` must be 'valid' or 'same'"),
        (lambda: ke.ACDCConv2D(3)(np.ones((1, 7))), r"needs inputs of shape \(batch, rows, columns, channels\)"),
        (lambda: ke.AFDF(initial_deviation=-1), "`initial_deviation` must be a number of at least 0. Received"),
        (lambda: ke.GroupedShuffleDense(4, 2.0), "`groups` must be a positive integer. Received: groups=2.0"),
        (lambda: ke.ACDC().dense_matrix(), "`dense_matrix` needs a built layer"),
    ],
)
def test_wrong_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_stack_that_is_not_linear_has_no_matrix():
    layer = ke.ACDCDense(4, depth=2)
    layer.build((None, 4))
    for method in (layer.dense_matrix, layer.fold):
        with pytest.raises(ValueError, match="needs a linear layer.*activation=None.*Received: depth=2, "):
            method()
    rounded = ke.ACDC(activation_bits=4, mode="freeze_scales")
    rounded.build((None, 4))
    with pytest.raises(ValueError, match="would lose the quantizer of its output. Received: activation_bits=4"):
        rounded.fold()


def test_higher_rank_inputs_of_open_size():
    inputs = keras.Input((None, 5))
    model = keras.Model(inputs, ke.ACDCDense(7, depth=2)(inputs))
    assert model.output_shape == (None, None, 7)
    x = np.random.default_rng(0).normal(size=(2, 3, 5)).astype("float32")
    y = model.predict(x, verbose=0)
    np.testing.assert_allclose(y[1], model.predict(x[1:2], verbose=0)[0], atol=1e-5)


def _cosine_codes(size):
    """The matrix of the transform with integers up to 127, in the finest power of two."""
    matrix = numpy_acdc.dct_matrix(size)
    places = max(k for k in range(-8, 16) if np.abs(np.rint(matrix * 2.0**k)).max() <= 127)
    return np.rint(matrix * 2.0**places) / 2.0**places


def _rounded_layer(x, a, d, bias, layer, rounded):
    """One layer, product by product, in natural order."""
    block = layer.stack.size // layer.groups
    rows = max(n for n in range(1, block + 1) if block % n == 0 and n * n <= block) if layer.transform == "dct2d" else 1
    down, across = _cosine_codes(rows), _cosine_codes(block // rows)
    v = rounded(x * a).reshape(len(x), layer.groups, rows, -1)
    v = rounded(v @ across)
    v = rounded(np.einsum("ngrc,rk->ngkc", v, down)) if rows > 1 else v
    s = v.reshape(len(x), -1) * d + (bias if layer.bias == "spectrum" else 0)
    s = rounded(s).reshape(len(x), layer.groups, block)
    s = s[..., numpy_order("riffle", block)] if layer.order == "inner_riffle" else s
    s = s.reshape(len(x), layer.groups, rows, -1)
    s = rounded(np.einsum("ngkc,rk->ngrc", s, down)) if rows > 1 else s
    y = (s @ across.T).reshape(len(x), -1)
    return rounded(y) + bias if layer.bias == "output" else y


def numpy_order(name, size, seed=0, salt=0):
    if name == "random":
        return numpy_acdc.hashed_order(size, seed, salt)
    return [*range(0, size, 2), *range(1, size, 2)] if name == "riffle" else list(range(size))


@pytest.mark.parametrize("bias", ["output", "spectrum", None])
@pytest.mark.parametrize(
    "settings",
    [
        {"transform": "dct", "permutation": "random", "seed": 2},
        {"transform": "dct", "permutation": "riffle", "groups": 2, "order": "inner_riffle"},
        {"transform": "dct2d", "permutation": "riffle"},
        {"transform": "dct2d", "groups": 4},
    ],
)
def test_inner_products_are_rounded(bias, settings):
    """Each on its own grid, and the matrices to 8 bits."""
    layer = ke.ACDC(bias=bias, kernel_bits=6, bias_bits=7, activation_bits=9, mode="freeze_scales", **settings)
    x = (np.random.default_rng(0).integers(-64, 64, (5, 24)) / 64).astype("float32")
    _randomized(layer, x.shape)
    for number, quantizer in enumerate(layer.inner_quantizers):
        quantizer.scale.assign(number % 3)
    grids = iter([(quantizer.bits, number % 3) for number, quantizer in enumerate(layer.inner_quantizers)])
    a, d = (_numpy(layer.value_of(factor)) for factor in (layer.a, layer.d))
    vector = None if bias is None else _numpy(layer.value_of(layer.bias_vector))
    y = _rounded_layer(x, a, d, vector, layer, lambda v: numpy_layers.quantize(v, *next(grids)))
    assert next(grids, None) is None
    y = y[:, numpy_order(layer.permutation, 24, layer.seed)]
    scale = float(_numpy(layer.activation_quantizer.scale))
    np.testing.assert_allclose(_numpy(layer(x)), numpy_layers.quantize(y, 9, scale), atol=1e-6)
    with pytest.raises(ValueError, match="would lose the grids of its inner products"):
        layer.fold()
    layer.mode = "float"
    expected = numpy_acdc.acdc(
        x,
        *map(_numpy, (layer.a, layer.d)),
        None if bias is None else _numpy(layer.bias_vector),
        *(settings.get(key, default) for key, default in (("transform", "dct"), ("order", "paper"), ("groups", 1))),
        bias,
        numpy_order(layer.permutation, 24, layer.seed),
    )
    np.testing.assert_allclose(_numpy(layer(x)), expected, atol=1e-4)


def test_gradients_pass_through_rounded_products():
    """Every weight and every scale trains."""
    inputs = keras.Input((5, 4, 3))
    widths = {"kernel_bits": 6, "bias_bits": 4, "activation_bits": 3, "inner_bits": 5}  # coarse: scales move visibly
    keras.utils.set_random_seed(0)
    spread = {
        "bias_initializer": keras.initializers.RandomNormal(0, 0.5),
        "diagonal_initializer": keras.initializers.RandomNormal(1, 0.4),
    }
    layer = ke.ACDCConv2D(6, 3, depth=2, padding="same", **spread, **widths)
    model = keras.Model(inputs, layer(inputs))
    x = np.random.default_rng(0).normal(size=(32, 5, 4, 3)).astype("float32")
    ke.calibrate(model, x=x)
    ke.set_mode(model, "learn_scales")
    model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=keras.backend.backend() == "jax")
    before = layer.get_weights()
    model.train_on_batch(x, np.ones((32, 5, 4, 6), "float32"))
    still = [w.name for w, old in zip(layer.weights, before, strict=True) if np.array_equal(_numpy(w), old)]
    assert not still


@pytest.mark.parametrize(
    "make", [ke.ACDC, lambda **k: ke.ACDCDense(8, 2, **k), lambda **k: ke.ACDCConv2D(8, 3, 2, **k)]
)
def test_older_files_round_nothing_inside(make):
    layer = make(kernel_bits=4, bias_bits=8, activation_bits=6, mode="freeze_scales")
    config = layer.get_config()
    del config["inner_bits"]
    old = type(layer).from_config(config)
    shape = (2, 5, 4, 8) if "Conv" in type(layer).__name__ else (2, 8)
    for each in (layer, old):
        _randomized(each, shape)
    assert layer.inner_quantizers and not old.inner_quantizers and old.inner_bits is False
    assert [w.name for w in layer.weights[: len(old.weights)]] == [w.name for w in old.weights]
    x = np.random.default_rng(1).normal(size=shape).astype("float32")
    old.set_weights(layer.get_weights()[: len(old.weights)])
    rows = keras.ops.convert_to_tensor(x.reshape(-1, x.shape[-1]))
    expected = old.run_stack(rows) if type(old) is ke.ACDC else old.deep_rows(rows) if len(shape) == 2 else None
    if expected is not None:
        np.testing.assert_array_equal(_numpy(old(x)), _numpy(old.output_quantizers[-1](expected, old.current_mode)))
