"""The counter hash, and the random basis made of it."""

import hashlib
import json

import keras
import numpy as np
import pytest
from compiling import compiled
from numpy_hashing import numpy_signs, numpy_uniform

from keras_efficient import ops
from keras_efficient.ops import hashing, sketches


def _numpy(x):
    return keras.ops.convert_to_numpy(x)


def _matrix(n, dimensions, seed=3, salt=0):
    """The basis (n, d) of expand, and that of project, column by column."""
    eye = np.eye(dimensions, dtype="float32")
    columns = np.stack([_numpy(ops.strided_expand(keras.ops.convert_to_tensor(e), n, seed, salt)) for e in eye], 1)
    eye = np.eye(n, dtype="float32")
    rows = np.stack([_numpy(ops.strided_project(keras.ops.convert_to_tensor(e), dimensions, seed, salt)) for e in eye])
    return columns, rows


def test_golden_signs(golden):
    for case in json.loads(golden("hashed_signs.json").read_text()):
        for signs in (ops.hashed_signs, numpy_signs):
            values = _numpy(signs(case["seed"], case["salt"], case["n"]))
            assert values.dtype == np.int8
            text = "".join("+" if sign > 0 else "-" for sign in values[:64])
            assert text == case["first_64"]
            assert hashlib.sha1(values.tobytes()).hexdigest() == case["sha1"]


def test_golden_signs_written_out():
    # Also where the golden files are missing.
    signs = _numpy(ops.hashed_signs(-77, 0, 100003))
    assert hashlib.sha1(signs.tobytes()).hexdigest().startswith("883e86a45f")


def test_golden_uniform():
    for uniform in (ops.hashed_uniform, numpy_uniform):
        values = _numpy(uniform(5, 1, 1000))
        assert values.dtype == np.float32
        assert hashlib.sha1(values.tobytes()).hexdigest().startswith("12e5d20dc6")


@pytest.mark.parametrize("seed, salt", [(0, 0), (-1, 3), (2**32 + 5, -2), (2**31, 2**31 - 1)])
def test_tensors_and_integers_are_the_same_seeds(seed, salt):
    tensors = [hashing.as_word(seed), hashing.as_word(salt)]
    signs = _numpy(ops.hashed_signs(seed, salt, 70))
    np.testing.assert_array_equal(_numpy(ops.hashed_signs(*tensors, 70)), signs)
    np.testing.assert_array_equal(numpy_signs(seed + 2**32, salt - 2**32, 70), signs)


def test_compiled_numbers_have_the_same_bits():
    # Of seeds that the compiler knows, and of tensors; torch computes a word by itself where 32 signs share it.
    signs, uniform = compiled(lambda: ops.hashed_signs(3, 0, 1000)), compiled(lambda: ops.hashed_uniform(3, 0, 1000))
    np.testing.assert_array_equal(_numpy(signs()), numpy_signs(3, 0, 1000))
    np.testing.assert_array_equal(_numpy(uniform()), numpy_uniform(3, 0, 1000))
    signs = compiled(lambda seed, salt: ops.hashed_signs(seed, salt, 70))
    uniform = compiled(lambda seed, salt: ops.hashed_uniform(seed, salt, 70))
    for seed, salt in ((3, 0), (-1, 3), (2**31 - 1, -(2**31)), (-(2**31), 2**31 - 1), (12345678, 87654321)):
        tensors = [keras.ops.convert_to_tensor(word, dtype="int32") for word in (seed, salt)]
        np.testing.assert_array_equal(_numpy(signs(*tensors)), numpy_signs(seed, salt, 70))
        np.testing.assert_array_equal(_numpy(uniform(*tensors)), numpy_uniform(seed, salt, 70))


def test_uniform_and_normal_numbers_have_their_moments():
    uniform, normal = _numpy(ops.hashed_uniform(1, 0, 40001)), _numpy(ops.hashed_normals(1, 0, 40001))
    assert uniform.min() >= -1 and uniform.max() < 1 and len(normal) == 40001
    assert abs(uniform.mean()) < 0.01 and abs(uniform.var() - 1 / 3) < 0.01
    assert abs(normal.mean()) < 0.02 and abs(normal.var() - 1) < 0.03


@pytest.mark.parametrize("n", [0, 1, 31, 32, 33])
def test_any_count(n):
    np.testing.assert_array_equal(_numpy(ops.hashed_signs(1, 0, n)), numpy_signs(1, 0, 40)[:n])


@pytest.mark.parametrize("n", [-1, 2.0, "3", None, True])
def test_wrong_counts_are_refused(n):
    with pytest.raises(ValueError, match="`n` must be an integer of at least 0. Received: n="):
        ops.hashed_signs(0, 0, n)


