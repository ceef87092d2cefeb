"""Windows, moves, tables and combinations: integers, C and Keras agree, in the arena that was priced."""

import keras
import numpy as np
import pytest
from export.agreement import assert_agree
from keras import layers, ops

import keras_efficient as ke
from keras_efficient.export.integer.codes import Codes
from keras_efficient.export.integer.lookup import near_ties
from keras_efficient.layers.quantized.activation import Function

IMAGE, SIGNAL, VECTOR = (7, 9, 3), (12, 3), (9,)
# In turn, one for each case.
SETTINGS = [
    {},
    {"kernel_bits": 4, "activation_bits": 4, "bias_bits": 8, "per_channel": False},
    {"kernel_bits": 3, "activation_bits": 5, "input_bits": 16},
    {"kernel_bits": 4, "activation_bits": 3},
]


def conv(filters=4, **config):
    return layers.Conv2D(filters, 3, padding="same", **config)


def squeezed(y):
    s = conv(2, activation="relu")(layers.GlobalAveragePooling2D(keepdims=True)(y))
    return layers.Multiply()([y, layers.Conv2D(4, 1, activation="hard_sigmoid")(s)])


def densely_squeezed(y):
    s = layers.Reshape((1, 1, 4))(layers.GlobalAveragePooling2D()(y))
    return layers.Multiply()([layers.Dense(4, activation="sigmoid")(s), y])


def causal(y):
    y = layers.Conv1D(5, 2, padding="causal")(y)
    return layers.Conv1D(3, 3, padding="causal", dilation_rate=4)(y)


def thin(y):
    y = layers.DepthwiseConv1D(3, depth_multiplier=2)(y)
    return layers.SeparableConv1D(3, 3, strides=2)(y)


def moved(y):
    y = layers.UpSampling1D(2)(layers.ZeroPadding1D(2)(y))
    return layers.Permute((2, 1))(layers.Cropping1D((1, 0))(y))


def moved_branches(y):
    half = layers.MaxPooling2D(2)(y)
    return layers.Concatenate()([layers.UpSampling2D(2)(half), layers.Cropping2D(((1, 0), (1, 0)))(y)])


def flat_branches(y):
    return layers.Concatenate()([layers.Flatten()(y), layers.Flatten()(layers.MaxPooling2D(2)(y))])


def uniform(low, high):
    return keras.initializers.RandomUniform(low, high, seed=1)


def normalized(y):
    """A batch normalization with other statistics than new ones have."""
    statistics = {"moving_mean_initializer": uniform(-0.5, 1), "moving_variance_initializer": uniform(0.2, 3)}
    return layers.BatchNormalization(beta_initializer=uniform(-1, 1), gamma_initializer=uniform(-1, 2), **statistics)(y)


def thrice_normalized(y):
    y = layers.Dense(6, activation="relu")(normalized(y))
    return normalized(layers.Dense(7)(layers.ReLU()(normalized(y))))


def flat_normalized(y):
    """A flattened map whose pixels do not lie by rows."""
    return normalized(layers.Flatten()(layers.Conv2D(6, 3, activation="relu")(y)))


def each_step(y):
    y = layers.TimeDistributed(layers.Flatten())(layers.TimeDistributed(layers.Dense(5, activation="tanh"))(y))
    return layers.TimeDistributed(layers.ReLU())(layers.Conv1D(4, 2)(layers.TimeDistributed(layers.Dropout(0.5))(y)))


def above_and_beside(y):
    """Two rows more, then columns on both sides."""
    y = layers.Concatenate(axis=1)([layers.MaxPooling2D((3, 1))(y), conv()(y)])
    return layers.Concatenate(axis=-2)([conv(activation="relu")(y), y, conv()(y)[:, :, 2:]])


def sloped(y, shared_axes=None):
    return layers.PReLU(uniform(-0.5, 1), shared_axes=shared_axes)(y)


def on_steps(y):
    """As many numbers as a dense layer on all steps would store."""
    steps = layers.Reshape((4, 2))(y)
    return layers.Dense(8)(steps) + layers.Dense(8, activation="relu")(steps)


