"""Epochs on TensorFlow: one call of one graph each."""

import keras
import numpy as np
import tensorflow as tf

from keras_efficient.training.data import class_indices
from keras_efficient.training.engines.engine import Arrays, Engine, Loss, Optimizer
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

    def __init__(self, model: keras.Model, optimizer: Optimizer, loss: Loss, arrays: Arrays, batch_size: int):
        self.model = model
        self.x, self.y, self.x_val, self.y_val = (tf.constant(array) for array in arrays)
        self.classes = class_indices(arrays[3])
        self.batch_size = batch_size
        output_shape = model(self.x_val[:1], training=False).shape[1:]
        # XLA makes small convolutions several times slower on a CPU.
        model.compile(optimizer, loss, jit_compile=False)
        self.optimizer = model.optimizer
        self.optimizer.build(model.trainable_variables)
        graphs = _Graphs(model, batch_size, output_shape)
        self._epoch = tf.function(graphs.epoch)
        self._evaluation = tf.function(graphs.evaluation)

    def train_epoch(self, order: np.ndarray) -> float:
        loss = float(self._epoch(self.x, self.y, tf.constant(order, dtype=tf.int32)))
        self.optimizer.finalize_variable_values(self.model.trainable_variables)  # as `fit` does at its end
        return loss

    def evaluate(self) -> tuple[float, np.ndarray]:
        loss, predicted = self._evaluation(self.x_val, self.y_val)
        return float(loss), predicted.numpy() == self.classes


def step(model: keras.Model, x: Tensor, y: Tensor) -> Tensor:
    """One step of a compiled model on a batch; the loss."""
    with tf.GradientTape() as tape:
        loss = model.compute_loss(x=x, y=y, y_pred=model(x, training=True), training=True)
        scaled_loss = model.optimizer.scale_loss(loss)
    variables = model.trainable_variables
    model.optimizer.apply(tape.gradient(scaled_loss, variables), variables)
    return loss


class _Graphs:
    """What an epoch and an evaluation compute, as functions of the arrays."""

    def __init__(self, model: keras.Model, batch_size: int, output_shape: Shape):
        self.model, self.batch_size, self.output_shape = model, batch_size, output_shape

    def epoch(self, x: Tensor, y: Tensor, order: Tensor) -> Tensor:
        samples = tf.shape(order)[0]
        total = tf.constant(0.0)
        for start in tf.range(0, samples, self.batch_size):
            batch = order[start : start + self.batch_size]
            loss = step(self.model, tf.gather(x, batch), tf.gather(y, batch))
            total += tf.cast(loss, tf.float32) * tf.cast(tf.shape(batch)[0], tf.float32)
        return total / tf.cast(samples, tf.float32)

    def evaluation(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        outputs = tf.TensorArray(tf.float32, 0, dynamic_size=True, infer_shape=False)
        for start in tf.range(0, len(x), _EVALUATION_BATCH):
            batch = self.model(x[start : start + _EVALUATION_BATCH], training=False)
            outputs = outputs.write(outputs.size(), tf.cast(batch, tf.float32))
        y_pred = tf.ensure_shape(outputs.concat(), (len(x), *self.output_shape))
        loss = self.model.compute_loss(x=None, y=y, y_pred=y_pred, training=False)
        return loss, tf.argmax(y_pred, axis=-1)
