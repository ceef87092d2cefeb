"""Trainings one after the other, each a loop in one graph of TensorFlow."""

import keras
import tensorflow as tf

from keras_efficient.training.engines.seeds import SeedEngine
from keras_efficient.training.engines.tensorflow import step
from keras_efficient.training.measures import Measuring


class TensorFlowSeedEngine(SeedEngine):
    """A `SeedEngine` whose batches are one graph call. Without XLA, which is slow at small convolutions on a CPU."""

    def __init__(self, model: keras.Model, data: tuple, measuring: Measuring):
        super().__init__(model, data, measuring)
        self._arrays = tf.constant(self.x), tf.constant(self.y)
        self._loop = tf.function(self._losses, input_signature=[tf.TensorSpec((None, None), tf.int32)])

    def _run(self, order):
        return self._loop(tf.constant(order, tf.int32)).numpy()

    def _losses(self, order):
        steps = tf.shape(order)[0]
        losses = tf.TensorArray(tf.float32, steps)
        for number in tf.range(steps):
            x, y = (tf.gather(array, order[number]) for array in self._arrays)
            losses = losses.write(number, step(self.model, x, y))
        return losses.stack()
