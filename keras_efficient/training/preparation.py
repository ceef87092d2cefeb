"""Network, data and losses of a run, brought together before its first file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from keras_efficient.checks import real_numbers
from keras_efficient.training.data import (
    TrainingData,
    class_indices,
    class_rows,
    samples,
)
from keras_efficient.training.data_forms import (
    as_table,
    input_array,
    network_inputs,
    network_outputs,
    output_names,
    read_parts,
)
from keras_efficient.training.engine_choice import reason_against_stages
from keras_efficient.training.labels import PARTS, Labels, are_classes, read_labels
from keras_efficient.training.losses import (
    BINARY,
    BINARY_LOSS,
    CLASSES,
    TARGETS,
    head_of,
    is_keras_loss,
    loss_kind,
    losses_by_output,
    takes_logits,
)
from keras_efficient.training.measures import Measures, resolve_measures
from keras_efficient.training.network_source import NetworkSource, described_shape
from keras_efficient.training.stage import Stage

_TRIED = 2  # samples that losses and metrics are tried on


@dataclass(frozen=True)
class Prepared:
    """What `train_network` makes of `config`, `data`, `stages`, `metrics`, `objective` and `rule`.

    `labels` has the texts of the labels, position = class; None where they were numbers.
    """

    source: NetworkSource
    data: TrainingData
    stages: tuple[Stage, ...]
    measures: Measures
    labels: Labels

    def reason_against_compiled(self, asked: str) -> str | None:
        """Why the compiled engine, asked for so, does not compute the run here; None: it does."""
        if keras.tree.is_nested(self.data.x_train) or keras.tree.is_nested(self.data.y_train):
            return "the compiled engine does not support several inputs or outputs"
        if self.data.w_train is not None or self.data.w_val is not None or any(s.class_weight for s in self.stages):
            return "the compiled engine does not support weights of samples or classes"
        return reason_against_stages(self.source, self.stages, self.data.one_hot, asked)


def prepare(config: Any, data: Any, stages: Sequence[Stage], metrics: Any, objective: Any, rule: Any) -> Prepared:
    """Network, arrays and measures; what is wrong with one of them is a ValueError."""
    parts = read_parts(data)
    source = _source(config, parts[0], stages)
    model = source.build("float", seed=0)
    xs = [network_inputs(model, x, part) for (x, _, _), part in zip(parts, PARTS, strict=False)]
    tried = samples(xs[0], slice(_TRIED))
    outputs = network_outputs(model, tried)
    names = output_names(model, outputs)
    nested = keras.tree.is_nested(outputs)
    if nested and any(stage.loss is None for stage in stages):
        raise ValueError(f"Every stage needs a `loss`, as the network has the outputs {names}: a list or dictionary")
    stages = tuple(stages) if nested or outputs.shape[1:] != (1,) else _binary(stages)
    losses = [losses_by_output(stage.loss, names) for stage in stages]
    ys, labels = read_labels([y for _, y, _ in parts], losses, names, outputs)
    weights = [_weights(weight, part) for (_, _, weight), part in zip(parts, PARTS, strict=False)]
    found = TrainingData.of_parts(list(zip(xs, ys, weights, strict=True)))
    source = replace(source, input_shape=found.input_shape)
    stages = tuple(_with_class_numbers(stage, found, labels) for stage in stages)
    for number, stage in enumerate(stages):
        _try_loss(model, stage, number, found, tried, outputs)
    kinds = {loss_kind(loss) for each in losses for loss in each}
    fits = not nested and (kinds == {CLASSES} or kinds == {BINARY} and outputs.shape[1:] == (1,))
    threshold = 0.0 if not nested and takes_logits(stages[-1].loss_for(found.one_hot)) else 0.5
    y = samples(found.y_train, slice(_TRIED))
    measures = resolve_measures(metrics, objective, rule, fits, y, outputs, names, threshold)
    if not measures.accuracy and any(stage.halving and stage.halving.measure == "val_accuracy" for stage in stages):
        known = "'val_loss' or 'objective'"
        raise ValueError(f"`halving` must compare by {known}, as no accuracy is measured. Received: 'val_accuracy'")
    return Prepared(source, found, stages, measures, labels)


def _source(config, part, stages):
    """Where networks come from, and how they end."""
    if callable(config):
        return NetworkSource(config, ())
    source = NetworkSource(config, described_shape(config, input_array(part[0]).shape[1:]))
    if source.build("float", seed=0).output_shape[1:] == (1,):
        stages = _binary(stages)
    # A loss of one's own for classes compares probabilities, as those of Keras do.
    own = not any(stage.loss is None or is_keras_loss(stage.loss) for stage in stages)
    return replace(source, head="softmax" if own and are_classes(part[1]) else head_of(stages))


def _binary(stages):
    """The stages of a network with one output: without a loss of their own they compare one probability."""
    return tuple(replace(stage, loss=BINARY_LOSS) if stage.loss is None else stage for stage in stages)


def _with_class_numbers(stage, data, labels):
    """The stage with class weights by number, where they were given by text."""
    if stage.class_weight is None:
        return stage
    if not isinstance(data.y_train, np.ndarray) or loss_kind(stage.loss) == TARGETS:
        raise ValueError("`class_weight` is for the classes of one output; give sample weights with the data instead")
    numbers = {text: number for number, text in enumerate(labels or ())}
    found = set(class_indices(data.y_train).tolist())
    weights = {numbers.get(key, key): weight for key, weight in stage.class_weight.items()}
    if unknown := [key for key in weights if key not in found]:
        raise ValueError(f"`class_weight` must name classes of the training samples. Received: {unknown}")
    return replace(stage, class_weight=weights)


def _weights(weights, part):
    if weights is None:
        return None
    problem = f"The weights of the {part} samples must be real numbers"
    weights = real_numbers(as_table(weights), problem).astype("float32")
    weights = weights.reshape(len(weights), -1)
    if weights.shape[1] != 1 or not (np.isfinite(weights) & (weights >= 0)).all():
        raise ValueError(
            f"The weights of the {part} samples must be finite numbers of at least 0, one each. Received: shape "
            f"{weights.shape}, from {weights.min()} to {weights.max()}"
        )
    return weights[:, 0]


def _try_loss(model, stage, number, data, x, outputs):
    y = samples(data.y_train, slice(_TRIED))
    if stage.distillation:
        if keras.tree.is_nested(y) or loss_kind(stage.loss) != CLASSES or np.ndim(y) > 2:
            raise ValueError(f"Stage {number} has `distillation`, which is for class probabilities of one output")
        y = class_rows(y, outputs.shape[-1])
    loss = stage.loss_for(isinstance(y, np.ndarray) and y.ndim == 2)
    try:
        model.compile(loss=loss)
        arrays = (keras.tree.map_structure(keras.ops.convert_to_tensor, part) for part in (x, y, outputs))
        tried, true, predicted = arrays
        model.compute_loss(x=tried, y=true, y_pred=predicted, training=False)
    except Exception as error:  # whatever a loss of one's own raises
        both = " (a stage without `loss` takes whole numbers as well as one-hot rows)"
        raise ValueError(
            f"The loss of stage {number} ({stage.mode}) cannot be computed from the labels and outputs"
            f"{both if loss_kind(loss) == CLASSES else ''}: {error}"
        ) from error
