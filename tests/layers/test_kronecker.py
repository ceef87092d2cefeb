"""The layers with Kronecker factors keep the layer contract, and equal their dense forms."""

import warnings

import keras
import numpy as np
import numpy_kronecker
import numpy_layers
import pytest
from contract import LayerContract
from gradients import gradients

import keras_efficient as ke
from keras_efficient.ops import taylor_moments
from keras_efficient.ops.taylor import block_correlation

_SETTINGS = {
    "activation": "relu",
    "use_bias": False,
    "kernel_bits": 3,
    "bias_bits": 6,
    "activation_bits": 5,
    "signed_output": True,
    "mode": "freeze_scales",
    "inner_bits": 6,
    "kernel_initializer": "he_normal",
    "bias_initializer": "ones",
    "kernel_regularizer": "l2",
    "bias_regularizer": "l1",
    "kernel_constraint": "max_norm",
    "bias_constraint": "unit_norm",
}


def to_numpy(x):
    return keras.ops.convert_to_numpy(x)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(0, 0.5, shape).astype("float32")


def tinybig_matrix(a, b):
    """tinyBIG's "Kronecker product", element by element as the note has it."""
    (p, q), (s, t) = a.shape, b.shape
    w = np.empty((p * s, q * t))
    for i in range(p * s):
        for j in range(q * t):
            f = (i % s) * q + j // t
            w[i, j] = a[i // s, f // s] * b[f % s, j % t]
    return w


def product(layout, a, b):
    return np.kron(a, b) if layout == "kronecker" else tinybig_matrix(a, b)


def features(x, order):
    """Taylor features [x, x kron x, ...]."""
    k = x = np.asarray(x, "float64")
    for _ in range(order - 1):
        k = np.concatenate([x, np.einsum("ni,nj->nij", k, x).reshape(len(x), -1)], 1)
    return k


def layer_norm(k):
    return (k - k.mean(1, keepdims=True)) / np.sqrt(k.var(1, keepdims=True) + 1e-5)


class FactoredContract(LayerContract):
    """Contract of a layer with float factors `factor_names` and all its quantizers on."""

    factor_names = ()
    inner_products = 0  # that are rounded, where no bias is added

    def __init_subclass__(cls):
        bias = ("bias",) if cls.arguments.get("use_bias") else ()
        weights = (*cls.factor_names, *bias)
        inner = [f"inner_{number}_scale" for number in range(1, cls.inner_products + 1)]
        cls.weight_names = (*weights, *(f"{name}_scale" for name in weights), "activation_scale", *inner)

    def rounded_dense(self, x, factors, rounded):
        """The product by numpy, one factor after another; `rounded` takes the number of a product and its sums."""
        return self.dense(x, factors)

    def dense(self, x, factors):
        """The product by numpy, with W built."""
        raise NotImplementedError

    def reference(self, x, weights):
        count = self.weight_names.index("activation_scale") // 2
        pairs = zip(weights[:count], weights[count : 2 * count], self.weight_names, strict=False)
        values = [numpy_layers.quantize(w, 6 if name == "bias" else 3, scale) for w, scale, name in pairs]
        factors, inner = len(self.factor_names), weights[2 * count + 1 :]
        z = self.rounded_dense(x, values[:factors], lambda k, sums: numpy_layers.quantize(sums, 6, inner[k]))
        return numpy_layers.quantize(np.maximum(z + sum(values[factors:]), 0), 5, weights[2 * count])

    def plain(self, **overrides):
        """A built float layer: nothing but its arguments of shape."""
        shape = {name: value for name, value in self.arguments.items() if name not in _SETTINGS}
        layer = self.layer_class(**{**shape, **overrides})
        layer.build(self.input_shape)
        layer.set_weights([normal(*w.shape, seed=i) for i, w in enumerate(layer.weights)])
        return layer

    @pytest.mark.parametrize("part", ["kernel", "bias"])
    def test_initializer_regularizer_and_constraint_act(self, part):
        if part == "bias":
            super().test_initializer_regularizer_and_constraint_act(part)
            return
        layer = self.plain(
            kernel_initializer=keras.initializers.Constant(-0.3),
            kernel_regularizer=keras.regularizers.L1(1.0),
            kernel_constraint=keras.constraints.NonNeg(),
        )
        layer.factors[0].assign(np.full(layer.factors[0].shape, -0.3))
        assert len(layer.losses) == len(self.factor_names)
        expected = 0.3 * np.prod(layer.factors[0].shape)
        np.testing.assert_allclose(to_numpy(layer.losses[0]), expected, rtol=1e-5)
        assert all(isinstance(w.constraint, keras.constraints.NonNeg) for w in layer.factors)

    def test_float_weights_come_in_the_contract_order(self):
        assert [w.name for w in self.plain(use_bias=True).weights] == [*self.factor_names, "bias"]
        assert [w.name for w in self.plain(use_bias=False).weights] == [*self.factor_names]

    def test_bias_is_last_of_the_floats_and_quantized(self):
        layer = self.make(use_bias=True, activation_bits=None, inner_bits=False)
        names = [w.name for w in layer.weights]
        count = len(self.factor_names)
        assert names[count] == "bias" and names[-1] == "bias_scale"
        weights = layer.get_weights()
        factors = [numpy_layers.quantize(weights[i], 3, weights[count + 1 + i]) for i in range(count)]
        expected = self.dense(self.inputs(), factors) + numpy_layers.quantize(weights[count], 6, weights[-1])
        np.testing.assert_allclose(to_numpy(layer(self.inputs())), np.maximum(expected, 0), rtol=1e-5, atol=1e-5)

    def test_without_bits_no_mode_rounds(self):
        layer = self.plain(use_bias=True)
        y = to_numpy(layer(self.inputs()))
        expected = self.dense(self.inputs(), layer.get_weights()[:-1]) + layer.get_weights()[-1]
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
        layer.mode = "freeze_scales"
        np.testing.assert_array_equal(to_numpy(layer(self.inputs())), y)

    def test_gradients_are_those_of_the_dense_form(self):
        """By central differences of the numpy form with W built, in float64."""
        layer = self.plain(use_bias=False)
        arrays = [self.inputs(seed=3) - 0.5, *layer.get_weights()]
        upstream = normal(*self.output_shape, seed=9)
        _, found = gradients(layer.product, arrays, upstream)
        random = np.random.default_rng(1)
        for number, gradient in enumerate(found):
            direction = random.normal(size=arrays[number].shape)
            ends = []
            for step in (1e-5, -1e-5):
                moved = [np.asarray(a, "float64") for a in arrays]
                moved[number] = moved[number] + step * direction
                ends.append((self.dense(moved[0], moved[1:]) * upstream).sum())
            slope = (ends[0] - ends[1]) / 2e-5
            np.testing.assert_allclose((gradient * direction).sum(), slope, rtol=1e-4, atol=1e-4)

    @pytest.mark.parametrize("name", ["kernel_bits", "bias_bits", "activation_bits"])
    @pytest.mark.parametrize("bits", [0, 17, 2.5, True, "4"])
    def test_bits_out_of_range_are_refused(self, name, bits):
        with pytest.raises(ValueError, match=f"`{name}` must be an integer from 1 to 16.*Received: {name}="):
            self.layer_class(**{**self.arguments, name: bits})

    def test_calibration_and_stages(self):
        """calibrate, set_mode and round_scales find every scale, and all three stages train."""
        layer = self.plain(use_bias=True, kernel_bits=4, bias_bits=8, activation_bits=8)
        inputs = keras.Input(self.input_shape[1:])
        model = keras.Model(inputs, layer(inputs))
        for quantizer in layer.quantizers:
            quantizer.scale.assign(99.0)
        ke.calibrate(model, model, self.inputs(64))
        scales = [float(to_numpy(q.scale)) for q in layer.quantizers]
        inner = len(layer.inner_quantizers)
        assert len(scales) == len(self.factor_names) + 2 + inner and 99.0 not in scales
        assert bool(inner) == bool(self.inner_products) or self.arguments.get("layout") == "tinybig"
        y = self.inputs(64, seed=5).sum(tuple(range(1, len(self.input_shape))))
        y = np.broadcast_to(y.reshape(-1, *[1] * (len(self.output_shape) - 1)), (64, *self.output_shape[1:])) / 100
        model.compile(keras.optimizers.Adam(0.01), "mse", run_eagerly=keras.backend.backend() == "tensorflow")
        for mode in ("float", "learn_scales", "freeze_scales"):
            ke.set_mode(model, mode)
            if mode == "freeze_scales":
                ke.quantization.round_scales(model)
            losses = model.fit(self.inputs(64), y, epochs=2, batch_size=16, verbose=0).history["loss"]
            assert np.isfinite(losses).all() and min(losses[1:]) < losses[0]
        assert all(float(to_numpy(q.scale)) % 1 == 0 for q in layer.quantizers)


class DenseContract(FactoredContract):
    input_shape = (4, 12)
    output_shape = (4, 8)
    supports_masking = True

    def dense(self, x, factors):
        return x @ self.matrix(*factors).T

    def matrix(self, *factors):
        raise NotImplementedError

    def test_higher_rank_inputs_work_like_dense(self):
        layer = self.plain(use_bias=True)
        x = normal(2, 3, 5, self.input_shape[1])
        rows = to_numpy(layer(x.reshape(30, -1)))
        y = to_numpy(layer(x))
        np.testing.assert_allclose(y.reshape(30, -1), rows, rtol=1e-5, atol=1e-5)
        assert layer.compute_output_shape((None, 3, 5, self.input_shape[1])) == (None, 3, 5, self.output_shape[1])

    def test_unknown_lengths_compile(self):
        inputs = keras.Input((None, self.input_shape[1]))
        model = keras.Model(inputs, self.plain()(inputs))
        for length in (1, 4):
            assert model.predict(normal(2, length, self.input_shape[1]), verbose=0).shape[:2] == (2, length)

    def test_dense_kernel(self):
        layer = self.make(mode="freeze_scales", activation=None, activation_bits=None, use_bias=True, inner_bits=False)
        kernel = to_numpy(layer.dense_kernel())
        assert kernel.shape == (self.input_shape[1], self.output_shape[1])
        bias = to_numpy(layer(np.zeros_like(self.inputs())))
        np.testing.assert_allclose(to_numpy(layer(self.inputs())), self.inputs() @ kernel + bias, rtol=1e-5, atol=1e-5)

    @pytest.mark.one_backend
    def test_defaults_give_the_variance_of_glorot(self):
        keras.utils.set_random_seed(0)
        variances = []
        for _ in range(40):  # a product of few random numbers varies much
            layer = self.layer_class(120, **{n: 6 for n in ("rank", "terms") if n in self.arguments}, use_bias=False)
            layer.build((None, 240))
            variances.append(to_numpy(layer.dense_kernel()).var())
        assert 0.75 < np.mean(variances) / (2 / 360) < 1.3

    @pytest.mark.parametrize("units", [0, -1, 2.0, "3", None])
    def test_wrong_units_are_refused(self, units):
        with pytest.raises(ValueError, match="`units` must be a positive integer. Received: units="):
            self.layer_class(**{**self.arguments, "units": units})

    def test_open_or_missing_inputs_are_refused(self):
        for shape in ((None, None), (4,)):
            with pytest.raises(ValueError, match=r"needs inputs of shape \(batch, ..., inputs\).*Received"):
                self.layer_class(**self.arguments).build(shape)


class KroneckerContract(DenseContract):
    @pytest.mark.parametrize("layout", ["kronecker", "tinybig"])
    @pytest.mark.parametrize(
        "p, q, units, inputs",
        [
            (3, 4, 12, 20),
            (4, 6, 8, 18),
            (2, 8, 8, 16),
            (12, 1, 12, 20),
            (1, 20, 12, 20),
            (5, 15, 10, 30),
            (2, 2, 40, 6),
        ],
    )
    def test_sizes_and_layouts(self, layout, p, q, units, inputs):
        """Wide and narrow factors take both orders of contraction."""
        arguments = {"units": units, "p": p, "q": q, "layout": layout, "use_bias": False}
        arguments |= {"rank": 2} if "rank" in self.arguments else {}
        arguments |= {"terms": 3} if "terms" in self.arguments and layout == "kronecker" else {}
        layer = self.layer_class(**arguments)
        with warnings.catch_warnings(action="ignore"):
            layer.build((None, inputs))
        layer.set_weights([normal(*w.shape, seed=i) for i, w in enumerate(layer.weights)])
        w = self.factors_to_matrix(layout, *layer.get_weights())
        x = normal(3, inputs, seed=5)
        np.testing.assert_allclose(to_numpy(layer.dense_kernel()), w.T, atol=1e-6)
        np.testing.assert_allclose(to_numpy(layer(x)), x @ w.T, atol=1e-5 * np.abs(w).sum(1).max())

    def matrix(self, *factors):
        return self.factors_to_matrix(self.arguments["layout"], *factors)

    def factors_to_matrix(self, layout, *factors):
        raise NotImplementedError

    @pytest.mark.parametrize(
        "change, message",
        [
            ({"p": 5}, r"`p` must divide the outputs, 8; the nearest is 4 or 8. Received: p=5"),
            ({"q": 5}, r"`q` must divide the inputs, 12; the nearest is 4 or 6. Received: q=5"),
            ({"q": 13}, r"the nearest is 12. Received: q=13"),
            ({"p": 0}, "`p` must be a positive integer. Received: p=0"),
            ({"q": 2.0}, "`q` must be a positive integer. Received: q=2.0"),
            ({"layout": "outer"}, "`layout` must be one of 'kronecker', 'tinybig'. Received: layout='outer'"),
        ],
    )
    def test_wrong_sizes_are_refused(self, change, message):
        with pytest.raises(ValueError, match=message):
            self.layer_class(**{**self.arguments, **change}).build(self.input_shape)


class TestPHMDense(KroneckerContract):
    layer_class = ke.PHMDense
    factor_names = ("A", "B")
    inner_products = 1

    def rounded_dense(self, x, factors, rounded):
        return numpy_kronecker.phm(x, *factors, rounded)

    arguments = {**_SETTINGS, "units": 8, "terms": 3, "p": 4, "q": 3, "layout": "kronecker"}

    def factors_to_matrix(self, layout, a, b):
        return sum(product(layout, a_i, b_i) for a_i, b_i in zip(a, b, strict=True))

    def test_config_holds_every_argument(self):
        # Several terms and the other layout exclude each other: two layers hold all arguments.
        for arguments in ({"terms": 3, "p": 4, "q": 3}, {"layout": "tinybig"}):
            again = ke.PHMDense.from_config(ke.PHMDense(8, **arguments).get_config())
            assert {name: getattr(again, name) for name in arguments} == arguments

    def test_tinybig_has_one_term(self):
        with pytest.raises(ValueError, match="`layout='tinybig'` has one term. Received: terms=2"):
            ke.PHMDense(8, terms=2, layout="tinybig")

    @pytest.mark.parametrize("terms", [0, 1.5, None])
    def test_wrong_terms_are_refused(self, terms):
        with pytest.raises(ValueError, match="`terms` must be a positive integer. Received: terms="):
            ke.PHMDense(8, terms=terms)

    def test_default_sizes(self):
        layer = ke.PHMDense(64)
        layer.build((None, 20))
        assert [w.shape for w in layer.factors] == [(1, 8, 4), (1, 8, 5)]


class RankContract:
    @pytest.mark.parametrize("rank", [0, -2, 1.5, None])
    def test_wrong_ranks_are_refused(self, rank):
        with pytest.raises(ValueError, match="`rank` must be a positive integer. Received: rank="):
            self.layer_class(**{**self.arguments, "rank": rank})

    def test_wasted_ranks_are_warned_of(self):
        sizes = {"p": 32, "q": 32} if "p" in self.arguments else {}
        with pytest.warns(UserWarning, match=r"rank=40 is wasted on [PSA] [QTB]', a .* matrix.*store .* instead of"):
            self.layer_class(64, rank=40, **sizes).build((None, 64))
        with warnings.catch_warnings(action="error"):
            self.layer_class(1024, rank=2, **sizes).build((None, 1024))


@pytest.mark.filterwarnings("ignore:.*is wasted on")
class TestLPHMDense(RankContract, KroneckerContract):
    layer_class = ke.LPHMDense
    factor_names = ("A", "S", "T")
    arguments = {**_SETTINGS, "units": 8, "rank": 2, "p": 4, "q": 6, "layout": "tinybig"}

    def factors_to_matrix(self, layout, a, s, t):
        return product(layout, a, s @ t.T)


@pytest.mark.filterwarnings("ignore:.*is wasted on")
class TestDualLPHMDense(RankContract, KroneckerContract):
    layer_class = ke.DualLPHMDense
    factor_names = ("P", "Q", "S", "T")
    arguments = {**_SETTINGS, "units": 8, "rank": 2, "p": 4, "q": 6, "layout": "tinybig"}

    def factors_to_matrix(self, layout, p, q, s, t):
        return product(layout, p @ q.T, s @ t.T)

    def test_through_the_ranks(self):
        """Large enough that no factor is multiplied out."""
        layer = ke.DualLPHMDense(64, 2, 8, 16, use_bias=False)
        layer.build((None, 256))
        x = normal(3, 256)
        expected = x @ self.factors_to_matrix("kronecker", *layer.get_weights()).T
        np.testing.assert_allclose(to_numpy(layer(x)), expected, atol=1e-5)


@pytest.mark.filterwarnings("ignore:.*is wasted on")
class TestLowRankDense(RankContract, DenseContract):
    layer_class = ke.LowRankDense
    factor_names = ("A", "B")
    inner_products = 1

    def rounded_dense(self, x, factors, rounded):
        return numpy_kronecker.low_rank(x, *factors, rounded)

    arguments = {**_SETTINGS, "units": 8, "rank": 3}

    def matrix(self, a, b):
        return a @ b.T


@pytest.mark.filterwarnings("ignore:.*is wasted on")
class TestMonarchDense(DenseContract):
    layer_class = ke.MonarchDense
    factor_names = ("L", "R")
    inner_products = 1
    arguments = {**_SETTINGS, "units": 8, "blocks": 2}

    def rounded_dense(self, x, factors, rounded):
        left, right = factors
        (blocks, inputs, inner), outputs = left.shape, right.shape[2]
        u = np.einsum("ngi,gij->ngj", x.reshape(-1, blocks, inputs), left).reshape(-1, blocks * inner)
        v = rounded(0, u).reshape(-1, blocks, inner).swapaxes(1, 2).reshape(-1, blocks, inner)
        return np.einsum("ngi,gij->ngj", v, right).reshape(-1, blocks * outputs)

    def matrix(self, left, right):
        """Sum j of block g goes to place j blocks + g, one product after the other."""
        (blocks, inputs, inner), outputs = left.shape, right.shape[2]
        w = np.zeros((blocks, outputs, blocks, inputs))
        for g, j in np.ndindex(blocks, inner):
            k, row = divmod(j * blocks + g, inner)
            w[k, :, g] += np.outer(right[k, row], left[g, :, j])
        return w.reshape(blocks * outputs, blocks * inputs)

    @pytest.mark.parametrize(
        "inputs, units, blocks",
        [(16, 16, 4), (20, 30, 5), (30, 20, 2), (12, 24, 6), (24, 36, 3), (9, 9, 9), (18, 12, 1), (12, 20, None)],
    )
    def test_sizes(self, inputs, units, blocks):
        layer = ke.MonarchDense(units, blocks, use_bias=False)
        layer.build((None, inputs))
        layer.set_weights([normal(*w.shape, seed=i) for i, w in enumerate(layer.weights)])
        w, x = self.matrix(*layer.get_weights()), normal(3, inputs, seed=5)
        np.testing.assert_allclose(to_numpy(layer.dense_kernel()), w.T, atol=1e-6)
        np.testing.assert_allclose(to_numpy(layer(x)), x @ w.T, atol=1e-5 * np.abs(w).sum(1).max())
        h = min(inputs, units)
        assert layer.count_params() == h * (inputs + units) // layer.factors[0].shape[0]

    def test_the_matrix_of_the_paper(self):
        """Section 3.1: M = P L P' R of b^2 inputs, R and L block-diagonal, P x = x as a matrix, read by columns."""
        b = 3
        layer = ke.MonarchDense(b * b, b, use_bias=False)
        layer.build((None, b * b))
        first, second = (normal(b, b, b, seed=i) for i in (1, 2))
        layer.set_weights([first, second])
        permutation = np.eye(b * b)[np.arange(b * b).reshape(b, b).T.ravel()]
        diagonal = [np.zeros((b * b, b * b)) for _ in range(2)]
        for matrix, blocks in zip(diagonal, (first, second), strict=True):
            for g in range(b):
                matrix[g * b : (g + 1) * b, g * b : (g + 1) * b] = blocks[g].T
        paper = permutation @ diagonal[1] @ permutation.T @ diagonal[0]
        np.testing.assert_allclose(permutation @ to_numpy(layer.dense_kernel()).T, paper, atol=1e-6)

    @pytest.mark.parametrize("inputs, units, blocks, ranks", [(16, 32, 4, {1}), (32, 48, 2, {8}), (24, 36, 3, {2, 3})])
    def test_each_block_of_the_kernel_has_a_low_rank(self, inputs, units, blocks, ranks):
        layer = ke.MonarchDense(units, blocks)
        layer.build((None, inputs))
        kernel = to_numpy(layer.dense_kernel()).reshape(blocks, inputs // blocks, blocks, units // blocks)
        found = np.linalg.matrix_rank(kernel.swapaxes(1, 2), tol=1e-6)
        assert set(found.ravel().tolist()) == ranks
        assert found.sum() == blocks * (min(inputs, units) // blocks)

    @pytest.mark.one_backend
    @pytest.mark.parametrize("inputs, units, blocks", [(60, 120, 5), (120, 60, 12), (48, 48, None)])
    def test_all_outputs_start_with_the_variance_of_glorot(self, inputs, units, blocks):
        keras.utils.set_random_seed(0)
        squares = []
        for _ in range(60):
            layer = ke.MonarchDense(units, blocks, use_bias=False)
            layer.build((None, inputs))
            squares.append((to_numpy(layer.dense_kernel()) ** 2).sum(0))
        by_block = np.mean(squares, 0).reshape(layer.factors[0].shape[0], -1).mean(1)
        np.testing.assert_allclose(by_block, inputs * 2 / (inputs + units), rtol=0.2)

    @pytest.mark.parametrize(
        "inputs, units, blocks", [(64, 64, 8), (784, 256, 16), (784, 10, 2), (240, 120, 10), (9, 8, 1), (12, 18, 3)]
    )
    def test_default_blocks(self, inputs, units, blocks):
        layer = ke.MonarchDense(units)
        layer.build((None, inputs))
        assert layer.factors[0].shape == (blocks, inputs // blocks, min(inputs, units) // blocks)
        assert layer.factors[1].shape == (blocks, min(inputs, units) // blocks, units // blocks)
        assert layer.blocks is None

    @pytest.mark.parametrize(
        "change, message",
        [
            ({"blocks": 3}, r"`blocks` must divide the outputs, 8; the nearest is 2 or 4. Received: blocks=3"),
            (
                {"blocks": 8},
                "`blocks` must divide the largest common divisor of 12 inputs and 8 outputs, 4; the nearest is 4. "
                "Received: blocks=8",
            ),
            ({"blocks": 0}, "`blocks` must be a positive integer. Received: blocks=0"),
            ({"blocks": 2.0}, "`blocks` must be a positive integer. Received: blocks=2.0"),
            ({"blocks": "2"}, "`blocks` must be a positive integer. Received: blocks='2'"),
        ],
    )
    def test_wrong_blocks_are_refused(self, change, message):
        with pytest.raises(ValueError, match=message):
            self.layer_class(**{**self.arguments, **change}).build(self.input_shape)

    def test_wasted_blocks_are_warned_of(self):
        with pytest.warns(UserWarning, match="blocks=2 is wasted on a kernel of 8 x 8: L and R store 64 numbers .* 64"):
            ke.MonarchDense(8, 2).build((None, 8))
        with warnings.catch_warnings(action="error"):
            ke.MonarchDense(8, 2).build((None, 12))


class TestPHMConv2D(FactoredContract):
    layer_class = ke.PHMConv2D
    left_out = ("dilation_rate",)  # with strides of 1 only: in test_dilated_windows
    factor_names = ("A", "B")
    inner_products = 1
    arguments = {
        **_SETTINGS,
        "filters": 6,
        "kernel_size": (3, 2),
        "terms": 2,
        "p": 3,
        "q": 4,
        "strides": 2,
        "padding": "same",
    }
    input_shape = (4, 7, 6, 8)
    output_shape = (4, 4, 3, 6)

    def dense(self, x, factors):
        return numpy_layers.conv(x, self.kernel(*factors), (2, 2), "same")

    def rounded_dense(self, x, factors, rounded):
        return numpy_kronecker.phm_conv(x, *factors, (2, 2), "same", rounded)

    def test_dilated_windows(self):
        layer = ke.PHMConv2D(6, (3, 2), 2, 3, 4, padding=((1, 0), (2, 2)), dilation_rate=2)
        x = self.inputs()
        y = keras.ops.convert_to_numpy(layer(x))
        kernel = keras.ops.convert_to_numpy(layer.dense_kernel())
        np.testing.assert_allclose(y, numpy_layers.conv(x, kernel, (1, 1), ((1, 0), (2, 2)), (2, 2)), atol=1e-4)

    def kernel(self, a, b):
        taps = [[sum(map(np.kron, a, b[..., r, c])).T for c in range(b.shape[4])] for r in range(b.shape[3])]
        return np.array(taps)

    @pytest.mark.parametrize("padding", ["valid", "same"])
    @pytest.mark.parametrize("strides", [1, 2])
    @pytest.mark.parametrize("p, q, terms", [(2, 3, 2), (4, 2, 3), (8, 1, 1), (1, 6, 3), (8, 6, 1), (None, None, 2)])
    def test_windows(self, padding, strides, p, q, terms):
        layer = ke.PHMConv2D(8, (2, 3), terms, p, q, strides, padding, use_bias=False)
        x = normal(2, 7, 6, 6)
        y = to_numpy(layer(x))
        kernel = self.kernel(*layer.get_weights())
        np.testing.assert_allclose(to_numpy(layer.dense_kernel()), kernel, atol=1e-6)
        np.testing.assert_allclose(y, numpy_layers.conv(x, kernel, layer.strides, padding), atol=1e-5)
        assert layer.compute_output_shape(x.shape) == y.shape

    @pytest.mark.parametrize(
        "change, message",
        [
            ({"filters": 0}, "`filters` must be a positive integer. Received: filters=0"),
            ({"p": 4}, "`p` must divide the filters, 6; the nearest is 3 or 6. Received: p=4"),
            ({"q": 3}, "`q` must divide the inputs, 8; the nearest is 2 or 4. Received: q=3"),
            ({"terms": 0}, "`terms` must be a positive integer. Received: terms=0"),
            ({"padding": "full"}, "`padding` must be 'valid' or 'same'"),
        ],
    )
    def test_wrong_arguments_are_refused(self, change, message):
        with pytest.raises(ValueError, match=message):
            ke.PHMConv2D(**{**self.arguments, **change}).build(self.input_shape)


@pytest.mark.filterwarnings("ignore:.*is wasted on")
class TestTaylorDualLPHM(RankContract, DenseContract):
    layer_class = ke.TaylorDualLPHM
    factor_names = ("P", "Q", "S", "T")
    input_shape = (4, 3)
    arguments = {
        **_SETTINGS,
        "use_bias": True,
        "units": 8,
        "rank": 2,
        "p": 4,
        "q": 13,
        "order": 3,
        "layout": "kronecker",
        "normalize": True,
    }

    def dense(self, x, factors):
        p, q, s, t = factors
        return layer_norm(features(x, 3)) @ np.kron(p @ q.T, s @ t.T).T

    def test_dense_kernel(self):
        with pytest.raises(ValueError, match="has no dense kernel: it is not linear"):
            self.make().dense_kernel()

    @pytest.mark.one_backend
    def test_defaults_give_the_variance_of_glorot(self):
        layer = ke.TaylorDualLPHM(30, 6, normalize=True)
        y = to_numpy(layer(normal(200, 30)))
        assert 0.5 < y.var() < 4  # 930 features of variance 1: 2 / (930 + 30) each

    def test_wasted_ranks_are_warned_of(self):
        with pytest.warns(UserWarning, match="rank=5 is wasted on P Q', a 2 x 64 matrix.*330 numbers instead of 128"):
            ke.TaylorDualLPHM(10, 5, 2, 64).build((None, 64))

    @pytest.mark.parametrize("normalize", [False, True])
    @pytest.mark.parametrize(
        "units, rank, p, q, order, layout, inputs",
        [
            (8, 3, 2, 8, 2, "tinybig", 8),
            (8, 3, 4, 9, 2, "tinybig", 8),
            (9, 2, 3, 9, 2, "tinybig", 8),
            (10, 5, 2, 16, 2, "tinybig", 16),
            (64, 5, 8, 160, 2, "tinybig", 160),
            (15, 5, 3, 192, 2, "tinybig", 192),
            (4, 2, 2, 1, 2, "tinybig", 1),
            (4, 2, 2, 2, 2, "tinybig", 1),
            (8, 1, 8, 6, 2, "tinybig", 6),
            (8, 2, 2, 9, 2, "kronecker", 8),
            (8, 2, 4, 31, 3, "kronecker", 5),
            (8, 2, 4, 3, 1, "kronecker", 6),
            (8, 2, 4, 1, 1, "kronecker", 6),
        ],
    )
    def test_equals_the_features_times_the_matrix(self, units, rank, p, q, order, layout, inputs, normalize):
        layer = ke.TaylorDualLPHM(units, rank, p, q, order, layout, normalize)
        layer.build((None, inputs))
        layer.set_weights([normal(*w.shape, seed=i) for i, w in enumerate(layer.weights)])
        x = normal(3, inputs, seed=5) + 0.3
        k = features(x, order)
        p, q, s, t = layer.get_weights()
        expected = (layer_norm(k) if normalize else k) @ product(layout, p @ q.T, s @ t.T).T
        np.testing.assert_allclose(to_numpy(layer(x)), expected, atol=3e-6 * np.abs(expected).max())

    @pytest.mark.parametrize("q", [6, 7])
    def test_gradients_in_the_layout_of_tinybig(self, q):
        layer = ke.TaylorDualLPHM(6, 2, 2, q, normalize=True)
        layer.build((None, 6))
        arrays = [normal(3, 6, seed=8), *(normal(*w.shape, seed=i) for i, w in enumerate(layer.weights))]
        upstream = normal(3, 6, seed=9)

        def total(x, p, q, s, t):
            return (layer_norm(features(x, 2)) @ tinybig_matrix(p @ q.T, s @ t.T).T * upstream).sum()

        _, found = gradients(layer.product, arrays, upstream)
        for number, gradient in enumerate(found):
            direction = np.random.default_rng(number).normal(size=arrays[number].shape)
            ends = []
            for step in (1e-5, -1e-5):
                moved = [np.asarray(a, "float64") for a in arrays]
                moved[number] = moved[number] + step * direction
                ends.append(total(*moved))
            np.testing.assert_allclose((gradient * direction).sum(), (ends[0] - ends[1]) / 2e-5, rtol=1e-4, atol=1e-4)

    @pytest.mark.parametrize(
        "arguments, inputs, message",
        [
            ({"order": 4}, 4, r"`order` must be one of \(1, 2, 3\). Received: order=4"),
            ({"order": True}, 4, "`order` must be one of"),
            ({"order": 3}, 4, "`layout='tinybig'` needs order=2.*Received: order=3"),
            ({"order": 1}, 4, "`layout='tinybig'` needs order=2.*Received: order=1"),
            ({"order": 3, "layout": "kronecker"}, 784, "`order=3` is for small inputs.*Received: 784 inputs"),
            ({"layout": "hadamard"}, 4, "`layout` must be one of"),
            ({"q": 2}, 4, "`q` must be 4 or 5 for 4 inputs.*needs the 20 features themselves. Received: q=2"),
            ({"q": 4, "layout": "kronecker"}, 4, "`q` must be 5 for 4 inputs.*Received: q=4"),
            ({"q": 20, "layout": "kronecker", "order": 3}, 4, "`q` must be 21 for 4 inputs.*Received: q=20"),
            ({"q": 3, "layout": "kronecker", "order": 1}, 4, "`q` must divide the inputs, 4; the nearest is 2 or 4"),
            ({"p": 3}, 4, "`p` must divide the outputs, 8; the nearest is 2 or 4. Received: p=3"),
            ({"normalize": "affine"}, 4, "`normalize` must be True or False.*Received: normalize='affine'"),
        ],
    )
    def test_what_needs_the_features_is_refused(self, arguments, inputs, message):
        with pytest.raises(ValueError, match=message):
            ke.TaylorDualLPHM(8, 2, **arguments).build((None, inputs))

    def test_default_sizes(self):
        for arguments, q in (({}, 6), ({"layout": "kronecker"}, 7), ({"layout": "kronecker", "order": 3}, 43)):
            layer = ke.TaylorDualLPHM(8, 1, **arguments)
            layer.build((None, 6))
            assert [w.shape[0] for w in layer.factors][:2] == [2, q]

    def test_layer_norm_of_nearly_constant_inputs_is_exact(self):
        """The variance is a difference of large numbers in the textbook form: 100 % wrong in float32."""
        x = (100 + normal(3, 20) * 0.01).astype("float32")
        k = features(x, 1)
        mean, variance = taylor_moments(keras.ops.convert_to_tensor(x), 1)
        np.testing.assert_allclose(to_numpy(variance)[:, 0], k.var(1), rtol=1e-3)
        np.testing.assert_allclose(to_numpy(mean)[:, 0], k.mean(1), rtol=1e-6)
        k = features(x, 3)
        mean, variance = taylor_moments(keras.ops.convert_to_tensor(x), 3)
        np.testing.assert_allclose(to_numpy(variance)[:, 0], k.var(1), rtol=1e-5)

    @pytest.mark.parametrize("layout", ["tinybig", "kronecker"])
    def test_squares_do_not_overflow_in_half_precision(self, layout):
        """Inputs of 300 have squares that float16 has no number for; their LayerNorm is small."""
        arguments = {"layout": layout, "normalize": True}
        layers = [ke.TaylorDualLPHM(8, 2, **arguments, dtype=dtype) for dtype in ("float32", "mixed_float16")]
        for layer in layers:
            layer.build((None, 8))
            layer.set_weights([normal(*w.shape, seed=i) for i, w in enumerate(layer.weights)])
        x = np.round(600 * normal(3, 8))
        full, half = (to_numpy(keras.ops.cast(layer(x), "float32")) for layer in layers)
        np.testing.assert_allclose(half, full, atol=2e-3 * np.abs(full).max())

    @pytest.mark.skipif(keras.backend.backend() == "torch", reason="torch compiles with a C++ compiler only")
    @pytest.mark.parametrize("inputs", [160, 784])
    def test_transforms_compile(self, inputs):
        layer = ke.TaylorDualLPHM(64, 5, 8, inputs, normalize=True)
        model = keras.Sequential([keras.Input((inputs,)), layer])
        x = normal(3, inputs)
        eager = to_numpy(layer(x))
        model.compile(keras.optimizers.SGD(0.001), "mse", jit_compile=True)
        np.testing.assert_allclose(model.predict(x, verbose=0), eager, atol=1e-5 * np.abs(eager).max())
        before = layer.get_weights()
        model.fit(x, np.ones((3, 64), "float32"), verbose=0)
        assert all((old != new).any() for old, new in zip(before, layer.get_weights(), strict=True))


@pytest.mark.parametrize("blocks, channels, outputs", [(1, 1, 1), (5, 1, 3), (4, 3, 3), (7, 2, 1)])
@pytest.mark.parametrize("method", ["toeplitz", "fft"])
def test_block_correlation(blocks, channels, outputs, method):
    x, filters = normal(2, blocks, channels), normal(outputs, blocks + 1, channels, seed=1)
    padded = np.concatenate([x, np.zeros_like(x)], axis=1)
    y = np.zeros((2, 2 * blocks, outputs))
    for j in range(2 * blocks):
        for d in range(blocks + 1):
            y[:, j] += padded[:, (j + d) % (2 * blocks)] @ filters[:, d].T
    found = block_correlation(keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(filters), method)
    np.testing.assert_allclose(to_numpy(found), y, atol=1e-5)


_STAGED = {
    "low rank": (ke.LowRankDense, {"units": 8, "rank": 3}, numpy_kronecker.low_rank, (4, 12)),
    "B first": (ke.PHMDense, {"units": 8, "terms": 3, "p": 4, "q": 2}, numpy_kronecker.phm, (4, 12)),
    "A first": (ke.PHMDense, {"units": 8, "terms": 3, "p": 4, "q": 6}, numpy_kronecker.phm, (4, 12)),
    "low rank of B": (ke.LPHMDense, {"units": 8, "rank": 2, "p": 4, "q": 6}, numpy_kronecker.lphm, (4, 12)),
    "low ranks": (ke.DualLPHMDense, {"units": 8, "rank": 2, "p": 4, "q": 6}, numpy_kronecker.dual_lphm, (4, 3, 12)),
    "convolution": (
        ke.PHMConv2D,
        {"filters": 6, "kernel_size": 3, "terms": 2, "p": 3, "q": 1},
        lambda x, a, b, rounded: numpy_kronecker.phm_conv(x, a, b, (1, 1), "valid", rounded),
        (2, 5, 6, 4),
    ),
}


@pytest.mark.filterwarnings("ignore:.*is wasted on")
@pytest.mark.parametrize("case", _STAGED)
def test_inner_products_are_rounded(case):
    """Each product on its own grid, and the sums before a bias that not all outputs of a place have at once."""
    layer_class, arguments, product, shape = _STAGED[case]
    layer = layer_class(**arguments, **{**_SETTINGS, "use_bias": True, "activation_bits": 16})
    layer.build(shape)
    layer.set_weights([normal(*w.shape, seed=i) for i, w in enumerate(layer.weights)])
    for number, quantizer in enumerate(layer.inner_quantizers):
        quantizer.scale.assign(number % 2 - 2.0)  # coarse, and it saturates
    layer.activation_quantizer.scale.assign(3.0)
    x = np.random.default_rng(1).integers(-16, 16, shape) / 16
    grids = [(q.bits, float(to_numpy(q.scale))) for q in layer.inner_quantizers]
    last = {"low rank": 1, "low rank of B": 2, "low ranks": 3}.get(case, 1)
    assert len(grids) == last + (case != "low rank")

    def rounded(number, sums):
        return numpy_layers.quantize(sums, grids[number][0], grids[number][1])

    factors = [to_numpy(factor) for factor in layer.current_factors()]
    sums = product(x, *factors, rounded)
    sums = sums if case == "low rank" else rounded(last, sums)
    bias = numpy_layers.quantize(to_numpy(layer.bias), 6, float(to_numpy(layer.bias_quantizer.scale)))
    expected = numpy_layers.quantize(np.maximum(sums + bias, 0), 16, 3)
    np.testing.assert_allclose(to_numpy(layer(x.astype("float32"))), expected, atol=1e-6)
    layer.mode = "float"
    dense = to_numpy(layer_class(**arguments, **{**_SETTINGS, "use_bias": True, "inner_bits": False})(x)).shape
    assert to_numpy(layer(x.astype("float32"))).shape == dense


@pytest.mark.parametrize("bits", [0, 17, 2.5, True, "4"])
def test_wrong_inner_bits_are_refused(bits):
    with pytest.raises(ValueError, match="`inner_bits` must be an integer from 1 to 16.*Received: inner_bits="):
        ke.PHMDense(8, inner_bits=bits)


def test_widths_of_the_inner_grids():
    """As wide as the next product allows, or as given."""
    for inner_bits, expected in ((None, [10, 16]), (7, [7, 7]), (False, [])):
        layer = ke.PHMDense(64, terms=8, p=8, q=16, kernel_bits=8, inner_bits=inner_bits)
        layer.build((None, 512))
        assert [q.bits for q in layer.inner_quantizers] == expected
        assert [w.name for w in layer.weights[5:]] == [f"inner_{k}_scale" for k in range(1, len(expected) + 1)]
    assert not ke.PHMDense(8, use_bias=False).inner_quantizers