def up_again(y):
    half = conv(activation="relu")(layers.MaxPooling2D(2, padding="same")(y))
    return layers.Concatenate()([layers.Cropping2D(((1, 0), (0, 1)))(layers.Conv2DTranspose(4, 2, 2)(half)), y])


CASES = {
    "zeros before a convolution": (IMAGE, lambda y: layers.Conv2D(3, 3, 2)(layers.ZeroPadding2D(((2, 1), (1, 3)))(y))),
    "zeros before a depthwise one": (IMAGE, lambda y: layers.DepthwiseConv2D(3, strides=2)(layers.ZeroPadding2D(1)(y))),
    "zeros before a separable one": (IMAGE, lambda y: layers.SeparableConv2D(3, 3)(layers.ZeroPadding2D((0, 2))(y))),
    "more zeros than a window": (IMAGE, lambda y: layers.Conv2D(3, 2, strides=3)(layers.ZeroPadding2D(5)(y))),
    "one window of zeros and all": (IMAGE, lambda y: layers.Conv2D(3, (7, 9), strides=9)(layers.ZeroPadding2D(1)(y))),
    "dilated": (IMAGE, lambda y: layers.Conv2D(3, 3, dilation_rate=(2, 3))(y)),
    "dilated depthwise": (IMAGE, lambda y: layers.DepthwiseConv2D(3, dilation_rate=2, padding="same")(y)),
    "causal": (SIGNAL, causal),
    "thin signals": (SIGNAL, thin),
    "zeros before a signal's": (SIGNAL, lambda y: layers.Conv1D(3, 5, strides=2)(layers.ZeroPadding1D((2, 1))(y))),
    "padding": (IMAGE, lambda y: layers.MaxPooling2D(3, 2)(layers.ZeroPadding2D(1)(y))),
    "cropping": (IMAGE, lambda y: layers.Cropping2D(((1, 0), (2, 1)))(y)),
    "up-sampling": (IMAGE, lambda y: conv()(layers.UpSampling2D((2, 3))(y))),
    "permute": (IMAGE, lambda y: conv()(layers.Permute((2, 3, 1))(y))),
    "reshape": (IMAGE, lambda y: conv()(layers.Reshape((9, 7, 4))(y))),
    "flatten and back": (IMAGE, lambda y: layers.Conv1D(3, 2)(layers.Reshape((36, 7))(layers.Flatten()(y)))),
    "moves of signals": (SIGNAL, moved),
    "a repeated vector": (VECTOR, lambda y: layers.Conv1D(3, 2)(layers.RepeatVector(4)(y))),
    "slices": (IMAGE, lambda y: y[:, 1:, ::2, 1:3]),
    "a slice that drops rows": (IMAGE, lambda y: y[:, 2, :, 1:]),
    "a slice that drops columns": (IMAGE, lambda y: y[:, :, -1]),
    "a slice that drops channels": (IMAGE, lambda y: y[..., 0]),
    "backwards": (IMAGE, lambda y: ops.flip(y[:, ::-1], axis=2)),
    "ops.pad": (IMAGE, lambda y: ops.pad(y, ((0, 0), (1, 2), (0, 1), (0, 0)))),
    "ops.transpose": (IMAGE, lambda y: ops.transpose(y, (0, 3, 1, 2))),
    "ops.expand_dims": (VECTOR, lambda y: ops.expand_dims(y, 1)),
    "moves in branches": (IMAGE, moved_branches),
    "a view in a branch": (IMAGE, lambda y: layers.Reshape((9, 7, 4))(y) + conv()(layers.Permute((2, 1, 3))(y))),
    "flat maps side by side": (IMAGE, flat_branches),
    "tables": (IMAGE, lambda y: conv(activation="tanh")(layers.Activation("silu")(y))),
    "a table after a normalization": (IMAGE, lambda y: layers.Activation("gelu")(layers.BatchNormalization()(y))),
    "leaky": (IMAGE, lambda y: conv(activation=layers.LeakyReLU(0.2))(layers.LeakyReLU(0.1)(y))),
    "relu with all arguments": (IMAGE, lambda y: layers.ReLU(3.0, 0.2, 0.1)(y)),
    "slopes": (IMAGE, lambda y: layers.PReLU(keras.initializers.RandomUniform(0, 0.5, seed=1), shared_axes=[1, 2])(y)),
    "a constant": (IMAGE, lambda y: 1.0 - y * 0.3),
    "product": (IMAGE, lambda y: layers.Multiply()([y, conv()(y)])),
    "square": (IMAGE, lambda y: y * y),
    "difference": (IMAGE, lambda y: y - conv(activation="relu")(y)),
    "extremes": (IMAGE, lambda y: layers.Maximum()([y, ops.minimum(conv()(y), conv()(y)), conv(activation="relu")(y)])),
    "mean of two": (IMAGE, lambda y: layers.Average()([y, conv()(y)])),
    "mean of three": (IMAGE, lambda y: layers.Average()([y, conv()(y), conv()(y)])),
    "repeated channels": (IMAGE, lambda y: y + layers.Dense(1)(y)),
    "repeated places": (IMAGE, lambda y: layers.Subtract()([layers.GlobalAveragePooling2D(keepdims=True)(y), y])),
    "squeeze and excite": (IMAGE, squeezed),
    "squeeze and excite, dense": (IMAGE, densely_squeezed),
    "a flat map, repeated": (IMAGE, lambda y: layers.RepeatVector(2)(layers.Flatten()(conv()(y)))),
    "a flat map, sliced": (IMAGE, lambda y: layers.Activation("tanh")(layers.Flatten()(y))[:, 10:90:3]),
    "a flat signal, backwards": (SIGNAL, lambda y: ops.flip(layers.Flatten()(layers.Conv1D(3, 2)(y)), axis=1)),
    "normalized vectors": (VECTOR, thrice_normalized),
    "normalized signals": (SIGNAL, lambda y: normalized(layers.Conv1D(5, 3, activation="relu")(y))),
    "normalized images": (IMAGE, lambda y: layers.ReLU()(normalized(conv(activation="relu")(y)))),
    "a normalized flattened map": (IMAGE, flat_normalized),
    "normalized in a branch": (IMAGE, lambda y: layers.Flatten()(y) - normalized(layers.Flatten()(y))),
    "above and beside": (IMAGE, above_and_beside),
    "one after the other": (
        SIGNAL,
        lambda y: layers.Concatenate(axis=1)([y, layers.Conv1D(4, 3)(y), layers.MaxPooling1D(2)(y)]),
    ),
    "a slope for each cell": (IMAGE, lambda y: sloped(layers.Conv2D(6, 3)(y))),
    "a slope for each number": (IMAGE, lambda y: sloped(layers.Flatten()(layers.Conv2D(6, 3)(y)))),
    "slopes of steps": (SIGNAL, lambda y: sloped(layers.MaxPooling1D(2)(y) - sloped(layers.Conv1D(4, 7)(y)))),
    "each step": (IMAGE, each_step),
    "Normalization": (SIGNAL, lambda y: layers.Normalization(mean=[0.1, 0.2, -3, 0], variance=[0.5, 2, 3, 0.1])(y)),
    "Normalization of all": (IMAGE, lambda y: layers.Normalization(None, mean=0.7, variance=0.4, invert=True)(y)),
    "groups": (IMAGE, lambda y: layers.Conv2D(6, 3, 2, groups=2)(layers.ZeroPadding2D(1)(y))),
    "normalized groups": (IMAGE, lambda y: layers.BatchNormalization()(layers.Conv2D(8, 2, groups=4)(y))),
    "means over the edge": (IMAGE, lambda y: layers.AveragePooling2D(3, 2, "same")(y)),
    "means of signals over the edge": (SIGNAL, lambda y: layers.AveragePooling1D(3, 1, "same")(y)),
    "transposed": (IMAGE, lambda y: layers.Conv2DTranspose(4, 3, 2, "same", activation="relu")(y)),
    "normalized and transposed": (
        IMAGE,
        lambda y: layers.ReLU()(layers.BatchNormalization()(layers.Conv2DTranspose(4, (2, 3), (2, 1))(y))),
    ),
    "transposed signals": (SIGNAL, lambda y: layers.Conv1DTranspose(4, 3, 3, "same", 2)(y)),
    "up again": (IMAGE, up_again),
    "groups of signals": (SIGNAL, lambda y: layers.Conv1D(6, 3, padding="same", groups=2, activation="relu")(y)),
    "functions of numbers": (IMAGE, lambda y: ops.clip(ops.abs(y), 0.1, 0.9) - ops.square(y) + ops.floor(y) ** 3),
    "a relu6 that is read twice": (IMAGE, lambda y: layers.Add()([y, layers.ReLU(6.0)(y), ops.relu6(y)])),
    "a function at the end of a branch": (VECTOR, lambda y: layers.Multiply()([ops.erf(y), 0.5 - y])),
    "dense layers on steps of a vector": (VECTOR, on_steps),
}  # fmt: skip


