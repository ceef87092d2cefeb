"""The random-basis layers keep the layer contract; their files hold exactly what they compute with."""

from pathlib import Path

import keras
import numpy as np
import numpy_layers
import pytest
from contract import LayerContract
from numpy_hashing import numpy_signs, numpy_uniform

import keras_efficient as ke
from keras_efficient.ops.hashing import hashed_words
from keras_efficient.ops.sketches import coprime_width

_COMMON = {"seed": 7, "activation": "relu", "use_bias": False, "coordinate_bits": 8, "bias_bits": 6}


def kernel(z, shape, seed):
    """The kernel from its definition, entry by entry."""
    rows, width, d = int(np.prod(shape[:-1])), shape[-1], len(z)
    padded = coprime_width(width, d)
    places = [(r, c, r * padded + c) for r in range(rows) for c in range(width)]
    sizes = np.bincount([place % d for _, _, place in places], minlength=d)
    signs = numpy_signs(seed, 0, rows * padded)
    fans = int(np.prod(shape[:-2])) * (shape[-2] + shape[-1])
    start = np.sqrt(6 / fans) * numpy_uniform(seed, 1, rows * width)
    offset = [signs[place] * z[place % d] / np.sqrt(sizes[place % d]) for _, _, place in places]
    return (start + offset).reshape(shape)


def covering(x, bits):
    """Rounded to the smallest power-of-two scale that cuts nothing off."""
    for exponent in range(-40, 41):
        code = np.round(x * 2.0 ** (bits - 1 - exponent))
        if np.abs(code).max() <= 2 ** (bits - 1) - 1:
            return numpy_layers.quantize(x, bits, exponent)


class BasisContract(LayerContract):
    arguments = {}
    weight_names = ("z",)
    left_out = ("kernel_bits", "activation_bits", "signed_output", "mode")
    has_mode = False

    def product(self, x, kernel):
        raise NotImplementedError

    def reference(self, x, weights):
        z = covering(weights[0], 8)
        return np.maximum(self.product(x, kernel(z, self.make().kernel_shape, 7)), 0)

    def test_bias_is_rounded_and_added(self):
        layer = self.make(use_bias=True, activation=None)
        assert [w.name for w in layer.weights] == ["z", "bias"]
        z, bias = layer.get_weights()
        expected = self.product(self.inputs(), kernel(covering(z, 8), layer.kernel_shape, 7)) + covering(bias, 6)
        np.testing.assert_allclose(keras.ops.convert_to_numpy(layer(self.inputs())), expected, atol=1e-5)

    def test_the_kernel_is_affine_in_z(self):
        layer = self.make(coordinate_bits=None)
        z = layer.get_weights()[0]
        computed = keras.ops.convert_to_numpy(layer.kernel())
        np.testing.assert_allclose(computed, kernel(z, layer.kernel_shape, 7), atol=1e-6)
        layer.z.assign(np.zeros_like(z))
        offset = computed - keras.ops.convert_to_numpy(layer.kernel())
        np.testing.assert_allclose(np.sum(offset**2), np.sum(z**2), rtol=1e-5)  # orthonormal directions

    def test_seeds_differ(self):
        kernels = [keras.ops.convert_to_numpy(self.make(seed=seed).kernel()) for seed in (0, 1, 2**32)]
        assert not np.allclose(kernels[0], kernels[1])
        np.testing.assert_array_equal(kernels[0], kernels[2])

    def test_more_coordinates_than_weights_are_refused(self):
        layer = self.layer_class(**{**self.arguments, "dimensions": 10_000})
        with pytest.raises(ValueError, match="`dimensions` must not be larger. Received: dimensions=10000"):
            layer.build(self.input_shape)

    @pytest.mark.parametrize(
        "name, value, message",
        [
            ("dimensions", 0, "`dimensions` must be a positive integer"),
            ("dimensions", 2.5, "`dimensions` must be a positive integer"),
            ("seed", 1.5, "`seed` must be an integer"),
            ("seed", None, "`seed` must be an integer"),
            ("coordinate_bits", 17, "`coordinate_bits` must be an integer from 1 to 16"),
            ("bias_bits", 0, "`bias_bits` must be an integer from 1 to 16"),
        ],
    )
    def test_wrong_arguments_are_refused(self, name, value, message):
        with pytest.raises(ValueError, match=f"{message}.*Received: {name}="):
            self.layer_class(**{**self.arguments, name: value})