@pytest.mark.parametrize("n, dimensions", [(37, 5), (40, 8), (16, 16), (9, 1)])
def test_project_is_the_transpose_of_expand(n, dimensions):
    columns, rows = _matrix(n, dimensions)
    np.testing.assert_allclose(columns, rows, atol=1e-6)


@pytest.mark.parametrize("n, dimensions", [(37, 5), (40, 8), (16, 16)])
def test_the_strided_projector_is_symmetric_and_idempotent(n, dimensions):
    columns, _ = _matrix(n, dimensions)
    np.testing.assert_allclose(columns.T @ columns, np.eye(dimensions), atol=1e-6)
    projector = columns @ columns.T
    np.testing.assert_allclose(projector, projector.T, atol=1e-6)
    np.testing.assert_allclose(projector @ projector, projector, atol=1e-6)


def test_the_strided_sketch_by_hand():
    signs = numpy_signs(3, 2, 10).astype("float32")
    x = np.arange(1, 11, dtype="float32")
    expected = [sum((signs * x)[b::3]) / np.sqrt(len(x[b::3])) for b in range(3)]
    np.testing.assert_allclose(
        _numpy(ops.strided_project(keras.ops.convert_to_tensor(x), 3, 3, 2)), expected, rtol=1e-6
    )


@pytest.mark.parametrize("dtype", ["float64", "float16"])
def test_the_sketch_keeps_the_dtype(dtype):
    x = keras.ops.convert_to_tensor(np.arange(10.0).astype(dtype))
    coordinates = ops.strided_project(x, 3, 1, 2)
    full = ops.strided_project(keras.ops.cast(x, "float32"), 3, 1, 2)
    np.testing.assert_allclose(_numpy(coordinates), _numpy(full), rtol=1e-2)
    assert _numpy(ops.strided_expand(coordinates, 10, 1, 2)).shape == (10,)


def test_salts_of_any_size():
    x = keras.ops.convert_to_tensor(np.arange(10, dtype="float32"))
    large, small = (_numpy(ops.strided_project(x, 3, 2**40 + 1, salt)) for salt in (2**40 + 2, 2))
    np.testing.assert_array_equal(large, small)


def test_integers_of_numpy_are_seeds():
    for seed, salt in ((np.int32(-3), 2), (np.uint32(2**32 - 1), np.int32(7)), (np.int64(2**40), np.uint8(1))):
        np.testing.assert_array_equal(
            ops.hashed_words(seed, salt, 5), ops.hashed_words(int(seed) % 2**32, int(salt), 5)
        )


def test_directions_cover_the_space_evenly():
    # E[P P'] = d / n: the law that makes a step of RBD one of SGD at d / n of its learning rate.
    n, dimensions = 48, 6
    eye, projectors = np.eye(dimensions, dtype="float32"), []
    for salt in range(60):
        columns = np.stack([_numpy(ops.strided_expand(keras.ops.convert_to_tensor(e), n, 5, salt)) for e in eye], 1)
        projectors.append(columns @ columns.T)
    mean = np.mean(projectors, 0)
    np.testing.assert_allclose(np.diag(mean), dimensions / n, rtol=0.5)
    assert abs(mean - np.diag(np.diag(mean))).mean() < 0.03


@pytest.mark.parametrize("width, dimensions, padded", [(128, 250, 129), (128, 251, 128), (10, 250, 11), (7, 1, 7)])
def test_coprime_width(width, dimensions, padded):
    assert sketches.coprime_width(width, dimensions) == padded


@pytest.mark.parametrize("bits", range(1, 17))
def test_a_covering_scale_cuts_nothing_off_and_stays_the_same(bits):
    random = np.random.default_rng(bits)
    for size in (0.3, 0.5, 0.501, 1.0, 37.0):
        x = (random.uniform(-1, 1, 50) * size).astype("float32")
        x[0] = size
        log2_scale = _numpy(ops.covering_log2_scale(keras.ops.convert_to_tensor(x), bits))
        y = _numpy(ops.quantize_covering(keras.ops.convert_to_tensor(x), bits))
        step = 2.0 ** (log2_scale - bits + 1)
        assert np.abs(x - y).max() <= step / (1 if bits <= 2 else 2)
        np.testing.assert_array_equal(_numpy(ops.quantize_covering(keras.ops.convert_to_tensor(y), bits)), y)
        assert np.abs(y).max() >= 2.0**log2_scale / 4, "the scale is larger than it must be"


def test_zeros_stay_zeros():
    zeros = keras.ops.zeros((4,))
    np.testing.assert_array_equal(_numpy(ops.quantize_covering(zeros, 8)), 0)
    assert ops.quantize_covering(zeros, None) is zeros
