"""Every network of a search space, as a description of tuples, and a sample that covers small and large ones alike."""

import random
from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np

from keras_efficient.training.search.space import WITH_FILTERS, SearchSpace

MOST_CANDIDATES = 3_000_000  # more would fill the memory
SOME_CANDIDATES = 100_000  # of a larger space
Item = tuple
Network = tuple[Item, ...]


def candidates(space: SearchSpace, classes: int) -> Iterator[Network]:
    """The networks of a space, always in the same order; shapes are not looked at.

    Raises:
        ValueError: The space holds none, or more than 3 million.
    """
    if not 0 < space.size() <= MOST_CANDIDATES:
        raise ValueError(f"a search space must hold 1 to {MOST_CANDIDATES:,} candidates. Received: {space.size():,}")
    for first, last in product(_beginnings(space), _ends(space, classes)):
        for layers in range(space.min_layers, space.max_layers + 1):
            for hidden in _hidden_layers(space, layers):
                yield (*first, *hidden, *last)


def some_candidates(space: SearchSpace, classes: int, seed: int, count: int = SOME_CANDIDATES) -> Iterator[Network]:
    """Different networks of a space, drawn at random: number of layers, of convolutions among them, then each layer."""
    draw, seen = random.Random(seed), set()
    convolutions, dense = convolution_items(space), dense_items(space)
    beginnings, ends = _beginnings(space), _ends(space, classes)
    for _ in range(count):
        layers = draw.randint(space.min_layers, space.max_layers)
        split = draw.randint(0 if dense else layers, layers if convolutions else 0)
        chain = tuple(draw.choice(convolutions) for _ in range(split))
        hidden = (*draw.choice(list(_with_pooling(space, chain))), *(draw.choice(dense) for _ in range(layers - split)))
        network = (*draw.choice(beginnings), *hidden, *draw.choice(ends))
        if network not in seen:
            seen.add(network)
            yield network


def _beginnings(space: SearchSpace) -> list[Network]:
    """What may stand before the hidden layers."""
    if space.input_pooling is None:
        return [()]
    return [(("A", space.input_pooling, bits),) for bits in space.widths("activation_bits")]


def _ends(space: SearchSpace, classes: int) -> list[Network]:
    """What may come after them."""
    dropout = () if space.dropout is None else (("D", space.dropout, pooling_bits(space)),)
    return [(*dropout, ("S", classes, bits, space.bias_bits, space.logit_bits)) for bits in space.widths("kernel_bits")]


def pooling_bits(space: SearchSpace) -> int:
    """Bits of the pooling after a convolution."""
    return space.widths("activation_bits")[0]


def _bits(space: SearchSpace) -> list[tuple[int, int, int]]:
    """Of kernel, bias and activation of a hidden layer."""
    return list(product(space.widths("kernel_bits"), (space.bias_bits,), space.widths("activation_bits")))


def dense_items(space: SearchSpace) -> list[Item]:
    """Every hidden dense layer of a space."""
    return [("F", units, *bits) for units in space.dense_units for bits in _bits(space)]


def _hidden_layers(space: SearchSpace, layers: int) -> Iterator[Network]:
    """All sequences of that many hidden layers, most convolutions first."""
    convolutions, dense = convolution_items(space), dense_items(space)
    for count in range(layers, -1, -1):
        for chain in product(convolutions, repeat=count):
            for tail in product(dense, repeat=layers - count):
                for pooled in _with_pooling(space, chain):
                    yield (*pooled, *tail)


def _with_pooling(space: SearchSpace, chain: Network) -> Iterator[Network]:
    """A chain of convolutions as it is, then with each pooling after each of them."""
    yield chain
    for place in range(1, len(chain) + 1):
        for size in space.pool_sizes:
            pooling = (space.pool_letter, size, pooling_bits(space))
            yield (*chain[:place], pooling, *chain[place:])


def convolution_items(space: SearchSpace) -> list[Item]:
    """Every convolution of a space."""
    found: list[Item] = []
    for letter, sizes in space.kernel_sizes.items():
        for size, bits in product(sizes, _bits(space)) if letter not in WITH_FILTERS else ():
            found.append(("R", *bits) if letter == "R" else (letter, 1, size, size, 1, 1, *bits))
        for size, filters, bits in product(sizes, space.filters, _bits(space)) if letter in WITH_FILTERS else ():
            found.append((letter, filters, size, size, 1, 1, *bits))
    return found


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
