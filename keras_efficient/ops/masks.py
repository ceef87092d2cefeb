"""Masks of the weights that pruning keeps."""

from keras import ops


def keep_largest(scores, alive, zeros):
    """1 where a weight stays and 0 where it goes: the `zeros` smallest scores go, exactly so many.

        order = sort by (alive, score, place)        mask[order[k]] = 0 for k < zeros, else 1

    Among equal scores the first ones go. What is dead already goes before anything that lives, so
    that masks only grow if `zeros` does.

    Args:
        scores: Tensor (n,), not negative.
        alive: Tensor (n,) of 1 and 0; all ones let dead weights come back.
        zeros: How many go, an integer or a scalar tensor, from 0 to n.

    Returns:
        float32 tensor (n,) of 1 and 0.
    """
    scores = ops.cast(scores, "float32")
    order = ops.argsort(ops.where(ops.cast(alive, "bool"), scores, -1.0))
    kept = ops.cast(ops.arange(scores.shape[0]) >= zeros, "float32")
    return ops.scatter(order[:, None], kept, scores.shape)
