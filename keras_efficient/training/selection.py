"""Choosing among trials that differ in nothing but their seed."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from keras_efficient.checks import integer

RULES = ("score", "objective", "val_loss", "val_accuracy")
# The name of a rule, or a function from the list of trials to an index.
Rule: TypeAlias = str | Callable[[list], int]


def selection_score(
    losses: Sequence[float] | np.ndarray, accuracies: Sequence[float] | np.ndarray, samples: int
) -> np.ndarray:
    """How good each trial looks, from its loss and accuracy on the same validation samples.

        score_i = w z(accuracy)_i - z(loss)_i        w = sigma_a^2 / (sigma^2 + sigma_a^2)

    with z the standardised value over the trials (population standard deviation, ddof 0),
    sigma^2 = p (1 - p) / samples the binomial variance of an accuracy (p: mean accuracy), and
    sigma_a^2 the residual variance of the accuracies around their least-squares line over the
    losses (n - 2 degrees of freedom): accuracy counts as far as it says more than noise.

    With fewer than 3 usable trials there is no line, w = 0 and the loss alone ranks. A
    standard deviation of 0 makes z = 0. Trials with a loss or accuracy that is not finite get
    -inf and do not enter the means. Source: Gural & Murmann, ICML 2019.

    Args:
        losses: Validation loss of each trial.
        accuracies: Validation accuracy of each trial, at the same checkpoint as its loss.
        samples: Number of validation samples.

    Returns:
        Array (trials,); the largest is the best.

    Raises:
        ValueError: If the lengths differ, there are no trials, none is finite, or an accuracy is not within 0 and 1.
    """
    all_losses, all_accuracies = np.asarray(losses, "float64"), np.asarray(accuracies, "float64")
    if all_losses.ndim != 1 or all_losses.shape != all_accuracies.shape or not all_losses.size:
        raise ValueError(
            "`losses` and `accuracies` must be two lists of the same length, at least 1. "
            f"Received: shapes {all_losses.shape} and {all_accuracies.shape}"
        )
    integer(samples, "samples", 1)
    if (abs(all_accuracies[np.isfinite(all_accuracies)] - 0.5) > 0.5).any():
        raise ValueError(f"`accuracies` must lie between 0 and 1. Received: {all_accuracies.tolist()}")
    usable = np.isfinite(all_losses) & np.isfinite(all_accuracies)
    if not usable.any():
        raise ValueError(
            "All trials failed: no loss and accuracy are finite. "
            f"Received: losses={all_losses.tolist()}, accuracies={all_accuracies.tolist()}"
        )
    scores = np.full(len(all_losses), -np.inf)
    loss, accuracy = all_losses[usable], all_accuracies[usable]
    weight = _accuracy_weight(loss, accuracy, samples)
    scores[usable] = weight * _standardise(accuracy) - _standardise(loss)
    return scores


def select(trials: Sequence, rule: Rule, samples: int, objective: tuple[str, str] = ("val_accuracy", "max")) -> int:
    """The index of the best trial; ties go to the lower loss, then to the lower index.

    A trial has `val_loss` and `val_accuracy` (None or not finite: failed), perhaps `val_metrics` and a `status`, see
    `candidates`. `rule` and `objective` are those of `train_network`, `samples` the number of validation samples. A
    ValueError if all trials failed, the rule is unknown, or a function chose a failed one.
    """
    losses, accuracies = candidate_values(trials)
    rule = check_rule(rule)
    if rule == "score":
        key = selection_score(losses, accuracies, samples)
    elif rule == "objective":
        name, direction = objective
        key = (1 if direction == "max" else -1) * _values(trials, name)
    else:
        key = accuracies if rule == "val_accuracy" else -losses
    usable = np.isfinite(losses) & np.isfinite(key)
    if not usable.any():
        raise ValueError(f"All trials failed: none has a finite loss. Received: losses={losses.tolist()}")
    if not isinstance(rule, str):
        index = rule(list(trials))
        if index not in range(len(usable)) or not usable[index]:
            raise ValueError(
                f"The selection rule must give the index of a finished trial, 0 to {len(usable) - 1}. "
                f"Received: {index!r}"
            )
        return int(index)
    return int(min(np.flatnonzero(usable), key=lambda i: (-key[i], losses[i], i)))


def candidates(trials: Sequence) -> list[bool]:
    """Which trials may be chosen: as with scikit-learn's halving, those that were trained to their end (those without
    a `status`, too). Where all of these failed, those that were stopped last."""
    status = [getattr(trial, "status", "finished") for trial in trials]
    if "finished" in status or "stopped" not in status:
        return [each == "finished" for each in status]
    epochs = [len(t.history["loss"]) if s == "stopped" else 0 for t, s in zip(trials, status, strict=True)]
    return [count == max(epochs) for count in epochs]


def candidate_values(trials: Sequence) -> tuple[np.ndarray, np.ndarray]:
    """Validation loss and accuracy of each trial; NaN of those that cannot be chosen."""
    return _values(trials, "val_loss"), _values(trials, "val_accuracy")


def _values(trials, name):
    """What was measured of each trial; NaN of those that cannot be chosen."""
    found = [
        getattr(trial, name) if hasattr(trial, name) else trial.val_metrics.get(name.removeprefix("val_"))
        for trial in trials
    ]
    pairs = zip(found, candidates(trials), strict=True)
    return np.array([np.nan if value is None or not usable else float(value) for value, usable in pairs])


def expected_accuracy(correct: np.ndarray) -> np.ndarray:
    """What each trial's accuracy is worth on new samples, freed of the winner's curse.

        abar + tau^2 / (tau^2 + sigma^2) (a_i - abar)

    with abar the mean accuracy, tau^2 the true variance between trials and sigma^2 the paired
    noise: the trials share their samples, so only what differs between them is noise.

    Args:
        correct: Booleans (trials, samples): which samples each trial gets right.

    Returns:
        Array (trials,). One trial alone is not shrunk: nothing is known of the spread.
    """
    correct = np.asarray(correct, dtype="float64")
    accuracies = correct.mean(axis=1)
    if len(correct) < 2:
        return accuracies
    residual = correct - correct.mean(axis=0)
    noise = (residual**2).sum(axis=0).mean() / (len(correct) - 1) / correct.shape[1]
    observed = accuracies.var(ddof=1)
    true = max(observed - noise, 0.0)
    shrinkage = true / observed if observed > 0 else 0.0
    return accuracies.mean() + shrinkage * (accuracies - accuracies.mean())


def check_rule(rule: Rule) -> Rule:
    """Raise a ValueError unless `rule` is a known name or a function."""
    if callable(rule) or rule in RULES:
        return rule
    raise ValueError(f"`rule` must be one of {RULES} or a function. Received: rule={rule!r}")


def _accuracy_weight(loss, accuracy, samples):
    if len(loss) < 3:
        return 0.0
    mean = accuracy.mean()
    binomial = mean * (1 - mean) / samples
    deviation = loss - loss.mean()
    spread = (deviation**2).sum()
    slope = (deviation * accuracy).sum() / spread if spread > 0 else 0.0
    residual = accuracy - mean - slope * deviation
    unexplained = (residual**2).sum() / (len(loss) - 2)
    total = binomial + unexplained
    return unexplained / total if total > 0 else 0.0


def _standardise(values):
    deviation = values.std()
    # Equal values leave a rounding error of a deviation, which must not become a ranking.
    if deviation <= 1e-12 * max(1.0, np.abs(values).max()):
        return np.zeros_like(values)
    return (values - values.mean()) / deviation