def network(name):
    """A layer, the case, and a dense layer; with inputs of its own."""
    shape, case = CASES[name]
    number = list(CASES).index(name)
    keras.utils.set_random_seed(number)
    inputs = keras.Input(shape)
    y = {1: layers.Dense(8), 2: layers.Conv1D(4, 2), 3: layers.Conv2D(4, 3, padding="same")}[len(shape)](inputs)
    model = keras.Model(inputs, layers.Dense(4)(layers.Flatten()(case(y))))
    x = np.random.default_rng(number).normal(size=(24, *shape)).astype("float32")
    # With others this map lies by rows.
    return model, x, SETTINGS[0 if name == "a normalized flattened map" else number % len(SETTINGS)]


def test_a_normalized_flattened_map_lies_otherwise(tmp_path):
    """Else the case above would not show that its numbers are stored as its cells lie."""
    plain, x, settings = network("a normalized flattened map")
    report = ke.export_c(ke.quantize_model(plain, x=x, mode="freeze_scales", **settings), tmp_path)
    layer = next(layer for layer in report.layers if "batch_norm" in layer["name"])
    assert layer["order"] != "row"


def test_a_normalization_at_the_end(tmp_path, c_compiler):
    inputs = keras.Input((5,))
    plain = keras.Model(inputs, normalized(layers.Dense(3, activation="relu")(inputs)))
    x = np.random.default_rng(0).normal(size=(16, 5)).astype("float32")
    model = ke.quantize_model(plain, x=x, mode="freeze_scales")
    assert_agree(model, x, tmp_path)


