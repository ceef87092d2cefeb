"""Epochs on TensorFlow: one call of one graph each."""

import numpy as np
import tensorflow as tf

from keras_efficient.training.data import class_indices

# Large enough to keep both cores busy, small enough to stay in the cache.
_EVALUATION_BATCH = 1000


class TensorFlowEngine:
    """Same interface as `FitEngine`. The arithmetic of a step is that of `model.fit`.

    It saves what `fit` does between the steps (dispatch in Python, input pipeline, metrics), which is much of its time
    for a small network; `scripts/benchmark_driver.py` measures how much.
    """

    def __init__(self, model, optimizer, loss, arrays, batch_size):
        self.model = model
        self.x, self.y, self.x_val, self.y_val = (tf.constant(array) for array in arrays)
        self.classes = class_indices(arrays[3])
        self.batch_size = batch_size
        self.output_shape = model(self.x_val[:1], training=False).shape[1:]
        # XLA makes small convolutions several times slower on a CPU.
        model.compile(optimizer, loss, jit_compile=False)
        self.optimizer = model.optimizer
        self.optimizer.build(model.trainable_variables)
        self._epoch = tf.function(self._epoch_graph)
        self._evaluation = tf.function(self._evaluation_graph)

    def set_callbacks(self, callbacks):
        """No callback here looks at batches."""

    def train_epoch(self, order: np.ndarray) -> float:
        """Train on all samples in the given order; the mean loss."""
        return float(self._epoch(tf.constant(order, dtype=tf.int32)))

    def evaluate(self) -> tuple[float, np.ndarray]:
        """Validation loss, and which validation samples are right (booleans)."""
        loss, predicted = self._evaluation()
        return float(loss), predicted.numpy() == self.classes

    def _epoch_graph(self, order):
        samples = tf.shape(order)[0]
        total = tf.constant(0.0)
        for start in tf.range(0, samples, self.batch_size):
            batch = order[start : start + self.batch_size]
            loss = self._step(tf.gather(self.x, batch), tf.gather(self.y, batch))
            total += loss * tf.cast(tf.shape(batch)[0], tf.float32)
        return total / tf.cast(samples, tf.float32)

    def _step(self, x, y):
        with tf.GradientTape() as tape:
            y_pred = self.model(x, training=True)
            loss = self.model.compute_loss(x=x, y=y, y_pred=y_pred, training=True)
            scaled_loss = self.optimizer.scale_loss(loss)
        variables = self.model.trainable_variables
        self.optimizer.apply(tape.gradient(scaled_loss, variables), variables)
        return tf.cast(loss, tf.float32)

    def _evaluation_graph(self):
        outputs = tf.TensorArray(tf.float32, 0, dynamic_size=True, infer_shape=False)
        for start in tf.range(0, len(self.classes), _EVALUATION_BATCH):
            x = self.x_val[start : start + _EVALUATION_BATCH]
            outputs = outputs.write(outputs.size(), tf.cast(self.model(x, training=False), tf.float32))
        y_pred = tf.ensure_shape(outputs.concat(), (len(self.classes), *self.output_shape))
        loss = self.model.compute_loss(x=None, y=self.y_val, y_pred=y_pred, training=False)
        return loss, tf.argmax(y_pred, axis=-1)
