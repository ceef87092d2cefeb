"""Products with block-diagonal matrices."""

from keras import ops

from keras_efficient.type_aliases import Tensor


def block_product(x: Tensor, blocks: Tensor) -> Tensor:
    """`y[n, g m' + j] = sum_i x[n, g m + i] blocks[g, i, j]`: each group has a matrix of its own.

    Args:
        x: Tensor (n, groups m).
        blocks: Tensor (groups, m, m').

    Returns:
        Tensor (n, groups m').
    """
    groups, inputs, outputs = blocks.shape
    split = ops.swapaxes(ops.reshape(x, (-1, groups, inputs)), 0, 1)
    return ops.reshape(ops.swapaxes(ops.matmul(split, blocks), 0, 1), (-1, groups * outputs))
