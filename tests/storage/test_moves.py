"""A move needs as much as the simulation of it says, cell by cell."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_efficient.kinds.measures import FeatureMap
from keras_efficient.kinds.steps import MoveStep, Way
from keras_efficient.storage.prefix import move_need, source_cells

SIZES = st.tuples(*[st.integers(1, 4)] * 3)
WAY = st.builds(Way, st.just(0), st.integers(-2, 2), st.sampled_from([1, 2, -1]), st.integers(1, 3))


def overwrites(cells, source_bits, target_bits, offset):
    """Whether a cell of the target is written over one of the source that is still to be read."""
    unread = {}
    for place, cell in enumerate(cells):
        if cell >= 0:
            unread[cell] = place
    for place in range(len(cells)):
        end = (place + 1) * target_bits
        waiting = [cell for cell, last in unread.items() if last > place]
        if any(offset + cell * source_bits < end for cell in waiting):
            return True
    return False


@settings(max_examples=200, deadline=None)
@given(SIZES, SIZES, st.permutations([0, 1, 2]), st.tuples(WAY, WAY, WAY), st.sampled_from([4, 8, 16]))
def test_a_move_needs_what_the_simulation_says(source, target, axes, ways, bits):
    ways = tuple(way._replace(source=axis) for way, axis in zip(ways, axes, strict=True))
    cells = source_cells(ways, source, target)
    if cells.max() < 0:
        return
    need = move_need(MoveStep(FeatureMap(source, bits), FeatureMap(target, bits), ways))
    assert need.kept == cells.max() + 1
    assert not overwrites(cells, bits, bits, need.offset)
    assert need.offset == 0 or overwrites(cells, bits, bits, need.offset - bits)


@pytest.mark.parametrize(
    "ways, source, target, function",
    [
        ((Way(1), Way(0), Way(2)), (2, 3, 4), (3, 2, 4), lambda x: x.transpose(1, 0, 2)),
        ((Way(0, 1), Way(1, 2), Way(2)), (3, 4, 2), (2, 2, 2), lambda x: x[1:, 2:]),
        ((Way(0, repeat=2), Way(1), Way(2)), (2, 3, 1), (4, 3, 1), lambda x: x.repeat(2, axis=0)),
        ((Way(0), Way(1, 2, -1), Way(2)), (2, 3, 1), (2, 3, 1), lambda x: x[:, ::-1]),
        ((Way(0, -1), Way(1), Way(2)), (2, 2, 1), (3, 2, 1), lambda x: np.concatenate([[[[-1], [-1]]], x])),
    ],
)  # fmt: skip
def test_ways_say_where_cells_come_from(ways, source, target, function):
    expected = function(np.arange(np.prod(source)).reshape(source))
    np.testing.assert_array_equal(source_cells(ways, source, target).reshape(target), expected)
