"""What a run measures on validation and test samples besides the loss, and by what it chooses."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_efficient.reading.keras_private import better_direction
from keras_efficient.training.data import class_indices, count, samples
from keras_efficient.training.selection import Rule
from keras_efficient.training.stage_checks import is_found

ACCURACY = "accuracy"
_AT_ONCE = 10_000
_ACCURACIES = (ACCURACY, "acc")
# Threads that run trials share the metrics that were given as objects.
_lock = threading.Lock()


@dataclass(frozen=True)
class Measures:
    """The metrics of a run and its objective, as they were resolved before its first file.

    Attributes:
        metrics: As `compile` takes them: a list, of several outputs a dictionary of lists. Without the accuracy.
        names: The names of all results.
        objective: ("val_NAME", "min" or "max").
        output_names: Of several outputs; () for one.
        threshold: Above it one output means class 1.
    """

    metrics: Any = ()
    names: tuple[str, ...] = (ACCURACY,)
    accuracy: bool = True
    objective: tuple[str, str] = ("val_accuracy", "max")
    rule: Rule = "score"
    output_names: tuple[str, ...] = ()
    threshold: float = 0.5

    @property
    def keeps_objective(self) -> bool:
        """Whether a trial is represented by the epoch of its best objective; else by that of its lowest loss."""
        return self.rule == "objective" and self.objective[0] != "val_loss"

    @property
    def objective_checkpoint(self) -> str:
        """The name of the file with the weights of the best objective."""
        name, direction = self.objective
        return f"{direction}_{''.join(c if c.isalnum() or c in '-.' else '_' for c in name)}.keras"

    def text(self, results: Mapping[str, float]) -> str:
        """The objective among results, for people; empty where it is the loss, or nothing was measured."""
        name = self.objective[0].removeprefix("val_")
        if name == "loss" or name not in results:
            return ""
        return f"{results[name]:.2%}" if name == ACCURACY else f"{name} {results[name]:.4g}"

    def worth(self, logs: Mapping[str, Any]) -> float:
        """How bad the objective is: the lower, the better."""
        name, direction = self.objective
        return float(logs[name]) * (-1 if direction == "max" else 1)


class Measuring:
    """Computes the metrics of `Measures`; nothing of an earlier call enters a later one."""

    def __init__(self, measures: Measures):
        self.measures = measures
        self.model = keras.Model()
        if measures.metrics:
            self.model.compile(metrics=measures.metrics)

    def __call__(self, y: Any, outputs: Any) -> tuple[dict[str, float], np.ndarray | None]:
        """The results by name, and which samples are right (None without an accuracy)."""
        results, right = {}, None
        if self.measures.accuracy:
            if outputs.shape[-1] == 1:
                right = (outputs[..., 0] > self.measures.threshold) == (y[..., 0] > 0.5)
            else:
                right = outputs.argmax(axis=-1) == class_indices(y)
            results = {ACCURACY: float(right.mean())}
        if self.measures.metrics:
            with _lock:
                results |= self._results(y, outputs)
        return results, right

    def directions(self) -> dict[str, str | None]:
        """Of each result that was computed: whether "min" or "max" is better, None where its metric does not say."""
        if not self.measures.metrics:
            return {}
        metrics = [metric for group in self.model.metrics for metric in getattr(group, "metrics", ())]
        return dict(zip(self._names, map(better_direction, metrics), strict=True))

    def _results(self, y, outputs):
        self.model.reset_metrics()
        names = self.measures.output_names
        if names:
            y, outputs = (dict(zip(names, keras.tree.flatten(part), strict=True)) for part in (y, outputs))
        for start in range(0, count(outputs), _AT_ONCE):
            arrays = (samples(part, slice(start, start + _AT_ONCE)) for part in (y, outputs))
            true, predicted = (keras.tree.map_structure(keras.ops.convert_to_tensor, part) for part in arrays)
            found = self.model.compute_metrics(x=None, y=true, y_pred=predicted, sample_weight=None)
        found = {name: keras.ops.convert_to_numpy(value) for name, value in found.items() if name != "loss"}
        self._names = tuple(found)
        if wrong := [name for name, value in found.items() if np.size(value) != 1]:
            raise ValueError(f"each of `metrics` must give one number. Received: {wrong[0]!r} of {found[wrong[0]]}")
        return {name: float(value) for name, value in found.items()}


def resolve_measures(
    metrics: Any,
    objective: Any,
    rule: Rule | None,
    fits: bool,
    y: Any,
    outputs: Any,
    names: Sequence[str],
    threshold: float,
) -> Measures:
    """What `metrics`, `objective` and `rule` of `train_network` come to, tried on labels and outputs of some samples.

    `fits` says whether the accuracy is the metric where None was given, `names` are those of the outputs. A ValueError
    if one is wrong, or a metric cannot be computed.
    """
    several = tuple(names) if keras.tree.is_nested(outputs) else ()
    listed = _listed([ACCURACY] if metrics is None and fits else metrics or [], names)
    accuracy = not several and any(each in _ACCURACIES for each in listed[names[0]] if isinstance(each, str))
    if accuracy and not (outputs.ndim == 2 and (y.ndim == 1 or y.shape == outputs.shape)):
        raise ValueError("`metrics` has an accuracy, but the labels are no classes of the outputs")
    others = {name: [m for m in part if several or m not in _ACCURACIES] for name, part in listed.items()}
    plain = (others if several else others[names[0]]) if any(others.values()) else ()
    measuring = Measuring(Measures(plain, accuracy=accuracy, output_names=several, threshold=threshold))
    try:
        results, _ = measuring(y, outputs)
    except Exception as error:  # whatever a metric of one's own raises
        raise ValueError(f"`metrics` cannot be computed from the labels and outputs: {error}") from error
    directions = {ACCURACY: "max", **measuring.directions(), "loss": "min"}
    chosen = _objective(objective, accuracy, tuple(results), directions)
    if not accuracy and rule in ("score", "val_accuracy"):
        raise ValueError(
            f"`rule` must be 'objective', 'val_loss' or a function, as the run measures no accuracy. Received: {rule=}"
        )
    rule = rule or ("score" if accuracy else "objective")
    return Measures(plain, tuple(results), accuracy, chosen, rule, several, threshold)


def _listed(metrics, names):
    if isinstance(metrics, Mapping):
        if unknown := sorted(set(metrics) - set(names)):
            raise ValueError(f"`metrics` must name outputs of the network, {list(names)}. Received: {unknown}")
        parts = [metrics.get(name, []) for name in names]
    elif len(names) == 1:
        parts = [metrics]
    elif isinstance(metrics, (list, tuple)) and len(metrics) in (0, len(names)):
        parts = list(metrics) or [[]] * len(names)
    else:
        raise ValueError(
            f"`metrics` must be a list or dictionary with metrics for each of the outputs {list(names)}. "
            f"Received: metrics={metrics!r}"
        )
    return {name: list(_checked(part)) for name, part in zip(names, parts, strict=True)}


def _checked(metrics: Any) -> Iterator[str | Callable]:
    for metric in keras.tree.flatten([metrics] if isinstance(metrics, str) or callable(metrics) else metrics):
        special = isinstance(metric, str) and metric in (*_ACCURACIES, "crossentropy", "ce")
        if not (metric is None or special or is_found(metric, keras.metrics.get, callable)):
            raise ValueError(
                f"`metrics` must be names of Keras metrics, such as 'mae', metrics or functions. Received: {metric!r}"
            )
        if metric is not None:
            yield metric


def _objective(objective, accuracy, names, directions):
    if objective is None:
        return ("val_accuracy", "max") if accuracy else ("val_loss", "min")
    known = [f"val_{name}" for name in ("loss", *names)]
    name, direction = objective if isinstance(objective, (tuple, list)) and len(objective) == 2 else (objective, None)
    if name not in known or direction not in (None, "min", "max"):
        raise ValueError(
            f"`objective` must be one of {known}, alone or with a direction as in ({known[-1]!r}, 'max'). "
            f"Received: objective={objective!r}"
        )
    direction = direction or directions.get(name.removeprefix("val_"))
    if direction is None:
        raise ValueError(
            f"The metric of `objective` does not say whether larger is better: give ({name!r}, 'max') or "
            f"({name!r}, 'min'). Received: objective={objective!r}"
        )
    return name, direction
