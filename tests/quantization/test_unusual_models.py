"""Models that are rare, and were once wrong without a word: what is right, what is refused, what is warned of."""

import warnings

import keras
import numpy as np
import pytest
from keras import ops

import keras_efficient as ke

L = keras.layers
_X = np.random.default_rng(0).normal(size=(64, 12)).astype("float32")


def _model(*outputs):
    inputs = keras.Input((12,))
    made = [output(inputs) for output in outputs]
    return keras.Model(inputs, made if len(made) > 1 else made[0])


def _outputs(model, x=_X):
    return [ops.convert_to_numpy(each) for each in keras.tree.flatten(model(ops.convert_to_tensor(x)))]


def _values(model):
    """What the integers stand for."""
    integers = ke.export.IntegerModel(model)
    return integers.predict(integers.encode(_X)) * 2.0**integers.logit_exponent


@pytest.mark.parametrize(
    "last",
    [
        lambda x: ops.square(L.Dense(3)(x)),
        lambda x: ops.abs(L.Dense(3, bias_initializer=keras.initializers.Constant(7))(x)),
        lambda x: L.Dropout(0.1)(ops.clip(L.Dense(3, bias_initializer=keras.initializers.Constant(7))(x), 0, 10)),
    ],
)
def test_outputs_that_are_never_negative_are_whole(last):
    quantized = ke.quantize_model(_model(last), x=_X)
    (expected,) = _outputs(quantized)
    np.testing.assert_array_equal(_values(quantized), expected)
    assert expected.min() >= 0


@pytest.mark.one_backend
def test_outputs_of_16_bits_without_a_sign_are_refused():
    inputs = keras.Input((8, 8, 1))
    model = keras.Model(inputs, L.Flatten()(L.MaxPooling2D()(L.Conv2D(2, 3, activation="relu")(inputs))))
    x = np.random.default_rng(0).normal(size=(8, 8, 8, 1)).astype("float32")
    report = ke.support_report(quantized := ke.quantize_model(model, activation_bits=16, x=x))
    assert not report.exports_c
    with pytest.raises(ValueError, match="the output of '.*' has 16 bits without a sign"):
        ke.export.IntegerModel(quantized)
    ke.export.IntegerModel(ke.quantize_model(model, activation_bits=15, x=x))


@pytest.mark.one_backend
@pytest.mark.parametrize("first", [lambda x: x, L.Rescaling(0.5)])
def test_an_output_that_is_an_input_is_refused(first):
    inputs = keras.Input((12,))
    x = first(inputs)
    model = keras.Model(inputs, [L.Dense(2)(x), x])
    quantized = ke.quantize_model(model, x=_X)
    assert any("gives an input" in reason for reason in ke.support_report(model).reasons)
    for tool in (ke.estimate_storage, ke.export.IntegerModel):
        with pytest.raises(ValueError, match="gives an input, .* as an output: leave that output out"):
            tool(quantized)


def test_slopes_stay_with_their_table():
    """Where a rounding stands between, as the map before is an output, too."""
    inputs = keras.Input((12,))
    x, slopes = L.Dense(4)(inputs), L.PReLU(alpha_initializer=keras.initializers.Constant(0.3))
    model = keras.Model(inputs, [L.Dense(2)(slopes(x)), x])
    quantized = ke.quantize_model(model, x=_X, mode="float")
    for found, expected in zip(_outputs(quantized), _outputs(model), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)


