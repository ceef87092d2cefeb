"""Random-basis layers in C: the kernel is made of the seed and the coordinates, and equals Keras's."""

import keras
import numpy as np
import pytest
from export.agreement import assert_agree
from keras import layers

import keras_efficient as ke
from keras_efficient.export.integer.grids import UnsupportedLayerError

WIDTHS = {
    "of 8 bits": {"kernel_bits": 8, "bias_bits": 8, "activation_bits": 8},
    "narrow": {"kernel_bits": 3, "bias_bits": 6, "activation_bits": 4, "coordinate_bits": 4},
    "wide": {"kernel_bits": 16, "bias_bits": 16, "activation_bits": 7, "coordinate_bits": 16},
    "a bit": {"kernel_bits": 5, "bias_bits": 8, "activation_bits": 3, "coordinate_bits": 3},
}


def images(**bits):
    """Windows over the edge, blocks of filters and what is left of them, a dense layer on columns; the first layer runs
    while the input arrives."""
    return (11, 9, 2), [
        ke.RandomBasisConv2D(11, 3, 70, seed=2**31 + 5, strides=2, padding="same", activation="relu", **bits),
        ke.RandomBasisConv2D(8, (2, 3), 31, seed=-3, activation="relu", **bits),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        ke.RandomBasisDense(10, 57, seed=9, **bits),
    ]


def vectors(**bits):
    """More coordinates than a row has entries, and as many; no bias."""
    return (13,), [
        ke.RandomBasisDense(7, 40, seed=1, activation="relu", **bits),
        ke.RandomBasisDense(16, 16, seed=2, use_bias=False, **bits),
        ke.RandomBasisDense(3, 1, seed=3, **bits),
    ]


def columns(**bits):
    """A dense layer on a map that does not lie by rows."""
    return (9, 9, 1), [
        ke.ConvQ(6, 3, activation="relu", kernel_bits=4, bias_bits=8, activation_bits=bits["activation_bits"]),
        ke.ConvQ(6, 3, activation="relu", kernel_bits=4, bias_bits=8, activation_bits=bits["activation_bits"]),
        layers.Flatten(),
        ke.RandomBasisDense(3, 57, seed=9, **bits),
    ]


def network(make, bits, seed=0, grid=(ke.InputQ,)):
    shape, stack = make(**bits)
    random = np.random.default_rng(seed)
    model = keras.Sequential([keras.Input(shape), *(kind(8) for kind in grid), *stack])
    for layer in stack:
        if hasattr(layer, "z"):
            layer.z.assign(random.normal(0, 0.5, layer.z.shape))
            if layer.use_bias:
                layer.bias.assign(random.normal(0, 0.3, layer.bias.shape))
    x = random.uniform(0, 1, (24, *shape)).astype("float32")
    ke.calibrate(model, model, x)
    ke.set_mode(model, "freeze_scales")
    return model, x


@pytest.mark.parametrize("target", ["host", "dsp"])
@pytest.mark.parametrize("bits", WIDTHS)
@pytest.mark.parametrize("make", [images, vectors])
def test_integers_keras_and_c_agree(make, bits, target, tmp_path, c_compiler):
    model, x = network(make, WIDTHS[bits])
    assert_agree(model, x, tmp_path, target=target)
    stored = sum(
        layer.dimensions * (layer.coordinate_bits or 8) / 8 + 4 for layer in model.layers if hasattr(layer, "z")
    )
    biases = sum(
        layer.bias.shape[0] * layer.bias_bits / 8 for layer in model.layers if getattr(layer, "use_bias", False)
    )
    assert ke.estimate_storage(model).weight_bytes == stored + biases


def test_a_map_that_does_not_lie_by_rows(tmp_path, c_compiler):
    model, x = network(columns, WIDTHS["of 8 bits"])
    assert_agree(model, x, tmp_path)
    assert ke.export_c(model, tmp_path).layers[-2]["order"] != "row"


def test_extreme_scales_stay_within_32_bits(tmp_path, c_compiler):
    """Coordinates far larger and far smaller than the start, kernel steps far finer and coarser."""
    for factor, scale in ((1e4, 3), (1e-9, -12), (30, 12), (1e-3, -20)):
        model, x = network(images, WIDTHS["of 8 bits"])
        layer = model.layers[1]
        layer.z.assign(factor * np.array(layer.z))
        layer.kernel_quantizer.scale.assign(scale)
        integers = ke.export.IntegerModel(model)
        codes = integers.encode(x)
        ke.export_c(model, tmp_path)
        np.testing.assert_array_equal(ke.export.verify.run_on_host(tmp_path, codes).logits, integers.predict(codes))


def test_sums_are_the_logits_where_pixels_come(tmp_path, c_compiler):
    model, x = network(images, WIDTHS["narrow"], grid=())
    assert_agree(model, x, tmp_path)


def test_pruned_coordinates_leave_the_start(tmp_path, c_compiler):
    model, x = network(images, WIDTHS["of 8 bits"])
    for layer in model.layers:
        if hasattr(layer, "z"):
            z = np.array(layer.z)
            z[::2] = 0
            layer.z.assign(z)
    assert_agree(model, x, tmp_path)


def test_float_parts_are_refused_by_name():
    model = keras.Sequential([keras.Input((5,)), ke.InputQ(8), ke.RandomBasisDense(3, 4, kernel_bits=8)])
    with pytest.raises(UnsupportedLayerError, match="it needs `bias_bits`, `activation_bits`"):
        ke.export.IntegerModel(model)
