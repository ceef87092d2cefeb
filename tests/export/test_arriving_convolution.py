"""A first convolution that runs while the input arrives: as much RAM as priced, and the same logits."""

import keras
import numpy as np
import pytest
from export.agreement import assert_agree
from keras import layers

import keras_efficient as ke
from keras_efficient.export.verify import run_on_host

IMAGE, SIGNAL = (13, 11, 2), (90, 1)


def strided(y):
    return layers.Conv2D(5, 3, strides=2, padding="same", activation="relu")(y)


def padded(zeros, layer):
    return lambda y: layer(layers.ZeroPadding2D(zeros)(y))


def residual(y):
    """A network with branches."""
    y = strided(y)
    return layers.Add()([y, layers.Conv2D(5, 3, padding="same", activation="relu")(y)])


CASES = {
    "same": (IMAGE, strided),
    "valid": (IMAGE, layers.Conv2D(5, (4, 2), strides=(3, 1))),
    "windows apart": (IMAGE, layers.Conv2D(5, 2, strides=(4, 3))),
    "high windows": ((8, 40, 2), layers.Conv2D(2, (2, 9), strides=(1, 4), padding="same")),
    "dilated": ((16, 9, 2), layers.Conv2D(2, (3, 2), dilation_rate=(2, 3), padding="same")),
    "groups": ((13, 11, 4), layers.Conv2D(6, 3, strides=2, groups=2)),
    "depthwise": (IMAGE, layers.DepthwiseConv2D(3, strides=2, padding="same", depth_multiplier=2)),
    "zeros around": (IMAGE, padded(((0, 1), (2, 1)), layers.Conv2D(5, 3, strides=2))),
    "one column": ((60, 1, 2), layers.Conv2D(3, (5, 1), strides=(2, 1))),
    "signal": (SIGNAL, layers.Conv1D(2, 9, strides=4, activation="relu")),
    "causal": ((90, 4), layers.Conv1D(1, 3, padding="causal", dilation_rate=3, strides=1)),
    "same signal": ((91, 3), layers.Conv1D(4, 8, strides=3, padding="same")),
    "branches": ((13, 11, 12), residual),
    "windows before the map": (IMAGE, padded(((3, 0), (4, 0)), layers.Conv2D(5, 3, strides=(4, 3)))),
    "windows around the map": (IMAGE, padded(((4, 4), (5, 5)), layers.Conv2D(5, 2, strides=3))),
    "windows before the signal": (SIGNAL, lambda y: layers.Conv1D(2, 2, strides=5)(layers.ZeroPadding1D((5, 7))(y))),
    "longer than the signal": ((6, 12), layers.Conv1D(1, 9, padding="same")),
}
WIDTHS = [{}, {"activation_bits": 4, "kernel_bits": 4}, {"activation_bits": 3, "input_bits": 16}]


def network(name, number=0):
    shape, first = CASES[name]
    keras.utils.set_random_seed(number)
    inputs = keras.Input(shape)
    plain = keras.Model(inputs, layers.Dense(3)(layers.Flatten()(first(inputs))))
    x = np.random.default_rng(number).normal(size=(12, *shape)).astype("float32")
    return ke.quantize_model(plain, x=x, mode="freeze_scales", **WIDTHS[number % len(WIDTHS)]), x


def assert_input_is_not_stored(folder):
    source = (folder / "network.c").read_text()
    push = source[source.index("void network_push(") :]
    assert "network_layer_1(" in push
    assert "NETWORK_HOOK(0);" in push


@pytest.mark.parametrize("target", ["host", "dsp"])
@pytest.mark.parametrize(("number", "name"), list(enumerate(CASES)))
def test_integers_keras_and_c_agree(name, number, target, tmp_path, c_compiler):
    model, x = network(name, number)
    assert_agree(model, x, tmp_path, target=target)
    if name != "longer than the signal":  # whose every output waits for the last line
        assert_input_is_not_stored(tmp_path)


def test_a_wide_input_is_on_the_grid_of_the_layer(tmp_path, c_compiler):
    """What is kept are codes of 4 bits, of numbers of 16."""
    inputs = keras.Input((12, 10, 3))
    y = ke.ActivationQ(4, signed=True)(ke.InputQ(16, signed=True)(inputs))
    y = ke.ConvQ(4, 3, strides=2, kernel_bits=4, activation_bits=4)(y)
    model = keras.Model(inputs, ke.DenseQ(3)(layers.Flatten()(y)))
    x = np.random.default_rng(0).normal(size=(12, 12, 10, 3)).astype("float32")
    ke.calibrate(model, model, x)
    ke.set_mode(model, "freeze_scales")
    assert_agree(model, x, tmp_path)
    assert_input_is_not_stored(tmp_path)
    assert ke.estimate_storage(model).activation_bytes == 5 * 4 * 4 / 2 + 3 * 10 * 3 / 2


