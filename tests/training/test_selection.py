"""Choosing among trials."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import keras_efficient as ke
from keras_efficient.training.selection import expected_accuracy, select

# The frozen-scale trials that the 2019 notebook prints: loss and accuracy of one checkpoint.
_LOSSES = [0.0335, 0.0345, 0.0346, 0.0349, 0.0343, 0.0359]
_ACCURACIES = [0.9909, 0.9899, 0.9904, 0.9890, 0.9900, 0.9892]


def _trials(losses, accuracies):
    return [SimpleNamespace(val_loss=l, val_accuracy=a) for l, a in zip(losses, accuracies, strict=True)]  # noqa: E741


def test_picks_the_published_network():
    scores = ke.selection_score(_LOSSES, _ACCURACIES, 10_000)
    assert scores.argmax() == 0
    assert select(_trials(_LOSSES, _ACCURACIES), "score", 10_000) == 0


def test_formula():
    losses, accuracies = np.array(_LOSSES), np.array(_ACCURACIES)
    slope, offset = np.polyfit(losses, accuracies, 1)
    unexplained = ((accuracies - offset - slope * losses) ** 2).sum() / (len(losses) - 2)
    p = accuracies.mean()
    weight = unexplained / (p * (1 - p) / 10_000 + unexplained)
    expected = weight * (accuracies - p) / accuracies.std() - (losses - losses.mean()) / losses.std()
    np.testing.assert_allclose(ke.selection_score(losses, accuracies, 10_000), expected, rtol=1e-9)


@pytest.mark.parametrize(
    "losses, accuracies, rule, chosen",
    [
        ([0.3], [0.9], "score", 0),
        ([0.3, 0.2], [0.99, 0.9], "score", 1),  # two trials: the loss ranks
        ([0.2, 0.2, 0.2], [0.9, 0.95, 0.95], "score", 1),  # equal losses
        ([0.2, 0.2, 0.2], [0.9, 0.9, 0.9], "score", 0),  # all equal: the first
        ([0.3, 0.2, 0.2, 0.3], [0.9, 0.8, 0.8, 0.9], "val_loss", 1),
        ([0.3, 0.25, 0.2], [0.9, 0.9, 0.8], "val_accuracy", 1),  # a tie: the lower loss
        ([np.nan, 0.3, 0.4], [0.99, 0.9, 0.9], "score", 1),
        ([0.1, np.inf, 0.4], [np.nan, 0.9, 0.9], "score", 2),
        ([None, 0.3], [None, 0.9], "val_accuracy", 1),
        ([0.3, 0.2], [0.9, 0.8], lambda trials: 0, 0),
    ],
)
def test_rules_ties_and_failures(losses, accuracies, rule, chosen):
    assert select(_trials(losses, accuracies), rule, 1000) == chosen


def test_failed_trials_do_not_change_the_others():
    with_failures = ke.selection_score([*_LOSSES, np.nan], [*_ACCURACIES, 0.5], 10_000)
    np.testing.assert_allclose(with_failures[:-1], ke.selection_score(_LOSSES, _ACCURACIES, 10_000))
    assert with_failures[-1] == -np.inf


@given(st.integers(1, 12), st.integers(0, 10_000))
def test_the_order_of_trials_does_not_matter(n, seed):
    random = np.random.default_rng(seed)
    losses, accuracies = random.uniform(0.01, 1, n), random.uniform(0.5, 1, n)
    order = random.permutation(n)
    scores = ke.selection_score(losses, accuracies, 1000)
    np.testing.assert_allclose(ke.selection_score(losses[order], accuracies[order], 1000), scores[order], atol=1e-9)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize(
    "losses, accuracies, samples, message",
    [
        ([np.nan, np.nan], [0.9, 0.9], 10, "All trials failed"),
        ([0.1], [0.9, 0.8], 10, "same length, at least 1. Received: shapes"),
        ([], [], 10, "same length, at least 1"),
        ([0.1], [0.9], 0, "`samples` must be an integer of at least 1"),
        ([0.1, 0.2], [0.9, 1.5], 10, r"`accuracies` must lie between 0 and 1. Received: \[0.9, 1.5\]"),
    ],
)
def test_wrong_input_is_refused(losses, accuracies, samples, message):
    with pytest.raises(ValueError, match=message):
        ke.selection_score(losses, accuracies, samples)


def test_wrong_rules_are_refused():
    with pytest.raises(ValueError, match="`rule` must be one of .* Received: rule='best'"):
        select(_trials([0.1], [0.9]), "best", 10)
    with pytest.raises(ValueError, match="index of a finished trial"):
        select(_trials([0.1, None], [0.9, None]), lambda trials: 1, 10)


def test_expected_accuracy_shrinks_noise_and_keeps_signal():
    random = np.random.default_rng(0)
    alike = random.random((20, 2000)) < 0.9
    accuracies = alike.mean(axis=1)
    shrunk = expected_accuracy(alike)
    assert np.ptp(shrunk) < 0.5 * np.ptp(accuracies)
    different = random.random((20, 2000)) < np.linspace(0.5, 0.95, 20)[:, np.newaxis]
    np.testing.assert_allclose(expected_accuracy(different), different.mean(axis=1), atol=0.01)
    assert expected_accuracy(alike[:1]) == alike[:1].mean()
    np.testing.assert_array_equal(expected_accuracy(np.ones((3, 10))), 1.0)