@pytest.mark.parametrize("name", CASES)
def test_integers_equal_keras_and_c(name, tmp_path, c_compiler):
    plain, x, settings = network(name)
    assert ke.support_report(plain).exports_c
    model = ke.quantize_model(plain, x=x, mode="freeze_scales", **settings)
    assert not ke.quantization.float_layers(model)
    assert_agree(model, x, tmp_path)


def test_most_tables_are_exact():
    """Else no comparison above would look at Keras."""
    names = ["tables", "leaky", "relu with all arguments", "a constant", "squeeze and excite", "slopes"]
    inexact = []
    for name in names:
        plain, x, settings = network(name)
        inexact += ke.export.IntegerModel(
            ke.quantize_model(plain, x=x, mode="freeze_scales", **settings)
        ).inexact_layers
    assert len(inexact) <= 1


def test_near_ties_are_those_that_floats_may_round_either_way():
    output = Codes(8, True, -3)
    step = 2.0**-3
    assert near_ties(np.array([10.5 * step * (1 + 1e-7)]), output)
    assert not near_ties(np.array([10.5 * step, 10.5 * step * (1 + 1e-5), 500.5 * step * (1 + 1e-7)]), output)


def test_a_padding_that_others_read_is_a_map():
    inputs = keras.Input((5, 5, 2))
    padded = layers.ZeroPadding2D(1)(inputs)
    model = keras.Model(
        inputs, layers.Dense(2)(layers.Flatten()(layers.Add()([layers.Conv2D(2, 3, padding="same")(padded), padded])))
    )
    names = [type(layer).__name__ for layer in ke.quantize_model(model, x=np.ones((2, 5, 5, 2))).layers]
    assert "ZeroPadding2D" in names