@keras.saving.register_keras_serializable("unusual")
class _Inner(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = L.Dense(4)

    def call(self, x):
        return self.dense(x)


@pytest.mark.filterwarnings("ignore:These layers stay float")
def test_a_model_of_a_class_of_its_own_keeps_its_weights():
    model = _model(lambda x: L.Dense(2)(_Inner()(x)))
    quantized = ke.quantize_model(model, mode="float")
    np.testing.assert_allclose(_outputs(quantized)[0], _outputs(model)[0], atol=1e-5)


def relu(x):
    """Not Keras's."""
    return 0.5 * x


@pytest.mark.filterwarnings("ignore:These layers stay float")
def test_a_function_with_the_name_of_one_of_keras_stays_itself():
    model = _model(lambda x: L.Dense(2)(L.Dense(4, activation=relu)(x)))
    for copy in (ke.prune_model(model, ke.ConstantSparsity(0.0)), ke.quantize_model(model, mode="float")):
        np.testing.assert_allclose(_outputs(copy)[0], _outputs(model)[0], atol=1e-5)


@pytest.mark.one_backend
@pytest.mark.filterwarnings("ignore:These layers stay float")
def test_numbers_that_are_not_finite_are_warned_of():
    model = _model(lambda x: x / ops.sqrt(ops.sum(ops.square(L.Dense(12)(x)), axis=-1, keepdims=True)))
    x = np.zeros((4, 12), "float32") + 1e-3
    x[0] = 1
    with pytest.warns(UserWarning, match="The quantized outputs differ by (nan|inf)%"), np.errstate(all="ignore"):
        ke.quantize_model(model, x=x)


@pytest.mark.one_backend
def test_a_head_that_is_read_on_is_named():
    inputs = keras.Input((12,))
    x = L.Dense(4, activation="tanh", name="hidden")(inputs)
    with pytest.warns(UserWarning, match="These layers stay float.*hidden_tanh"):
        ke.quantize_model(keras.Model(inputs, [x, L.Dense(2)(x)]), x=_X)


@pytest.mark.one_backend
def test_functions_that_the_c_leaves_out_are_named(tmp_path):
    for activation in ("softmax", "sigmoid", "linear", "relu"):
        ke.export_c(ke.quantize_model(_model(L.Dense(3, activation)), x=_X), tmp_path / activation)
    quantized = ke.quantize_model(_model(L.Dense(3, "tanh", name="last")), x=_X)
    with pytest.warns(UserWarning, match=r"The C gives what .* before its last functions: last_tanh \(Activation\)"):
        ke.export_c(quantized, tmp_path / "tanh")


@pytest.mark.one_backend
def test_scales_that_nobody_set_are_told(tmp_path):
    plain = _model(L.Dense(3))
    with pytest.warns(UserWarning, match="the scales of all activations are 1, as in a new layer"):
        ke.export_c(ke.quantize_model(plain, mode="freeze_scales"), tmp_path / "new")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        ke.export_c(ke.quantize_model(plain, x=_X), tmp_path / "calibrated")


@pytest.mark.one_backend
def test_what_is_not_meant_is_refused():
    plain = _model(L.Dense(3))
    with pytest.raises(ValueError, match="`quantized_model` must hold quantized layers"):
        ke.calibrate(plain, x=_X)
    with pytest.warns(UserWarning, match="No layer of .* is quantized: the mode changes nothing"):
        ke.set_mode(plain, "freeze_scales")
    with pytest.raises(ValueError, match=r"names no layer of the model: 'dnse.*' \(did you mean 'dense"):
        ke.quantize_model(plain, x=_X, overrides={plain.layers[-1].name.replace("dense", "dnse"): None})
    layer = L.Dense(3, name="tuned")
    updated = _model(layer)
    layer.enable_lora(1)
    with pytest.raises(ValueError, match="Layer 'tuned' .* must have its plain weights. Received: an update of low"):
        ke.quantize_model(updated, x=_X)
    for x, message in (
        ((_X, np.arange(64)), r"of \(x, y\) give x\). Received: 2 arrays of shapes \(64, 12\), \(64,\)"),
        (iter([(row, 0) for row in _X]), r"a data set gives batches: dataset.batch\(32\)"),
    ):
        with pytest.raises(ValueError, match=message):
            ke.quantize_model(plain, x=x)


@pytest.mark.one_backend
def test_axes_may_be_counted_from_the_end():
    inputs = keras.Input((4, 3))
    model = keras.Model(inputs, L.Flatten()(ops.transpose(L.Dense(2)(inputs), (0, -1, 1))))
    x = np.random.default_rng(0).normal(size=(8, 4, 3)).astype("float32")
    quantized = ke.quantize_model(model, x=x, mode="float")
    np.testing.assert_allclose(_outputs(quantized, x)[0], _outputs(model, x)[0], atol=1e-5)


def _twice(x):
    return 2 * x


@pytest.mark.filterwarnings("ignore:These layers stay float")
def test_a_layer_of_a_function_that_is_not_registered_stays():
    model = _model(lambda x: L.Dense(2)(L.Activation(_twice)(L.Dense(4)(x))))
    quantized = ke.quantize_model(model, mode="float")
    np.testing.assert_allclose(_outputs(quantized)[0], _outputs(model)[0], atol=1e-5)


@pytest.mark.one_backend
def test_new_axes_rename_places():
    inputs = keras.Input((12,))
    model = keras.Model(inputs, L.Flatten()(L.Conv1D(3, 1)(inputs[:, None, :])))
    quantized = ke.quantize_model(model, x=_X)
    np.testing.assert_array_equal(_values(quantized), _outputs(quantized)[0])
    mixed = keras.Model(inputs, L.Flatten()(L.Conv1D(3, 1)(inputs[:, None, ::2])))
    with pytest.raises(ValueError, match="a slice is read where it has whole numbers and slices"):
        ke.export.IntegerModel(ke.quantize_model(mixed, x=_X))


@pytest.mark.one_backend
def test_batches_may_be_lists_of_one_array():
    model = _model(L.Dense(3))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        lists, arrays = (ke.quantize_model(model, x=x) for x in (iter([[_X[:32]], [_X[32:]]]), _X))
    assert ke.quantization.scale_table(lists) == ke.quantization.scale_table(arrays)
