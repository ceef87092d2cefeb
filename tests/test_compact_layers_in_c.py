"""How compact layers are compared with plain ones in scripts/compact_layers_in_c.py."""

import pytest

from compact_layers_in_c import reaches
from measuring.compact_networks import plain_bytes, width_of_equal_bytes
from measuring.trainings import spread
from pages.figures_compact import verdict


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ([0.90, 0.92, 0.94], [0.92, 0.92, 0.92], True),
        ([0.91, 0.91, 0.91], [0.92, 0.92, 0.92], False),
        # The deviation 0.02 of three seeds: a standard error of 0.0115.
        ([0.889, 0.909, 0.929], [0.92, 0.92, 0.92], True),
        ([0.888, 0.908, 0.928], [0.92, 0.92, 0.92], False),
        ([0.92, 0.92, 0.92], [0.911, 0.931, 0.951], True),
        ([0.5], [0.5], True),
        ([0.4], [0.5], False),
    ],
)
def test_a_network_reaches_another_within_one_standard_error(one, other, expected):
    assert reaches(spread(one), spread(other)) is expected


@pytest.mark.parametrize("more", [-5, 0, 5])
def test_the_width_has_the_nearest_bytes(more):
    # One unit more takes 98 + 1 bytes in its own layer and 5 in the last.
    assert width_of_equal_bytes(False, plain_bytes(False, 3) + 104 / 2 + more) == (4 if more > 0 else 3)


def test_the_verdict_names_what_does_not_pay():
    def network(layer, weight_bytes, cycles):
        return {"layer": layer, "weight_bytes": weight_bytes, "atmega328p": {"cycles": cycles}}

    plain = network("DenseQ(8)", 800, 100)
    summary = {
        "a": {"family": network("Small", 700, 100), "equal_accuracy": plain},
        "b": {"family": network("Fast", 900, 50), "equal_accuracy": plain},
        "c": {"family": network("Alone", 900, None), "equal_accuracy": None},
    }
    assert verdict(summary) == (
        "Fewer bytes than the plain layer of equal accuracy: `Small`; not fewer: `Fast`. Fewer cycles: `Fast`. More "
        "accurate than every plain layer here: `Alone`"
    )