def test_zeros_that_a_grid_does_not_have_are_refused():
    inputs = keras.Input((5, 5, 2))
    y = layers.MaxPooling2D(2)(layers.ZeroPadding2D(1)(layers.Conv2D(2, 3)(inputs)))
    plain = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(y)))
    model = ke.quantize_model(plain, activation_bits=2, x=np.random.default_rng(0).normal(size=(4, 5, 5, 2)))
    with pytest.raises(ValueError, match="'zero_padding2d.*': grids of one or two signed bits have no zero"):
        ke.export.IntegerModel(model)


def test_a_table_of_wide_codes_is_refused():
    model = keras.Sequential([keras.Input((4,)), ke.InputQ(16), ke.ActivationQ(8, activation="tanh"), ke.DenseQ(2)])
    with pytest.raises(ValueError, match=r"up to 2\^8 entries. Received: an input of 16 bits"):
        ke.export.IntegerModel(model)


def test_wide_activations_are_narrow_before_a_table():
    plain = keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.Activation("tanh"), layers.Dense(2)])
    model = ke.quantize_model(plain, activation_bits=16, x=np.random.default_rng(0).normal(size=(8, 4)))
    assert [layer.activation_quantizer.bits for layer in model.layers[1:3]] == [8, 16]
    ke.export.IntegerModel(model)


@pytest.mark.parametrize("bits", [8, 16])
def test_a_table_of_the_input(bits, tmp_path, c_compiler):
    """Of 16 bits, also where they were moved, it is rounded to 8 before."""
    inputs = keras.Input((6, 2))
    y = layers.Activation("silu")(layers.ZeroPadding1D(1)(inputs))
    plain = keras.Model(
        inputs, layers.Dense(2)(layers.Flatten()(layers.LeakyReLU()(layers.Concatenate(1)([inputs, y]))))
    )
    x = np.random.default_rng(0).normal(size=(16, 6, 2)).astype("float32")
    assert ke.support_report(plain).exports_c
    model = ke.quantize_model(plain, x=x, input_bits=bits, mode="freeze_scales")
    narrow = [layer.name for layer in model.layers if layer.name.endswith("_input")]
    assert len(narrow) == (bits > 8)
    assert_agree(model, x, tmp_path)
    np.testing.assert_allclose(model.predict(x, verbose=0), plain.predict(x, verbose=0), atol=0.1)


def test_an_input_that_is_also_read_as_it_is(tmp_path, c_compiler):
    """Then nothing prepares it: its grid comes first."""
    inputs = keras.Input((6, 6, 2))
    y = layers.Add()([layers.Conv2D(2, 3, padding="same")(layers.Rescaling(1 / 127.5, -1)(inputs)), inputs / 255.0])
    plain = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(y)))
    x = np.random.default_rng(0).integers(0, 256, (16, 6, 6, 2)).astype("float32")
    assert ke.support_report(plain).exports_c
    model = ke.quantize_model(plain, x=x, mode="freeze_scales")
    integers, _ = assert_agree(model, x, tmp_path)
    assert not integers.input.codes.signed
    np.testing.assert_allclose(model.predict(x, verbose=0), plain.predict(x, verbose=0), atol=0.1)


