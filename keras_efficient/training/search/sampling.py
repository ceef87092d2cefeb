"""A sample of candidates that covers small and large networks alike."""

from collections.abc import Sequence

import numpy as np

BINS = 49
_SMOOTHING = 0.1


def log_uniform_weights(total_bytes: Sequence[float], bins: int = BINS) -> np.ndarray:
    """Weights with which a draw is about uniform in the logarithm of the bytes.

        weight_i = 1 / h(log bytes_i)

    with h the histogram of the log bytes in equal bins (plus 0.1), linear between the middles of the bins.
    Source: the architecture sweep of Gural & Murmann, ICML 2019.

    Args:
        total_bytes: Positive numbers, at least one.
        bins: Number of bins.
    """
    logs = np.log(np.asarray(total_bytes, dtype="float64"))
    counts, edges = np.histogram(logs, bins)
    return 1 / np.interp(logs, (edges[:-1] + edges[1:]) / 2, counts + _SMOOTHING)


def draw(weights: Sequence[float] | np.ndarray, samples: int, seed: int) -> np.ndarray:
    """Indices drawn one after the other without replacement, each with a chance proportional to its weight
    among those left. Of more samples than there are, all are drawn.

    The largest log weight + Gumbel noise come first (Efraimidis & Spirakis, 2006), so fewer samples of the same
    seed are the beginning of more.
    """
    noise = np.random.default_rng(seed).gumbel(size=len(weights))
    return np.argsort(-(np.log(weights) + noise), kind="stable")[:samples]