def test_the_layer_may_be_the_last(tmp_path, c_compiler):
    inputs = keras.Input((40, 2))
    plain = keras.Model(inputs, layers.Flatten()(layers.Conv1D(1, 3, strides=4)(inputs)))
    x = np.random.default_rng(0).normal(size=(12, 40, 2)).astype("float32")
    assert_agree(ke.quantize_model(plain, x=x, mode="freeze_scales"), x, tmp_path)
    assert_input_is_not_stored(tmp_path)


def test_weights_of_a_layer_that_is_called_again_are_stored_once(tmp_path, c_compiler):
    shared = layers.Conv2D(2, 3, strides=2, padding="same", activation="relu")
    inputs = keras.Input((12, 12, 2))
    y = shared(inputs)
    y = layers.Add()([shared(y), layers.MaxPooling2D(2)(y)])
    plain = keras.Model(inputs, layers.Dense(3)(layers.Flatten()(y)))
    x = np.random.default_rng(0).normal(size=(12, 12, 12, 2)).astype("float32")
    assert_agree(ke.quantize_model(plain, x=x, mode="freeze_scales"), x, tmp_path)
    assert_input_is_not_stored(tmp_path)


@pytest.mark.parametrize("turned", [False, True])
def test_an_input_that_others_read_is_stored(turned, tmp_path, c_compiler):
    inputs = keras.Input((12, 12, 2))
    convolved = layers.Conv2D(2, 3, strides=2, padding="same", name="zb"[turned])
    pooled = layers.DepthwiseConv2D(2, strides=2, name="a")
    parts = [pooled, convolved] if turned else [convolved, pooled]
    y = layers.Concatenate()([part(inputs) for part in parts])
    plain = keras.Model(inputs, layers.Dense(3)(layers.Flatten()(y)))
    x = np.random.default_rng(0).normal(size=(12, 12, 12, 2)).astype("float32")
    model = ke.quantize_model(plain, x=x, mode="freeze_scales")
    assert_agree(model, x, tmp_path)
    assert not ke.estimate_storage(model).streaming


def test_an_input_is_stored_where_the_arena_is_as_large_anyway(tmp_path):
    """The layer would need less, but the next one does not."""
    inputs = keras.Input((12, 12, 2))
    y = layers.Conv2D(8, 3, padding="same")(layers.Conv2D(1, 3, strides=2, padding="same")(inputs))
    plain = keras.Model(inputs, layers.Dense(3)(layers.Flatten()(y)))
    model = ke.quantize_model(plain, x=np.ones((2, 12, 12, 2)), mode="freeze_scales")
    report = ke.export_c(model, tmp_path)
    first = ke.estimate_storage(model).layers[1].working_bytes
    assert first == 6 * 6 + 3 * 12 * 2 < 12 * 12 * 2 < report.arena_bytes
    with pytest.raises(AssertionError):
        assert_input_is_not_stored(tmp_path)


def test_a_pruned_kernel(tmp_path, c_compiler):
    model, x = network("same")
    kernel = next(layer for layer in model.layers if hasattr(layer, "kernel")).kernel
    values = np.array(kernel)
    values[np.random.default_rng(0).random(values.shape) < 0.9] = 0
    kernel.assign(values)
    assert_agree(model, x, tmp_path)
    assert ke.export_c(model, tmp_path).layers[0]["weight_format"] != "dense"
    assert_input_is_not_stored(tmp_path)


def test_an_input_that_is_not_whole_is_forgotten(tmp_path, c_compiler):
    """After network_reset() the lines that were kept say nothing."""
    model, x = network("same")
    integers = ke.export.IntegerModel(model)
    ke.export_c(model, tmp_path)
    codes = integers.encode(x)
    main = tmp_path / "main_host.c"
    text = main.read_text()
    assert "network_reset" not in text
    pushes = "uint32_t pushed; for (pushed = 0; pushed < 100; ++pushed) network_push(7); network_reset(); pushed = 0;"
    main.write_text(text.replace("uint32_t pushed = 0;", pushes, 1))
    assert run_on_host(tmp_path, codes[:2]).logits.tolist() == integers.predict(codes[:2]).tolist()
