"""Knowledge distillation: labels softened by the answers of trained networks."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from keras_efficient.training.data import TrainingData, class_rows

_BATCH = 1000


def distilled(data: TrainingData, share: float, teachers: Sequence[Path]) -> TrainingData:
    """The training data with soft labels, the rest as it was.

        y' = (1 - share) y + share / n sum_t p_t(x)

    with y the one-hot label and p_t(x) the class probabilities of teacher t of n. Each training sample gets its
    own: of distorted copies the teachers see the copy. Source: Hinton, Vinyals & Dean, 2015 (at temperature 1),
    with an ensemble as the teacher.

    Args:
        data: Labels are integers or one-hot rows; they become rows.
        share: Weight of the teachers, 0 to 1.
        teachers: Keras files of networks that give class probabilities.

    Raises:
        ValueError: If a teacher does not take the samples or has another number of classes.
    """
    answers = []
    for path in teachers:
        model = keras.saving.load_model(path, compile=False)
        try:
            answers.append(model.predict(data.x_train, batch_size=_BATCH, verbose=0))
        except ValueError as error:
            shape = data.x_train.shape[1:]
            raise ValueError(f"The teacher '{path}' does not take samples of shape {shape}: {error}") from error
    classes = answers[0].shape[1]
    mean = np.mean(answers, axis=0, dtype="float64")
    soft = (1 - share) * _rows(data.y_train, classes, teachers) + share * mean
    return replace(data, y_train=soft.astype("float32"), y_val=_rows(data.y_val, classes, teachers))


def _rows(labels, classes, teachers):
    found = labels.shape[1] if labels.ndim == 2 else labels.max() + 1
    if found > classes or (labels.ndim == 2 and found != classes):
        raise ValueError(f"The teacher '{teachers[0]}' knows {classes} classes, but the labels have {found}")
    return class_rows(labels, classes)
