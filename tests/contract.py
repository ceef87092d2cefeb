"""The contract that every layer keeps. A test class of a layer inherits `LayerContract`."""

import dataclasses
import inspect
import json

import keras
import numpy as np
import numpy_layers
import pytest
from compiling import check_predictions
from gradients import gradients
from keras.src import testing  # Keras's own checks of a layer; not public, but meant for this

import keras_efficient
from keras_efficient.ops.quantize import code_range, to_codes
from keras_efficient.quantization import quantized_layers

# Says the same on every backend: `make test-backends` leaves it out.
one_backend = pytest.mark.one_backend


class LayerContract:
    """Checks of one layer. Subclasses set the attributes and may override `reference`.

    Attributes:
        layer_class: The class.
        arguments: Every argument of the constructor, none of them at its default.
        input_shape: Shape of an input, with the batch.
        output_shape: Shape of its output.
        weight_names: Names of the layer's weights in the order of the contract.
        left_out: Arguments that another test class of the same layer gives.
        fixed_weights: Names of weights that never train.
        has_mode: Whether the layer takes `mode`.
        supports_masking: Whether it passes the mask of its input on.
        least_bits: The narrowest grid of its weights.
        still_weights: Names of trainable weights that need not move in two steps, with a reason.
    """

    layer_class = None
    arguments = {}
    input_shape = (4, 8, 8, 3)
    output_shape = None
    weight_names = ()
    left_out = ()
    fixed_weights = ()
    has_mode = True
    supports_masking = False
    least_bits = 1
    still_weights = ()

    def reference(self, x, weights):
        """The layer's output by numpy, in the mode of `arguments`."""
        raise NotImplementedError

    # What the checks are made of.

    def make(self, **overrides):
        """A built layer whose weights and scales are drawn from a fixed seed."""
        layer = self.layer_class(**{**self.arguments, **overrides})
        layer.build(self.input_shape)
        random = np.random.default_rng(0)
        layer.set_weights([random.normal(0, 0.5, w.shape).astype("float32") for w in layer.weights])
        return layer

    def inputs(self, samples=None, seed=1):
        """Inputs on a grid of 1/16, so that quantized sums are exact on every backend."""
        shape = (samples or self.input_shape[0], *self.input_shape[1:])
        values = np.random.default_rng(seed).integers(0, 16, shape) / 16
        return values.astype("float32")

    def model(self, **overrides):
        """The layer alone in a Functional model."""
        inputs = keras.Input(self.input_shape[1:])
        layer = self.make(**overrides)
        return keras.Model(inputs, layer(inputs)), layer

    # The checks.

    @one_backend
    def test_keras_own_layer_test(self):
        testing.TestCase().run_layer_test(
            self.layer_class,
            init_kwargs=self.arguments,
            input_shape=self.input_shape,
            expected_output_shape=self.output_shape,
            supports_masking=self.supports_masking,
            run_training_check=False,  # below, with every weight
        )

    @one_backend
    def test_config_holds_every_argument(self):
        names = _argument_names(self.layer_class)
        assert names - set(self.left_out) == set(self.arguments), "list every argument of the layer in `arguments`"
        layer = self.layer_class(**self.arguments)
        again = self.layer_class.from_config(json.loads(json.dumps(layer.get_config())))
        for name, value in self.arguments.items():
            assert _plain(layer.get_config()[name]) == _plain(again.get_config()[name])
            default = _default(self.layer_class, name)
            assert default is None or _plain(getattr(again, name)) != _plain(default), f"{name} is at its default"
            _check_is_kept(getattr(again, name), value, name)

    @one_backend
    def test_build_leaves_the_config_alone(self):
        layer = self.layer_class(**self.arguments)
        before = json.dumps(layer.get_config())
        layer.build(self.input_shape)
        layer(self.inputs())
        assert json.dumps(layer.get_config()) == before

    @one_backend
    def test_is_registered_and_public(self):
        name = self.layer_class.__name__
        assert keras.saving.get_registered_name(self.layer_class) == f"keras_efficient>{name}"
        assert getattr(keras_efficient, name) is self.layer_class
        assert name in keras_efficient.layers.__all__

    @one_backend
    def test_weights_are_in_the_contract_order(self):
        assert [weight.name for weight in self.make().weights] == list(self.weight_names)

    def test_saved_file_loads_in_another_process(self, tmp_path, reloader):
        model, _ = self.model()
        model.save(tmp_path / "model.keras")
        np.save(tmp_path / "x.npy", self.inputs())
        reloader.predict(tmp_path / "model.keras", tmp_path / "x.npy", tmp_path / "y.npy")
        np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), keras.ops.convert_to_numpy(model(self.inputs())))

    def test_equals_the_numpy_reference(self):
        # TensorFlow, JAX and torch are each compared with the same numbers.
        layer = self.make()
        y = keras.ops.convert_to_numpy(layer(self.inputs()))
        expected = self.reference(self.inputs(), layer.get_weights())
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)

    @pytest.mark.parametrize("use_bias", [False, True])
    def test_every_trainable_weight_moves_within_two_steps(self, use_bias):
        overrides = {"mode": "learn_scales"} if self.has_mode else {}
        overrides |= {"use_bias": use_bias} if "use_bias" in self.arguments else {}
        model, layer = self.model(**overrides)
        if not layer.trainable_weights or (use_bias and "use_bias" not in self.arguments):
            return
        # TensorFlow's graph alone; JAX always compiles.
        model.compile(keras.optimizers.SGD(0.01), "mse", jit_compile=keras.backend.backend() == "jax")
        before = [keras.ops.convert_to_numpy(weight) for weight in layer.trainable_weights]
        y = np.random.default_rng(2).normal(0, 5, model.compute_output_shape(self.input_shape))
        for _ in range(2):
            model.train_on_batch(self.inputs(), y.astype("float32"))
        still = [
            weight.name
            for weight, old in zip(layer.trainable_weights, before, strict=True)
            if np.array_equal(keras.ops.convert_to_numpy(weight), old)
        ]
        assert set(still) <= set(self.still_weights)

    @one_backend
    def test_codes_fit_their_bits_at_extreme_values(self):
        for layer in quantized_layers(self.make()):
            for quantizer in layer.quantizers:
                quantizer = scalar(quantizer)
                values = np.array([0.0, 1e-30, -1e-30, 1.0, -1.0, 1e6, -1e6, 1e30, -1e30], "float32")
                codes = to_codes(values, quantizer.bits, quantizer.scale, quantizer.signed)
                codes = keras.ops.convert_to_numpy(codes)
                low, high = code_range(quantizer.bits, quantizer.signed)
                assert codes.min() >= low and codes.max() <= high
                assert codes.max() == high and (codes.min() == low)
                assert high - low == 2**quantizer.bits - 1

    @one_backend
    def test_outputs_lie_on_the_declared_grid(self):
        for layer in quantized_layers(self.make()):
            # The grids of inner products come last of all.
            outputs = [q for q in layer.quantizers if q.weight is None and not q.name.startswith("inner")]
            if not outputs:
                continue
            y = keras.ops.convert_to_numpy(layer(self.inputs() * 100 - 50))
            codes = keras.ops.convert_to_numpy(to_codes(y, outputs[-1].bits, outputs[-1].scale, outputs[-1].signed))
            step = 2.0 ** np.round(keras.ops.convert_to_numpy(outputs[-1].scale))
            resolution = 2 ** (outputs[-1].bits - outputs[-1].signed)
            np.testing.assert_array_equal(y, codes * step / resolution)

    @one_backend
    def test_rows_do_not_depend_on_the_batch(self):
        layer = self.make()
        x = self.inputs(samples=5)
        together = keras.ops.convert_to_numpy(layer(x))
        for row in range(5):
            alone = keras.ops.convert_to_numpy(layer(x[row : row + 1]))
            np.testing.assert_allclose(alone[0], together[row], rtol=1e-6, atol=1e-6)

    @pytest.mark.compiles
    def test_compiled_and_eager_give_the_same_numbers(self):
        model, layer = self.model()
        if layer.trainable_weights:
            # Trained: what starts at zero hides what it is multiplied with.
            model.compile(keras.optimizers.SGD(0.01), "mse", jit_compile=keras.backend.backend() == "jax")
            y = np.random.default_rng(2).normal(0, 5, model.compute_output_shape(self.input_shape))
            model.train_on_batch(self.inputs(), y.astype("float32"))
        check_predictions(model, self.inputs())

    @pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
    def test_mixed_precision_keeps_the_grid(self, policy):
        layer, half = self.make(), self.make(dtype=policy)
        y = half(self.inputs())
        assert keras.backend.standardize_dtype(y.dtype) == half.compute_dtype
        assert all(weight.dtype == "float32" for weight in half.weights)
        y = keras.ops.convert_to_numpy(keras.ops.cast(y, "float32"))
        full = keras.ops.convert_to_numpy(layer(self.inputs()))
        # At most a step of the output grid, where a half-precision sum rounds the other way.
        assert np.abs(y - full).max() <= self.largest_step(layer) + 0.01 * np.abs(full).max()

    @one_backend
    @pytest.mark.parametrize("policy", ["float64", "float16"])
    def test_weights_of_another_dtype_compute_the_same(self, policy):
        layer, other = self.make(), self.make(dtype=policy)
        y = keras.ops.convert_to_numpy(keras.ops.cast(other(self.inputs()), "float32"))
        full = keras.ops.convert_to_numpy(layer(self.inputs()))
        assert y.shape == full.shape and np.isfinite(y).all()
        if policy == "float64":
            assert np.abs(y - full).max() <= self.largest_step(layer) + 1e-3 * np.abs(full).max()

    def largest_step(self, layer):
        """The widest step of the layer's output grids."""
        steps = [
            2.0 ** np.round(keras.ops.convert_to_numpy(q.scale)) / 2 ** (q.bits - q.signed)
            for q in getattr(layer, "quantizers", ())
            if q.weight is None
        ]
        return max(steps, default=0.1)

    @one_backend
    @pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
    @pytest.mark.parametrize("mode", ["float", "learn_scales"])
    def test_mixed_precision_rounds_weights_in_float32(self, policy, mode):
        half = self.make(dtype=policy, **({"mode": mode} if self.has_mode else {}))
        assert keras.backend.standardize_dtype(half(self.inputs()).dtype) == half.compute_dtype
        for variable in half.weights:
            with keras.src.backend.AutocastScope(half.compute_dtype):
                assert keras.backend.standardize_dtype(keras.ops.convert_to_tensor(variable).dtype) == "float32"

    def required(self, **overrides):
        """A layer with the defaults of every argument that has one."""
        arguments = {name: value for name, value in self.arguments.items() if not _has_default(self.layer_class, name)}
        return self.layer_class(**{**arguments, **overrides})

    @one_backend
    def test_defaults_survive_build_and_config(self):
        layer = self.required()
        before = json.dumps(layer.get_config())
        layer(self.inputs())
        assert json.dumps(layer.get_config()) == before
        for name in set(self.arguments) & set(layer.get_config()):
            default = _default(self.layer_class, name)
            if default is not None and hasattr(layer, name):
                _check_is_kept(getattr(layer, name), default, name)

    @one_backend
    def test_unknown_sizes_stay_unknown(self):
        sizes = len(self.input_shape) - 2
        for shape in ((None, *self.input_shape[1:]), (None, *[None] * sizes, self.input_shape[-1])):
            output = self.make().compute_output_shape(shape)
            assert output[0] is None and output[-1] == self.output_shape[-1]
            assert [size is None for size in output[1:-1]] == [size is None for size in shape[1:-1]]

    @one_backend
    def test_call_keeps_nothing(self):
        layer = self.make()
        before = {**vars(layer), "_called": True}  # Keras's own
        layer(self.inputs())
        after = vars(layer)
        assert set(after) == set(before)
        assert [name for name in before if after[name] is not before[name]] in ([], ["_called"])

    @one_backend
    @pytest.mark.parametrize("mode", ["float", "learn_scales", "freeze_scales"])
    def test_scales_train_in_learn_scales_only(self, mode):
        layer = self.make(mode=mode) if self.has_mode else self.make()
        names = {weight.name for weight in layer.trainable_weights}
        scales = {quantizer.scale.name for quantizer in getattr(layer, "quantizers", ())}
        assert names & scales == (scales if mode == "learn_scales" else set())
        assert names | scales | set(self.fixed_weights) == {weight.name for weight in layer.weights}
        layer.trainable = False
        assert not any(weight.trainable for weight in layer.weights)

    @one_backend
    def test_float_mode_does_not_see_the_scales(self):
        if not self.has_mode:
            return
        layer = self.make(mode="float")
        y = keras.ops.convert_to_numpy(layer(self.inputs()))
        assert np.isfinite(y).all()
        for quantizer in layer.quantizers:
            quantizer.scale.assign(np.full(quantizer.scale.shape, -20.0))
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer(self.inputs())), y)

    @pytest.mark.parametrize("bits", [1, 2, 3])
    def test_quantizers_equal_numpy_at_few_bits(self, bits):
        if not self.has_mode or bits < self.least_bits:
            return
        layer = self.make(mode="freeze_scales", **{name: bits for name in self.arguments if name.endswith("bits")})
        x = np.arange(-80, 81, dtype="float32") / 16
        for quantizer in map(scalar, layer.quantizers):
            for scale in (-20, -7, -3, -1, 0, 1, 2, 5, 20):
                quantizer.scale.assign(scale)
                y = keras.ops.convert_to_numpy(quantizer(keras.ops.convert_to_tensor(x), layer.current_mode))
                np.testing.assert_array_equal(y, numpy_layers.quantize(x, bits, scale, quantizer.signed))

    def test_gradient_passes_straight_through_within_the_limits(self):
        if not self.has_mode:
            return
        layer = self.make(mode="freeze_scales")
        for quantizer in map(scalar, layer.quantizers):
            low, high = code_range(quantizer.bits, quantizer.signed)
            resolution = 2 ** (quantizer.bits - quantizer.signed)
            step = 2.0 ** np.round(keras.ops.convert_to_numpy(quantizer.scale)) / resolution
            codes = np.array([low - 0.75, low - 0.25, low, 0.25, high, high + 0.25, high + 0.75], "float32")
            x = (codes * step).astype("float32")
            _, (dx,) = gradients(lambda x, q=quantizer: q(x, layer.current_mode), [x], np.ones(7, "float32"))
            np.testing.assert_array_equal(dx, [0, 1, 1, 1, 1, 1, 0])

    @one_backend
    @pytest.mark.parametrize("part", ["kernel", "bias"])
    def test_initializer_regularizer_and_constraint_act(self, part):
        if f"{part}_initializer" not in self.arguments:
            return
        arguments = {
            **{name: None for name in self.arguments if name.endswith(("regularizer", "constraint"))},
            f"{part}_initializer": keras.initializers.Constant(-0.3),
            f"{part}_regularizer": keras.regularizers.L1(1.0),
            f"{part}_constraint": keras.constraints.NonNeg(),
            **({"use_bias": True} if "use_bias" in self.arguments else {}),
        }
        layer = self.layer_class(**{**self.arguments, **arguments})
        layer.build(self.input_shape)
        weights = [w for w in layer.weights if w.name.startswith(part) and "scale" not in w.name]
        assert weights and len(layer.losses) == len(weights)
        for weight, loss in zip(weights, layer.losses, strict=True):
            np.testing.assert_allclose(keras.ops.convert_to_numpy(weight), -0.3)
            np.testing.assert_allclose(keras.ops.convert_to_numpy(loss), 0.3 * np.prod(weight.shape), rtol=1e-5)
            assert isinstance(weight.constraint, keras.constraints.NonNeg)

    @one_backend
    def test_unknown_mode_is_refused(self):
        if not self.has_mode:
            return
        with pytest.raises(ValueError, match="`mode` must be one of .* Received: mode='fast'"):
            self.layer_class(**{**self.arguments, "mode": "fast"})


