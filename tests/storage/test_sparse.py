"""Encodings of pruned kernels: their bits, and that they hold the numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_efficient.storage.sparse import (
    best_encoding,
    encodings,
    filter_groups,
    group_order,
    kernel_streams,
    relative_entries,
)


def _random(count, sparsity, seed=0):
    numbers = np.random.default_rng(seed).integers(1, 8, count)
    numbers[np.random.default_rng(seed + 1).permutation(count)[: round(count * sparsity)]] = 0
    return numbers


def test_bits_of_every_encoding():
    numbers = np.array([0, 0, 0, 5, 0, 1, 0, 0, 0, 0])
    found = {(e.name, e.gap_bits): e.bits for e in encodings([numbers], 4)}
    assert found["dense", 0] == 40
    assert found["bitmask", 0] == 10 + 2 * 4
    # 1-bit gaps: fillers at 1 and 7 and 9; entries at 3, 5. 5 entries and the last gap.
    assert found["relative index", 1] == 5 * 5 + 1
    # 3-bit gaps: no fillers.
    assert found["relative index", 3] == 2 * 7 + 3


@given(st.integers(0, 300), st.floats(0, 1), st.integers(1, 8))
def test_relative_entries_give_the_numbers_back(count, sparsity, gap_bits):
    numbers = _random(count, sparsity)
    gaps, places = relative_entries(numbers, gap_bits)
    assert gaps.max(initial=0) < 2**gap_bits
    counted = {e.gap_bits: e.bits for e in encodings([numbers, numbers], 3)}
    assert counted[gap_bits] == 2 * (len(gaps) * (gap_bits + 3) + gap_bits)
    at = np.cumsum(gaps + 1) - 1
    again = np.zeros(count, int)
    again[at] = np.where(places < 0, 0, numbers[places] if count else 0)
    np.testing.assert_array_equal(again, numbers)
    # What is left after the last entry fits the gap at the end, which is never used up.
    assert count - (at[-1] + 1 if at.size else 0) <= 2**gap_bits - 1


@pytest.mark.parametrize(
    "bits, sparsity, name", [(4, 0.2, "dense"), (4, 0.5, "bitmask"), (4, 0.9, "relative index"), (1, 0.4, "dense")]
)
def test_the_smallest_is_chosen(bits, sparsity, name):
    numbers = _random(176 * 64, sparsity)
    best = best_encoding([numbers], bits)
    assert best.name == name
    assert best.bits == min(encoding.bits for encoding in encodings([numbers], bits))


def test_published_ratios():
    # research/prune_deploy.md, section 3: 176 x 64, 4 bits.
    for sparsity, bitmask, relative in ((0.5, 0.751, 0.800), (0.8, 0.448, 0.408), (0.9, 0.348, 0.229)):
        found = list(encodings([_random(176 * 64, sparsity)], 4))
        dense = found[0].bits
        assert found[1].bits / dense == pytest.approx(bitmask, abs=0.003)
        assert min(e.bits for e in found[2:]) / dense == pytest.approx(relative, abs=0.01)


def test_streams_hold_every_number_once():
    kernel = np.arange(3 * 3 * 2 * 7).reshape(3, 3, 2, 7)
    streams = kernel_streams(kernel, 4)
    assert [len(stream) for stream in streams] == [18 * 4, 18 * 2, 18]
    assert sorted(np.concatenate(streams)) == list(range(kernel.size))
    np.testing.assert_array_equal(streams[0][:8], [0, 1, 2, 3, 7, 8, 9, 10])
    assert [len(stream) for stream in kernel_streams(kernel, 3)] == [18 * 4, 18 * 3]
    thin = kernel_streams(np.arange(18).reshape(3, 3, 1, 2), 4, groups=2)
    np.testing.assert_array_equal(thin[0], [*range(0, 18, 2), *range(1, 18, 2)])


def test_groups_of_filters():
    assert filter_groups(11, 4) == [(0, 8, 4), (8, 2, 2), (10, 1, 1)]
    assert filter_groups(11, 5) == [(0, 8, 4), (8, 3, 1)]
    assert [filter_groups(12, bits, 2) for bits in (4, 5)] == [[(0, 12, 2)], [(0, 12, 1)]]
    np.testing.assert_array_equal(group_order(np.arange(8).reshape(1, 2, 4), 2), [0, 1, 4, 5, 2, 3, 6, 7])
