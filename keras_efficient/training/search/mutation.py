"""Networks that differ little from one that is known."""

import random
from collections.abc import Callable, Mapping, Sequence

from keras_efficient.training.search.candidates import Item, Network, convolution_items, dense_items, pooling_bits
from keras_efficient.training.search.space import WITH_FILTERS, SearchSpace

_TRIES = 1000
_AGAIN = 0.3  # how likely one more change follows


def mutants(
    parents: Sequence[Network], space: SearchSpace, count: int, seed: str, admits: Callable[[Network], bool]
) -> list[Network]:
    """Up to `count` different networks that `admits`, each a random parent with one change, or a few.

    A change takes another value of the space for one number of an item (filters, units, kernel size, bits), another
    item in the place of one, one more, or one less.
    """
    generator, found = random.Random(seed), list[Network]()
    for _ in range(_TRIES * count):
        network = _changed(generator.choice(parents), space, generator)
        while generator.random() < _AGAIN:
            network = _changed(network, space, generator)
        if network not in found and admits(network):
            found.append(network)
        if len(found) == count:
            break
    return found


def _changed(network, space, generator):
    place = generator.randrange(len(network))
    kind = generator.choice((_number, _number, _number, _exchange, _insert, _remove))
    return kind(network, place, space, generator)


def _number(network, place, space, generator):
    item = network[place]
    choices = _choices(item, space)
    if not choices:
        return network
    fields = generator.choice(list(choices))
    value = generator.choice(list(choices[fields]))
    return (*network[:place], tuple(value if n in fields else old for n, old in enumerate(item)), *network[place + 1 :])


def _choices(item: Item, space: SearchSpace) -> Mapping[tuple[int, ...], Sequence[int]]:
    """The numbers of an item that may change, by their places in it, with the values that the space has."""
    letter, kernels, activations = item[0], space.widths("kernel_bits"), space.widths("activation_bits")
    if letter in space.kernel_sizes and letter != "R" and len(item) == 9:
        windows = {(2, 3): space.kernel_sizes[letter], (6,): kernels, (8,): activations}
        return {(1,): space.filters, **windows} if letter in WITH_FILTERS else windows
    others: dict[str, Mapping[tuple[int, ...], Sequence[int]]] = {
        "F": {(1,): space.dense_units or (item[1],), (2,): kernels, (4,): activations},
        "R": {(1,): kernels, (3,): activations},
        "S": {(2,): kernels},
        "A": {(2,): activations},
    }
    return others.get(letter, {})


def _exchange(network, place, space, generator):
    return _insert(_remove(network, place, space, generator), place, space, generator)


def _insert(network, place, space, generator):
    pooling = [(space.pool_letter, size, pooling_bits(space)) for size in space.pool_sizes]
    layers = [convolution_items(space), dense_items(space)] if _hidden(network, space) < space.max_layers else []
    kinds = [items for items in (pooling, *layers) if items]
    # Neither in front of the first pooling nor between dropout and the last layer.
    place = max(place - (network[place - 1][0] == "D"), space.input_pooling is not None)
    return (*network[:place], generator.choice(generator.choice(kinds)), *network[place:]) if kinds else network


def _remove(network, place, space, generator):
    """What the space begins and ends with stays."""
    letter = network[place][0]
    stays = letter in ("S", "D") or place == 0 and space.input_pooling is not None
    few = letter != space.pool_letter and _hidden(network, space) <= space.min_layers
    return network if stays or few else network[:place] + network[place + 1 :]


def _hidden(network, space):
    return sum(item[0] in (*space.kernel_sizes, "F") for item in network)
