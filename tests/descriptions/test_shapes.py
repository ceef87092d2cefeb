"""Shape arithmetic, held against Keras's own where there is a Keras layer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_efficient.descriptions import LayerSpec, output_shape, window_output_size

WINDOWS = [
    (28, 3, 1, "valid", 26),
    (28, 3, 2, "valid", 13),
    (5, 2, 2, "valid", 2),
    (2, 3, 1, "valid", 0),
    (28, 3, 1, "same", 28),
    (5, 3, 2, "same", 3),
    (1, 7, 3, "same", 1),
    (None, 3, 2, "same", None),
    (None, 3, 2, "valid", None),
]


@pytest.mark.parametrize(("size", "kernel", "stride", "padding", "expected"), WINDOWS)
def test_window_output_size(size, kernel, stride, padding, expected):
    assert window_output_size(size, kernel, stride, padding) == expected


@given(st.integers(1, 40), st.integers(1, 9), st.integers(1, 5))
def test_window_output_size_counts_the_windows_that_fit(size, kernel, stride):
    starts = [start for start in range(0, size, stride) if start + kernel <= size]
    assert max(window_output_size(size, kernel, stride, "valid"), 0) == len(starts)
    assert window_output_size(size, kernel, stride, "same") == len(range(0, size, stride))


def test_an_unknown_padding_is_refused():
    with pytest.raises(ValueError, match="padding must be 'valid' or 'same'. Received: 'full'"):
        window_output_size(5, 3, 1, "full")


KERAS_LAYERS = [
    ("Dense", {"units": 4}, (5,)),
    ("Dense", {"units": 4}, (3, 2, 5)),
    ("Conv2D", {"filters": 4, "kernel_size": 3}, (9, 7, 2)),
    (
        "Conv2D",
        {"filters": 4, "kernel_size": [3, 2], "strides": [2, 3], "padding": "same"},
        (9, 7, 2),
    ),
    ("DepthwiseConv2D", {"kernel_size": 3, "depth_multiplier": 3, "strides": 2}, (9, 7, 2)),
    ("SeparableConv2D", {"filters": 4, "kernel_size": 3}, (9, 7, 2)),
    ("MaxPooling2D", {}, (9, 7, 2)),
    ("MaxPooling2D", {"pool_size": 3, "strides": 2, "padding": "same"}, (9, 7, 2)),
    ("AveragePooling2D", {"pool_size": [2, 3]}, (9, 7, 2)),
    ("GlobalAveragePooling2D", {}, (9, 7, 2)),
    ("GlobalMaxPooling2D", {"keepdims": True}, (9, 7, 2)),
    ("Flatten", {}, (9, 7, 2)),
    ("Reshape", {"target_shape": [7, -1]}, (9, 7, 2)),
    ("Reshape", {"target_shape": [126]}, (9, 7, 2)),
    ("Dropout", {"rate": 0.1}, (9, 7, 2)),
    ("SpatialDropout2D", {"rate": 0.1}, (9, 7, 2)),
    ("GaussianNoise", {"stddev": 0.1}, (9,)),
    ("Activation", {"activation": "relu"}, (9, 7, 2)),
    ("ReLU", {}, (9, 7, 2)),
    ("LeakyReLU", {}, (9, 7, 2)),
    ("Softmax", {}, (9,)),
    ("BatchNormalization", {}, (9, 7, 2)),
    ("ZeroPadding2D", {"padding": 2}, (9, 7, 2)),
    ("ZeroPadding2D", {"padding": [1, 2]}, (9, 7, 2)),
    ("ZeroPadding2D", {"padding": [[1, 0], [2, 3]]}, (9, 7, 2)),
    ("Rescaling", {"scale": 0.5, "offset": 0.0}, (9, 7, 2)),
]


@pytest.mark.parametrize(("class_name", "config", "shape"), KERAS_LAYERS)
def test_shapes_are_those_of_keras(class_name, config, shape):
    keras = pytest.importorskip("keras")
    layer = getattr(keras.layers, class_name).from_config(dict(config))
    expected = layer.compute_output_shape((None, *shape))[1:]
    assert output_shape(LayerSpec(class_name, config), shape) == tuple(expected)
    # The configuration that Keras itself writes, with every default spelled out, reads the same.
    assert output_shape(LayerSpec(class_name, layer.get_config()), shape) == tuple(expected)


def test_sizes_that_are_not_known_stay_unknown():
    spec = LayerSpec("Conv2D", {"filters": 4, "kernel_size": 3})
    assert output_shape(spec, (None, 9, 1)) == (None, 7, 4)
    assert output_shape(LayerSpec("Flatten", {}), (None, 7, 4)) == (None,)
    assert output_shape(LayerSpec("ZeroPadding2D", {}), (None, 7, 4)) == (None, 9, 4)
