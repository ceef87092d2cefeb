"""Trainings in compiled loops of JAX; those of dense networks side by side."""

import jax
import keras
import numpy as np

from keras_efficient.training.engines.seeds import EVALUATED_AT_ONCE, SeedEngine, Trainings, as_arrays
from keras_efficient.training.measures import Measuring


class JaxSeedEngine(SeedEngine):
    """A `SeedEngine` whose step is compiled into one loop over all batches and mapped over the trainings.

    With convolutions they run one after the other: side by side each has kernels of its own, and XLA computes
    such grouped convolutions many times slower on a CPU.
    """

    def __init__(self, model: keras.Model, data: tuple, measuring: Measuring):
        super().__init__(model, data, measuring)
        self._train = self._one_training
        self._outputs = lambda trainable, others, x: model.stateless_call(trainable, others, x, training=False)[0]
        self._side_by_side = all(len(variable.shape) < 3 for variable in model.trainable_variables)
        if self._side_by_side:
            self._train = jax.vmap(self._train, in_axes=(0, 0, 0, 0, None, None))
            self._outputs = jax.vmap(self._outputs, in_axes=(0, 0, None))
        self._train, self._outputs = jax.jit(self._train), jax.jit(self._outputs)
        self._arrays = jax.device_put((self.x, self.y))
        model._compile_loss(self.y[:1], model(self.x[:1]))  # it must not be built while a loop is traced

    def train(self, trainings: Trainings, orders: np.ndarray) -> tuple[Trainings, np.ndarray]:
        if not self._side_by_side:
            return super().train(trainings, orders)
        state = (trainings.trainable, trainings.non_trainable, trainings.optimizer)
        state, losses = self._train(*state, np.asarray(orders, "int32"), *self._arrays)
        return Trainings(*(list(part) for part in state)), np.asarray(losses)

    def _run(self, order):
        state, losses = self._train(*self.read(), np.asarray(order, "int32"), *self._arrays)
        self.write(*state)
        return np.asarray(losses)

    def _one_training(self, trainable, non_trainable, optimizer, order, x, y):
        gradient = jax.value_and_grad(self._loss, has_aux=True)

        def step(state, samples):
            trainable, non_trainable, optimizer = state
            (_, (loss, non_trainable)), gradients = gradient(
                trainable, non_trainable, optimizer, x[samples], y[samples]
            )
            trainable, optimizer = self.model.optimizer.stateless_apply(optimizer, gradients, trainable)
            return (list(trainable), list(non_trainable), list(optimizer)), loss

        return jax.lax.scan(step, (trainable, non_trainable, optimizer), order)

    def _loss(self, trainable, non_trainable, optimizer, x, y):
        """The loss as the optimizer scales it; the loss itself and what has changed."""
        outputs, non_trainable, penalties = self.model.stateless_call(
            trainable, non_trainable, x, training=True, return_losses=True
        )
        loss = self.model._compile_loss(y, outputs) + sum(penalties)
        scale = list(zip(self.model.optimizer.variables, optimizer, strict=True))
        with keras.StatelessScope(state_mapping=scale):
            return self.model.optimizer.scale_loss(loss), (loss, non_trainable)

    def evaluate(self, trainings: Trainings) -> tuple[np.ndarray, np.ndarray]:
        if not self._side_by_side:
            return super().evaluate(trainings)
        parts = range(0, len(self.x_eval), EVALUATED_AT_ONCE)
        parts_of_outputs = [
            self._outputs(trainings.trainable, trainings.non_trainable, self.x_eval[k : k + EVALUATED_AT_ONCE])
            for k in parts
        ]
        outputs = np.concatenate([np.asarray(part) for part in parts_of_outputs], axis=1)
        return as_arrays(list(map(self.measures, outputs)))
