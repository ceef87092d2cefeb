"""Epochs in C, with the weights and the optimizer's state in the Keras variables before and after each."""

import ctypes
from collections.abc import Callable, Iterable
from functools import partial
from itertools import pairwise
from typing import Any

import keras
import numpy as np

from keras_efficient.training.data import class_rows
from keras_efficient.training.engines.compiled import structures, support
from keras_efficient.training.engines.compiled.library import load_library, threads
from keras_efficient.training.engines.compiled.program import ChainProgram
from keras_efficient.training.engines.engine import Arrays, Engine, Loss, Optimizer
from keras_efficient.training.prefix import apply_prefix, split_prefix

_NO_MEMORY = "The compiled step found too little memory"
_MANY_CALLS = 100


class CompiledEngine(Engine):
    """An engine in C, or a NotSupportedError or LibraryError. A step computes what Keras computes, up to the order of
    float sums.

    Dropout draws from a hash of its seed, the step, the place in the batch and the cell, so its masks are others than
    those of Keras, and the same for any number of threads.
    """

    def __init__(self, model: keras.Model, optimizer: Optimizer, loss: Loss, arrays: Arrays, batch_size: int):
        prefix, self.program = check_support(model, optimizer, loss, np.ndim(arrays[1]))
        self.network = self.program.network()
        self.library = load_library()
        self.threads = threads()
        self.model = model
        inputs = (apply_prefix(prefix, x) for x in (arrays[0], arrays[2]))
        self.x, self.x_val = (np.ascontiguousarray(x, dtype="float32") for x in inputs)
        self.y_val = arrays[3]
        self.targets = np.ascontiguousarray(class_rows(arrays[1], model.output_shape[-1]), dtype="float32")
        self.batch_size = min(batch_size, len(self.x))
        model.compile(optimizer, loss, jit_compile=False)
        self.optimizer = model.optimizer
        self.optimizer.build(model.trainable_variables)
        self._prepare_variables()

    def _prepare_variables(self):
        """All weights as one vector; momentums, then velocities, of those that train as another."""
        self.weights = FlatVariables(self.program.variables)
        trained = {id(variable) for variable in self.model.trainable_variables}
        segments, moments, place = [], [], 0
        for variable, (first, end) in zip(self.weights.variables, pairwise(self.weights.places), strict=True):
            if id(variable) in trained:
                decays = self.optimizer._use_weight_decay(variable)
                segments.append(structures.CSegment(first, end - first, decays, place))
                moments.append(self.optimizer._get_variable_index(variable))
                place += end - first
        self.segments = (structures.CSegment * len(segments))(*segments)
        states = (self.optimizer._momentums, self.optimizer._velocities)
        self.moments = FlatVariables(state[index] for state in states for index in moments)

    def train_epoch(self, order: np.ndarray) -> float:
        weights, moments = self.weights.read(), self.moments.read()
        loss = self._call(order, self.batch_size, weights, self._adam(moments))[0] / len(order)
        self.weights.write(weights)
        self.moments.write(moments)
        steps = -(-len(order) // self.batch_size)
        self.optimizer.iterations.assign_add(steps)
        for layer, _ in self.program.dropouts:
            words = keras.ops.convert_to_numpy(layer.seed_generator.state)
            layer.seed_generator.state.assign(words + np.array([0, steps], dtype=words.dtype))
        return loss

    def evaluate(self) -> tuple[float, np.ndarray]:
        logits = self.logits()
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities = powers / powers.sum(axis=1, keepdims=True)
        limited = np.clip(probabilities, keras.config.epsilon(), 1 - keras.config.epsilon())
        if self.y_val.ndim == 2:
            loss = -(self.y_val * np.log(limited)).sum(axis=1)
        else:  # Keras takes the logarithms as logits here, which scales the clipped probabilities to a sum of 1
            loss = np.log(limited.sum(axis=1)) - np.log(limited[np.arange(len(limited)), self.y_val])
        return float(loss.mean()), probabilities

    def logits(self) -> np.ndarray:
        """What goes into the softmax, for the validation samples."""
        outputs = np.empty((len(self.x_val), self.targets.shape[1]), "float32")
        weights = self.weights.read()
        pointers = (self.x_val.ctypes.data, len(self.x_val), weights.ctypes.data, outputs.ctypes.data)
        if not self.library.ke_predict(ctypes.byref(self.network), *pointers, self.threads):
            raise MemoryError(_NO_MEMORY)
        return outputs

    def _call(self, order, batch_size, weights, adam=None):
        """Sum of the losses, gradients of the last step; `weights` change where there is an optimizer."""
        for layer, number in self.program.dropouts:
            operation, words = self.network.arrays["operation"][number], layer.seed_generator.state
            operation.seed, operation.counter = (int(word) & 0xFFFFFFFF for word in keras.ops.convert_to_numpy(words))
        order = np.ascontiguousarray(order, dtype="int64")
        gradients = np.zeros_like(weights)
        arrays = (self.x.ctypes.data, self.targets.ctypes.data, order.ctypes.data, len(order), batch_size)
        vectors = (weights.ctypes.data, gradients.ctypes.data)
        loss = self.library.ke_train(ctypes.byref(self.network), *arrays, adam, *vectors, self.threads)
        if loss == -np.inf:
            raise MemoryError(_NO_MEMORY)
        return loss, gradients

    def _adam(self, moments):
        optimizer = self.optimizer
        return structures.Adam(
            learning_rate=float(keras.ops.convert_to_numpy(optimizer.learning_rate)),
            beta_1=optimizer.beta_1,
            beta_2=optimizer.beta_2,
            epsilon=optimizer.epsilon,
            weight_decay=optimizer.weight_decay or 0.0,
            iterations=int(keras.ops.convert_to_numpy(optimizer.iterations)),
            segments=len(self.segments),
            segment=ctypes.addressof(self.segments),
            momentum=moments.ctypes.data,
            velocity=moments.ctypes.data + moments.nbytes // 2,
        )


def check_support(
    model: keras.Model, optimizer: Optimizer, loss: Loss, label_dimensions: int
) -> tuple[keras.Model | None, ChainProgram]:
    """The part of a model that is computed beforehand, and the program of the rest, or a NotSupportedError."""
    support.check_optimizer(optimizer)
    support.check_loss(loss, label_dimensions)
    prefix, body = split_prefix(model)
    support.check_model(body)
    return prefix, ChainProgram(body)


class FlatVariables:
    """Reads and writes variables as one float32 vector, in their order.

    One by one that takes longer than an epoch of a very small network, so on TensorFlow, from the hundredth call on,
    it is one graph call each way: before that tracing would take longer than it saves.
    """

    def __init__(self, variables: Iterable[keras.Variable]):
        self.variables = list(variables)
        self.places = np.cumsum([0, *(int(np.prod(variable.shape)) for variable in self.variables)]).tolist()
        self._joined: Callable[[], Any] = self._read
        self._set: Callable[[Any], None] = self._write
        self._calls = 0

    def read(self) -> np.ndarray:
        """The values, in an array of the caller's own."""
        if not self.variables:
            return np.empty(0, "float32")
        self._count()
        return np.array(keras.ops.convert_to_numpy(self._joined()), dtype="float32", order="C")

    def write(self, vector: np.ndarray) -> None:
        if self.variables:
            self._count()
            self._set(vector)

    def _count(self):
        self._calls += 1
        if self._calls == _MANY_CALLS and keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            values = [variable.value for variable in self.variables]
            self._joined = tf.function(lambda: tf.concat([tf.reshape(value, (-1,)) for value in values], 0))
            self._set = tf.function(partial(self._write, reshape=tf.reshape))

    def _read(self):
        return np.concatenate([keras.ops.convert_to_numpy(variable).reshape(-1) for variable in self.variables])

    def _write(self, vector, reshape=np.reshape):
        for variable, (first, end) in zip(self.variables, pairwise(self.places), strict=True):
            variable.assign(reshape(vector[first:end], variable.shape))
