"""Every way to peel a map, down to its last pixel."""

import itertools


def paths(rows, columns):
    for places in itertools.combinations(range(rows + columns - 2), rows - 1):
        yield "".join("r" if place in places else "c" for place in range(rows + columns - 2))