def test_an_output_that_a_table_reads(tmp_path, c_compiler):
    inputs = keras.Input((5,))
    y = layers.Dense(4)(inputs)
    plain = keras.Model(inputs, [y, layers.Dense(2)(layers.Activation("tanh")(y)), ops.abs(layers.Dense(3)(inputs))])
    x = np.random.default_rng(0).normal(size=(16, 5)).astype("float32")
    assert_agree(ke.quantize_model(plain, x=x, mode="freeze_scales"), x, tmp_path)


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        ("softmax", {}, "`function` must be one of 'clip', 'power'"),
        ("clip", {"x_min": 0}, r"arguments of 'clip' must be \['x_min', 'x_max'\]. Received: arguments={'x_min': 0}"),
    ],
)
def test_functions_that_are_none_of_a_number(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        Function(function, arguments)


def test_functions_of_other_tensors_stay_float():
    inputs = keras.Input((4,))
    y = ops.power(layers.Dense(3)(inputs), ops.relu(layers.Dense(3)(inputs)))
    plain = keras.Model(inputs, layers.Dense(2)(y))
    rows = {row.kind: row for row in ke.support_report(plain).rows}
    assert rows["power"].quantize == "float" and not rows["power"].c


@pytest.mark.parametrize("activation", ["softmax", ops.square, layers.Softmax()])
def test_functions_of_several_numbers_and_unknown_ones_have_no_table(activation):
    model = keras.Sequential([keras.Input((4,)), ke.InputQ(8), ke.ActivationQ(8, activation=activation), ke.DenseQ(2)])
    with pytest.raises(ValueError, match="only functions of a number by itself have a table. Received: activation="):
        ke.export.IntegerModel(model)


@pytest.mark.filterwarnings("ignore:These layers stay float")
def test_what_interpolates_is_no_move():
    inputs = keras.Input((4, 4, 2))
    y = layers.UpSampling2D(2, interpolation="bilinear")(layers.RandomRotation(0.1)(inputs))
    model = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(y)))
    rows = {row.kind: row for row in ke.support_report(model).rows}
    assert not rows["UpSampling2D"].c and rows["RandomRotation"].quantize == "outside"


@pytest.mark.filterwarnings("ignore:No samples were given")
def test_maps_of_four_axes_side_by_side_are_refused():
    inputs = keras.Input((4, 6))
    parts = [layers.Reshape((2, 2, 2, 3))(y) for y in (inputs, layers.Dense(6)(inputs))]
    plain = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(layers.Concatenate()(parts))))
    with pytest.raises(ValueError, match=r"up to three axes, of known sizes. Received: \(2, 2, 2, 6\)"):
        ke.export.IntegerModel(ke.quantize_model(plain))
    assert not ke.support_report(plain).exports_c


def test_a_subclass_that_changes_nothing_is_its_base(tmp_path):
    class Sum(ke.AddQ):
        pass

    class Leaky(layers.LeakyReLU):
        def call(self, x):
            return ops.softmax(x)

    inputs = keras.Input((4,))
    y = ke.InputQ(8)(inputs)
    model = keras.Model(inputs, ke.DenseQ(2)(Sum(activation_bits=8)([y, ke.ActivationQ(8, activation="tanh")(y)])))
    assert ke.export.IntegerModel(model).operations[1].function == "add"
    other = keras.Model(inputs, ke.DenseQ(2)(ke.ActivationQ(8, activation=Leaky())(y)))
    with pytest.raises(ValueError, match="only functions of a number by itself"):
        ke.export.IntegerModel(other)


@pytest.mark.parametrize(("shared_axes", "slopes"), [([1, 2], 3), ([1, 2, 3], 1), (None, 48)])
def test_each_slope_has_a_table(shared_axes, slopes, tmp_path):
    slope = layers.PReLU(shared_axes=shared_axes, alpha_initializer="ones")
    inputs = keras.Input((4, 4, 3))
    y = ke.ActivationQ(8, activation=slope)(ke.InputQ(8)(inputs))
    model = keras.Model(inputs, ke.DenseQ(2, kernel_bits=8)(layers.Flatten()(y)))
    ke.set_mode(model, "freeze_scales")
    weights = slopes * 256 + 48 * 2 + 2
    assert ke.estimate_storage(model).weight_bytes == ke.export_c(model, tmp_path).weight_bytes == weights
