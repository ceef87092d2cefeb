"""Many trainings of one network that differ in their numbers only, not in what is computed.

On JAX and TensorFlow a whole training is one compiled loop, on JAX those of dense networks run side by side; on PyTorch
Keras trains batch by batch, one training after the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np

from keras_efficient.training.measures import ACCURACY, Measuring

EVALUATED_AT_ONCE = 1000


@dataclass
class Trainings:
    """The variables of S trainings: lists of arrays (S, ...), in the order of the model's own lists."""

    trainable: list
    non_trainable: list
    optimizer: list

    def of(self, number: int) -> tuple[list, list, list]:
        """The variables of one training."""
        parts = (self.trainable, self.non_trainable, self.optimizer)
        trainable, non_trainable, optimizer = ([np.asarray(v[number]) for v in part] for part in parts)
        return trainable, non_trainable, optimizer

    @classmethod
    def stack(cls, trainings: list[tuple[list, list, list]]) -> Trainings:
        """From the variables of every training."""
        return cls(*([np.stack(values) for values in zip(*part, strict=True)] for part in zip(*trainings, strict=True)))


class SeedEngine:
    """Trains and evaluates `Trainings` of a compiled model, whose variables it overwrites, one after the other.

    `data` holds x and y of training, x and y of evaluation; `measuring` computes the accuracy, where there is one.
    """

    def __init__(self, model: keras.Model, data: tuple, measuring: Measuring):
        self.model, self.measuring = model, measuring
        self.x, self.y, self.x_eval, self.y_eval = data

    def train(self, trainings: Trainings, orders: np.ndarray) -> tuple[Trainings, np.ndarray]:
        """The trainings after the batches of samples `orders` (S, steps, batch size), and their losses (S, steps)."""
        trained, losses = [], []
        for number, order in enumerate(orders):
            self.write(*trainings.of(number))
            losses.append(self._run(order))
            trained.append(self.read())
        return Trainings.stack(trained), np.array(losses, "float32")

    def _run(self, order):
        """Train the model on the batches of samples `order` (steps, batch size); their losses."""
        return [
            float(self.model.train_on_batch(self.x[samples], self.y[samples], return_dict=True)["loss"])
            for samples in order
        ]

    def evaluate(self, trainings: Trainings) -> tuple[np.ndarray, np.ndarray]:
        """Loss (without penalties) and accuracy of every training on the evaluation data."""
        results = []
        for number in range(len(trainings.trainable[0])):
            self.write(*trainings.of(number))
            results.append(self.measures(self.model.predict(self.x_eval, batch_size=EVALUATED_AT_ONCE, verbose=0)))
        return as_arrays(results)

    def measures(self, outputs: np.ndarray) -> tuple[float, float]:
        """Mean loss and accuracy of outputs for the evaluation data; NaN where no accuracy is measured."""
        labels, y = map(keras.ops.convert_to_tensor, (self.y_eval, outputs))
        loss = float(keras.ops.mean(self.model._compile_loss(labels, y)))
        return loss, self.measuring(self.y_eval, outputs)[0].get(ACCURACY, np.nan)

    def read(self) -> tuple[list, list, list]:
        """The variables of the model."""
        return read_variables(self.model)

    def write(self, trainable: list, non_trainable: list, optimizer: list) -> None:
        """Set the variables of the model."""
        for part, values in zip(_variables(self.model), (trainable, non_trainable, optimizer), strict=True):
            for variable, value in zip(part, values, strict=True):
                variable.assign(value)


def read_variables(model: keras.Model) -> tuple[list, list, list]:
    """The values of a compiled model's variables, in the order of `Trainings`."""
    trainable, non_trainable, optimizer = ([keras.ops.convert_to_numpy(v) for v in part] for part in _variables(model))
    return trainable, non_trainable, optimizer


def _variables(model):
    return model.trainable_variables, model.non_trainable_variables, model.optimizer.variables


def as_arrays(results: list[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    """The measures of several trainings as (losses, accuracies)."""
    losses, accuracies = np.array(results).T
    return losses, accuracies
