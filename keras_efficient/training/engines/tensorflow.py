"""Epochs on TensorFlow: one call of one graph each."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_efficient.training.data import samples
from keras_efficient.training.engines.engine import NO_WEIGHTS, Arrays, Engine, Loss, Optimizer, Weights
from keras_efficient.type_aliases import Shape, Tensor

# Large enough to keep both cores busy, small enough to stay in the cache.
_EVALUATION_BATCH = 1000


class TensorFlowEngine(Engine):
    """An engine for models without a `train_step` of their own. The arithmetic of a step is that of `model.fit`.

    It saves what `fit` does between the steps (dispatch in Python, input pipeline, metrics), which is much of its time
    for a small network; `scripts/benchmark_driver.py` measures how much.

    The arrays are arguments of the graphs, and no graph holds this object: TensorFlow never gives up what a graph has
    captured, and a process that trains many networks would keep the data of each of them.
    """

    def __init__(
        self,
        model: keras.Model,
        optimizer: Optimizer,
        loss: Loss,
        arrays: Arrays,
        batch_size: int,
        weights: Weights = NO_WEIGHTS,
    ):
        self.model = model
        self.x, self.y, self.x_val, self.y_val = (keras.tree.map_structure(tf.constant, array) for array in arrays)
        self.weights, self.val_weights = (None if part is None else tf.constant(part) for part in weights)
        self.batch_size = batch_size
        outputs = model(samples(self.x_val, slice(1)), training=False)
        # XLA makes small convolutions several times slower on a CPU.
        model.compile(optimizer, loss, jit_compile=False)
        self.optimizer = model.optimizer
        self.optimizer.build(model.trainable_variables)
        graphs = _Graphs(model, batch_size, [part.shape[1:] for part in keras.tree.flatten(outputs)])
        self._epoch = tf.function(graphs.epoch)
        self._evaluation = tf.function(graphs.evaluation)

    def train_epoch(self, order: np.ndarray) -> float:
        loss = float(self._epoch(self.x, self.y, self.weights, tf.constant(order, dtype=tf.int32)))
        self.optimizer.finalize_variable_values(self.model.trainable_variables)  # as `fit` does at its end
        return loss

    def evaluate(self) -> tuple[float, Any]:
        loss, outputs = self._evaluation(self.x_val, self.y_val, self.val_weights)
        return float(loss), keras.tree.map_structure(lambda part: part.numpy(), outputs)


def step(model: keras.Model, x: Any, y: Any, weights: Tensor | None = None) -> Tensor:
    """One step of a compiled model on a batch; the loss."""
    with tf.GradientTape() as tape:
        outputs = model(x, training=True)
        loss = model.compute_loss(x=x, y=y, y_pred=outputs, sample_weight=weights, training=True)
        scaled_loss = model.optimizer.scale_loss(loss)
    variables = model.trainable_variables
    model.optimizer.apply(tape.gradient(scaled_loss, variables), variables)
    return loss


class _Graphs:
    """What an epoch and an evaluation compute, as functions of the arrays."""

    def __init__(self, model: keras.Model, batch_size: int, output_shapes: list[Shape]):
        self.model, self.batch_size, self.output_shapes = model, batch_size, output_shapes

    def epoch(self, x: Any, y: Any, weights: Tensor | None, order: Tensor) -> Tensor:
        count = tf.shape(order)[0]
        total = tf.constant(0.0)
        for start in tf.range(0, count, self.batch_size):
            batch = order[start : start + self.batch_size]
            parts = (_gathered(part, batch) for part in (x, y, weights))
            loss = step(self.model, *parts)
            total += tf.cast(loss, tf.float32) * tf.cast(tf.shape(batch)[0], tf.float32)
        return total / tf.cast(count, tf.float32)

    def evaluation(self, x: Any, y: Any, weights: Tensor | None) -> tuple[Tensor, Any]:
        count = len(keras.tree.flatten(x)[0])
        written = [tf.TensorArray(tf.float32, 0, dynamic_size=True, infer_shape=False) for _ in self.output_shapes]
        for start in tf.range(0, count, _EVALUATION_BATCH):
            batch = self.model(samples(x, slice(start, start + _EVALUATION_BATCH)), training=False)
            flat = keras.tree.flatten(batch)
            written = [a.write(a.size(), tf.cast(flat[i], tf.float32)) for i, a in enumerate(written)]
        pairs = zip(written, self.output_shapes, strict=True)
        found = [tf.ensure_shape(array.concat(), (count, *shape)) for array, shape in pairs]
        y_pred = keras.tree.pack_sequence_as(y, found)
        return self.model.compute_loss(x=None, y=y, y_pred=y_pred, sample_weight=weights, training=False), y_pred


def _gathered(part, batch):
    return None if part is None else keras.tree.map_structure(lambda array: tf.gather(array, batch), part)