def _argument_names(layer_class):
    """The constructor arguments of a layer and of its base classes below `keras.layers.Layer`."""
    names = set()
    for base in layer_class.__mro__[: layer_class.__mro__.index(keras.layers.Layer)]:
        if "__init__" in vars(base):
            parameters = inspect.signature(base.__init__).parameters.values()
            kinds = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
            names |= {p.name for p in parameters if p.kind not in kinds}
    return names - {"self"}


def scalar(quantizer):
    """The quantizer, with one scale where each filter has its own."""
    if not len(quantizer.scale.shape):
        return quantizer
    return dataclasses.replace(quantizer, scale=keras.Variable(0.0))


def _has_default(layer_class, name):
    parameters = [inspect.signature(base.__init__).parameters.get(name) for base in layer_class.__mro__]
    return any(p is not None and p.default is not inspect.Parameter.empty for p in parameters)


def _default(layer_class, name):
    for base in layer_class.__mro__:
        parameter = inspect.signature(base.__init__).parameters.get(name)
        if parameter is not None and parameter.default is not inspect.Parameter.empty:
            return parameter.default
    return None


def _plain(value):
    if hasattr(value, "get_config"):
        return [type(value).__name__, value.get_config()]
    if callable(value):
        return value.__name__
    return list(value) if isinstance(value, tuple) else value


def _check_is_kept(kept, value, name):
    if isinstance(value, (int, bool, float)) or name in ("mode", "padding"):
        assert kept == value or kept == (value, value), f"{name} was {value}, is {kept}"
    elif isinstance(value, (tuple, list)):
        assert tuple(kept) == tuple(value), f"{name} was {value}, is {kept}"
    elif isinstance(value, str):
        found = getattr(kept, "__name__", None) or _snake(type(kept).__name__)
        assert kept == value or found.lower() == value.lower(), f"{name} was {value}, is {found}"


def _snake(name):
    return "".join("_" + c.lower() if c.isupper() and i else c.lower() for i, c in enumerate(name))
