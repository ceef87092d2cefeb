"""The cosine matrices of the integers are those of `ops.dct`, as fine as 8 bits hold them."""

import numpy as np
import pytest
from numpy_acdc import dct_matrix

from keras_efficient.kinds.cosine import Cosine, cosine_codes, riffled


@pytest.mark.parametrize("size", [1, 2, 3, 8, 28, 32, 64])
def test_integers_are_the_matrix_in_the_finest_power_of_two(size):
    integers, exponent = cosine_codes(size)
    matrix = dct_matrix(size)
    np.testing.assert_array_equal(integers, np.rint(matrix / 2.0**exponent))
    assert np.abs(integers).max() <= 127 < np.abs(np.rint(matrix / 2.0 ** (exponent - 1))).max()


def test_inverse_riffled_and_permuted():
    forth, back = Cosine(6).integers(), Cosine(6, inverse=True).integers()
    np.testing.assert_array_equal(back, forth.T)
    x, order = np.arange(6) - 2, np.array([3, 1, 0, 5, 4, 2])
    np.testing.assert_array_equal(x @ Cosine(6, True, riffled=True).integers(), x[riffled(6)] @ back)
    np.testing.assert_array_equal(x @ Cosine(6, True, permuted=True).integers(order), (x @ back)[order])