def integer_kernel(z, shape, seed, bits, exponent, coordinate_bits):
    """The kernel in `bits` bits from the integers of its definition, entry by entry."""
    rows, width, d = int(np.prod(shape[:-1])), shape[-1], len(z)
    padded = coprime_width(width, d)
    places = [(r, c, r * padded + c) for r in range(rows) for c in range(width)]
    sizes = np.bincount([place % d for _, _, place in places], minlength=d)
    limit = np.sqrt(6 / (int(np.prod(shape[:-2])) * (shape[-2] + shape[-1])))
    f = int(np.floor(np.log2(limit)))
    scaled = (z / np.sqrt(np.maximum(sizes, 1)).astype("float32")).astype("float32")
    q = next(k for k in range(-40, 41) if np.abs(np.round(scaled * 2.0**k)).max() > 2 ** (coordinate_bits - 1) - 1) - 1
    codes = np.round(scaled * 2.0**q).astype(int)
    starts = [int(word & 0xFFFFFF) // 256 - 2**15 for word in hashed_words(seed, 1, rows * width)]
    signs = numpy_signs(seed, 0, rows * padded).astype(int)
    r = 24 - f - (bits - 1 - exponent)
    integers = []
    for row, column, place in places:
        v = round(2 ** (9 - f) * limit) * starts[row * width + column]
        v += int(signs[place]) * int(codes[place % d]) * 2 ** (24 - f - q)
        integers.append(min(max((v + 2 ** (r - 1)) // 2**r, -(2 ** (bits - 1))), 2 ** (bits - 1) - 1))
    return np.reshape(integers, shape) * 2.0 ** (exponent - bits + 1)


class TestRandomBasisDense(BasisContract):
    layer_class = ke.RandomBasisDense
    arguments = {**_COMMON, "units": 6, "dimensions": 9}
    input_shape = (4, 7)
    output_shape = (4, 6)
    supports_masking = True

    def product(self, x, kernel):
        return x @ kernel


class TestRandomBasisConv2D(BasisContract):
    layer_class = ke.RandomBasisConv2D
    arguments = {
        **_COMMON,
        **{"filters": 5, "kernel_size": (3, 2), "dimensions": 10, "strides": (2, 1), "padding": "same"},
    }
    input_shape = (4, 9, 8, 3)
    output_shape = (4, 5, 8, 5)

    def product(self, x, kernel):
        return numpy_layers.conv(x, kernel, (2, 1), "same")


_WIDTHS = {"kernel_bits": 5, "coordinate_bits": 6, "bias_bits": 7, "activation_bits": 8, "mode": "learn_scales"}


class QuantizedContract(LayerContract):
    weight_names = ("z", "bias", "kernel_scale", "bias_scale", "activation_scale")
    left_out = ("use_bias",)
    least_bits = 3

    def reference(self, x, weights):
        z, bias, *scales = weights
        kernel_scale, bias_scale, activation_scale = (int(np.round(scale)) for scale in scales)
        made = integer_kernel(z, self.make().kernel_shape, 7, 5, kernel_scale, 6)
        y = self.product(x, made) + numpy_layers.quantize(bias, 7, bias_scale)
        return numpy_layers.quantize(y, 8, activation_scale)

    def test_narrow_grids_are_refused(self):
        for name in ("kernel_bits", "coordinate_bits"):
            with pytest.raises(ValueError, match=f"`{name}` must be at least 3 .*Received: {name}=2"):
                self.layer_class(**{**self.arguments, name: 2})
        self.layer_class(**{**self.arguments, "kernel_bits": None, "coordinate_bits": 1})

    def test_the_kernel_is_near_the_float_one(self):
        layer = self.make(mode="float")
        values = keras.ops.convert_to_numpy(layer.kernel())
        exponent = int(np.ceil(np.log2(np.abs(values).max()))) + 1
        layer.kernel_quantizer.scale.assign(exponent)
        layer.mode = "freeze_scales"
        codes, step = 4 * np.abs(layer.get_weights()[0]).max() / 2**5, 2.0 ** (exponent - 5)  # steps, half a step
        np.testing.assert_allclose(keras.ops.convert_to_numpy(layer.kernel()), values, atol=codes + step)


class TestQuantizedDense(QuantizedContract):
    layer_class = ke.RandomBasisDense
    arguments = {"units": 6, "dimensions": 9, "seed": 7, "activation": None, **_WIDTHS}
    arguments |= {"signed_output": True}
    input_shape = (4, 7)
    output_shape = (4, 6)
    supports_masking = True

    def product(self, x, kernel):
        return x @ kernel


class TestQuantizedConv2D(QuantizedContract):
    layer_class = ke.RandomBasisConv2D
    arguments = {**TestQuantizedDense.arguments, "filters": 5, "kernel_size": (3, 2), "dimensions": 10}
    arguments |= {"strides": (2, 1), "padding": "same"}
    del arguments["units"]
    input_shape = (4, 9, 8, 3)
    output_shape = (4, 5, 8, 5)

    def product(self, x, kernel):
        return numpy_layers.conv(x, kernel, (2, 1), "same")

    def test_vector_input_is_refused(self):
        with pytest.raises(ValueError, match=r"\(batch, rows, columns, channels\).*Received: input shape \(2, 5\)"):
            ke.RandomBasisConv2D(2, 3, 4)(np.ones((2, 5), "float32"))


def _model(**arguments):
    model = keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            ke.RandomBasisConv2D(4, 3, 11, seed=1, activation="relu", **arguments),
            keras.layers.Flatten(),
            ke.RandomBasisDense(3, 20, seed=2, **arguments),
        ]
    )
    random = np.random.default_rng(0)
    model.set_weights([random.normal(size=w.shape).astype("float32") for w in model.weights])
    return model


def test_a_file_saved_on_tensorflow_predicts_the_same_on_every_backend():
    # Written by fixture/make_random_basis.py.
    folder = Path(__file__).parent / "fixture"
    model = keras.saving.load_model(folder / "random_basis.keras")
    with np.load(folder / "random_basis.npz") as saved:
        np.testing.assert_allclose(model.predict(saved["x"], verbose=0), saved["y"], rtol=0, atol=1e-6)
        assert np.ptp(saved["y"]) > 0.1


_IMAGES = np.random.default_rng(1).normal(size=(5, 6, 6, 2)).astype("float32")


@pytest.mark.parametrize("bits, bias_bits", [(None, None), (8, 8), (4, 8), (3, 5), (1, None), (2, 16)])
def test_a_file_is_read_back_exactly(tmp_path, bits, bias_bits):
    model = _model(coordinate_bits=bits, bias_bits=bias_bits)
    size = ke.export.write_coordinates(model, tmp_path / "model.bin")
    assert size == (tmp_path / "model.bin").stat().st_size == ke.estimate_storage(model).weight_bytes
    again = _model(coordinate_bits=bits, bias_bits=bias_bits)
    again.set_weights([np.zeros(w.shape, "float32") for w in model.weights])
    ke.export.load_coordinates(again, tmp_path / "model.bin")
    np.testing.assert_array_equal(again.predict(_IMAGES, verbose=0), model.predict(_IMAGES, verbose=0))
    ke.export.write_coordinates(again, tmp_path / "again.bin")
    assert (tmp_path / "again.bin").read_bytes() == (tmp_path / "model.bin").read_bytes()


def test_a_float_model_is_rounded_on_request(tmp_path):
    model = _model()
    assert ke.export.write_coordinates(model, tmp_path / "model.bin", bits=8, bias_bits=8) == 40 + 31 + 7
    first, second = ke.export.read_coordinates(tmp_path / "model.bin")
    assert (first.seed, second.seed) == (1, 2)
    np.testing.assert_allclose(first.coordinates, covering(model.get_weights()[0], 8))
    np.testing.assert_allclose(second.biases, covering(model.get_weights()[3], 8))


def test_damaged_and_foreign_files_are_refused(tmp_path):
    path = tmp_path / "model.bin"
    ke.export.write_coordinates(_model(), path)
    content = path.read_bytes()
    changed = bytearray(content)
    changed[30] ^= 1
    for wrong in (b"", content[:-1], content[:30], bytes(changed), b"PK" + content[2:], content + b"x"):
        path.write_bytes(wrong)
        with pytest.raises(ValueError, match="is damaged"):
            ke.export.read_coordinates(path)
    path.write_bytes(content)
    other = keras.Sequential([keras.Input((9,)), ke.RandomBasisDense(4, 11)])
    with pytest.raises(ValueError, match="has 1 random-basis layers. Received: a file with 2"):
        ke.export.load_coordinates(other, path)
    path.write_bytes(content[: 20 + 44 + 16])
    with pytest.raises(ValueError, match=r"\(seed, dimensions, biases\) = \(0, 11, 4\). Received: \(1, 11, 4\)"):
        ke.export.load_coordinates(other, path)


def test_other_weights_are_refused(tmp_path):
    mixed = keras.Sequential([keras.Input((9,)), ke.RandomBasisDense(4, 5), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="must be a random-basis layer. Received: layer"):
        ke.export.write_coordinates(mixed, tmp_path / "model.bin")
    with pytest.raises(ValueError, match="has `kernel_bits`.*Received: kernel_bits=8"):
        ke.export.write_coordinates(_model(kernel_bits=8), tmp_path / "model.bin")
    empty = keras.Sequential([keras.Input((9,)), keras.layers.ReLU()])
    with pytest.raises(ValueError, match="has no random-basis layer"):
        ke.export.write_coordinates(empty, tmp_path / "model.bin")


def test_products_are_those_of_the_plain_layers():
    report = ke.estimate_storage(_model())
    assert report.mult_adds == 4 * 4 * 4 * 9 * 2 + 64 * 3
    assert report.parameters == 11 + 4 + 20 + 3
