"""Every network of a search space, as a description of tuples, and a sample that covers small and large ones alike."""

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np

from keras_efficient.training.search.space import SearchSpace

MOST_CANDIDATES = 3_000_000  # more would fill the memory
Item = tuple
Network = tuple[Item, ...]


def candidates(space: SearchSpace, classes: int) -> Iterator[Network]:
    """The networks of a space, always in the same order; shapes are not looked at.

    Raises:
        ValueError: The space holds none, or more than 3 million.
    """
    if not 0 < space.size() <= MOST_CANDIDATES:
        raise ValueError(f"a search space must hold 1 to {MOST_CANDIDATES:,} candidates. Received: {space.size():,}")
    first, last = _ends(space, classes)
    for layers in range(space.min_layers, space.max_layers + 1):
        for hidden in _hidden_layers(space, layers):
            yield (*first, *hidden, *last)


def _ends(space: SearchSpace, classes: int) -> tuple[Network, Network]:
    """What stands before and behind the hidden layers."""
    first = () if space.input_pooling is None else (("A", space.input_pooling, space.activation_bits),)
    dropout = () if space.dropout is None else (("D", space.dropout, space.activation_bits),)
    return first, (*dropout, ("S", classes, space.kernel_bits, space.bias_bits, space.logit_bits))


def _hidden_layers(space: SearchSpace, layers: int) -> Iterator[Network]:
    """All sequences of that many hidden layers, most convolutions first."""
    convolutions, bits = _convolutions(space), (space.kernel_bits, space.bias_bits, space.activation_bits)
    dense = [("F", units, *bits) for units in space.dense_units]
    for count in range(layers, -1, -1):
        for chain in product(convolutions, repeat=count):
            for tail in product(dense, repeat=layers - count):
                for pooled in _with_pooling(space, chain):
                    yield (*pooled, *tail)


def _with_pooling(space: SearchSpace, chain: Network) -> Iterator[Network]:
    """A chain of convolutions as it is, then with each pooling behind each of them."""
    yield chain
    for place in range(1, len(chain) + 1):
        for size in space.pool_sizes:
            pooling = (space.pool_letter, size, space.activation_bits)
            yield (*chain[:place], pooling, *chain[place:])


def _convolutions(space: SearchSpace) -> list[Item]:
    bits = (space.kernel_bits, space.bias_bits, space.activation_bits)
    return [
        (letter, filters, size, size, 1, 1, *bits)
        for letter, sizes in space.kernel_sizes.items()
        for size in sizes
        for filters in space.filters
    ]


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
