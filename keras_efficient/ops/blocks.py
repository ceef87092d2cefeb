"""Products with block-diagonal matrices, and the shuffle between two of them."""

from keras import ops

from keras_efficient.ops.kronecker import Between, passed
from keras_efficient.type_aliases import Tensor


def block_product(x: Tensor, blocks: Tensor) -> Tensor:
    """`y[n, g m' + j] = sum_i x[n, g m + i] blocks[g, i, j]`: each group has a matrix of its own.

    x (n, groups m), blocks (groups, m, m'); the result is (n, groups m').
    """
    groups, inputs, outputs = blocks.shape
    split = ops.swapaxes(ops.reshape(x, (-1, groups, inputs)), 0, 1)
    return ops.reshape(ops.swapaxes(ops.matmul(split, blocks), 0, 1), (-1, groups * outputs))


def shuffle_groups(x: Tensor, groups: int) -> Tensor:
    """`y[n, i groups + g] = x[n, g m + i]`, of x (n, groups m): the groups as rows of a matrix, read by columns."""
    split = ops.reshape(x, (-1, groups, x.shape[-1] // groups))
    return ops.reshape(ops.swapaxes(split, 1, 2), (-1, x.shape[-1]))


def monarch(x: Tensor, left: Tensor, right: Tensor, between: Between = None) -> Tensor:
    """Two block-diagonal products with a shuffle between them.

    x (n, blocks m), left (blocks, m, c), right (blocks, c, m'), `between` as of `kronecker_sum`; the result is
    (n, blocks m'). Multiply-adds per sample: blocks c (m + m').
    """
    return block_product(shuffle_groups(passed(between, 0, block_product(x, left)), left.shape[0]), right)


def monarch_matrix(left: Tensor, right: Tensor) -> Tensor:
    """The matrix (blocks m, blocks m') that `monarch` multiplies by, for tests and export."""
    return monarch(ops.eye(left.shape[0] * left.shape[1], dtype=left.dtype), left, right)
