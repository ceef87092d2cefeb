"""Trainings one after the other, each a loop in one graph of TensorFlow."""

import keras
import tensorflow as tf

from keras_efficient.training.engines.seeds import SeedEngine


class TensorFlowSeedEngine(SeedEngine):
    """A `SeedEngine` whose batches are one graph call. Without XLA, which is slow at small convolutions on a CPU."""

    def __init__(self, model: keras.Model, data: tuple):
        super().__init__(model, data)
        self._arrays = tf.constant(self.x), tf.constant(self.y)
        self._loop = tf.function(self._losses, input_signature=[tf.TensorSpec((None, None), tf.int32)])

    def _run(self, order):
        return self._loop(tf.constant(order, tf.int32)).numpy()

    def _losses(self, order):
        steps = tf.shape(order)[0]
        losses = tf.TensorArray(tf.float32, steps)
        for step in tf.range(steps):
            x, y = (tf.gather(array, order[step]) for array in self._arrays)
            losses = losses.write(step, self._step(x, y))
        return losses.stack()

    def _step(self, x, y):
        with tf.GradientTape() as tape:
            loss = self.model.compute_loss(x, y, self.model(x, training=True))
            scaled_loss = self.model.optimizer.scale_loss(loss)
        variables = self.model.trainable_variables
        self.model.optimizer.apply(tape.gradient(scaled_loss, variables), variables)
        return loss
