"""The separable two-dimensional cosine transform of a vector, as small matrix products."""

from keras import ops

from keras_efficient.kinds.cosine import grid_shape
from keras_efficient.ops.dct import dct_matrix
from keras_efficient.type_aliases import Tensor


def dct2d(x: Tensor) -> Tensor:
    """`x (C_r kron C_c)`: the last axis, read row by row as a `grid_shape` image, has its rows and
    its columns transformed by the orthonormal DCT-II. Orthonormal as well. x (..., N) is float32.
    """
    return ops.reshape(_swap(_columns_forth(x)), _flat_shape(x))


def idct2d(x: Tensor) -> Tensor:
    """The inverse of `dct2d`."""
    return _columns_back(_swap(_image(x)), _flat_shape(x))


def dct2d_filter(x: Tensor, gains: Tensor) -> Tensor:
    """`x T diag(gains) T'` with the matrix T of `dct2d`; x (..., N) is float32, and gains broadcast against it.

    Between the two transforms the image stays transposed, and the gains are transposed instead. All products are plain
    ones of a tall matrix with a small one: the form that survives an int8 conversion by LiteRT.
    """
    return _columns_back(_columns_forth(x) * _swap(_image(gains)), _flat_shape(x))


def _columns_forth(x):
    """The spectrum, transposed: (..., columns, rows)."""
    rows, columns = grid_shape(x.shape[-1])
    image = _swap(_product(_image(x), dct_matrix(columns)))
    return _product(image, dct_matrix(rows))


def _columns_back(spectrum, shape):
    """The vectors, from a transposed spectrum."""
    columns, rows = spectrum.shape[-2:]
    image = _swap(_product(spectrum, dct_matrix(rows).T))
    return ops.reshape(_product(image, dct_matrix(columns).T), shape)


def _product(x, matrix):
    flat = ops.matmul(ops.reshape(x, (-1, matrix.shape[0])), matrix)
    return ops.reshape(flat, (*_open_shape(x), matrix.shape[1]))


def _image(x):
    return ops.reshape(x, (*_open_shape(x), *grid_shape(x.shape[-1])))


def _swap(x):
    return ops.swapaxes(x, -1, -2)


def _flat_shape(x):
    return (*_open_shape(x), x.shape[-1])


def _open_shape(x):
    """All sizes but the last; one that is not known is -1."""
    return tuple(-1 if size is None else size for size in x.shape[:-1])
