"""Epochs in C, with the weights and the optimizer's state in the Keras variables before and after each."""

import ctypes

import keras
import numpy as np

from keras_efficient.training.data import class_indices
from keras_efficient.training.engines.compiled import structures, support
from keras_efficient.training.engines.compiled.library import load_library, threads
from keras_efficient.training.engines.compiled.program import Program
from keras_efficient.training.prefix import apply_prefix, split_prefix


class CompiledEngine:
    """Same interface as `FitEngine`. A step computes what Keras computes, up to the order of float sums.

    Dropout draws from a hash of its seed, the step, the place in the batch and the cell, so its masks are others than
    those of Keras, and the same for any number of threads.

    Raises:
        NotSupportedError: Something in the model, optimizer or loss that step.c does not compute.
        LibraryError: step.c cannot be built here.
    """

    def __init__(self, model, optimizer, loss, arrays, batch_size):
        support.check_optimizer(optimizer)
        support.check_loss(loss, np.ndim(arrays[1]))
        prefix, body = split_prefix(model)
        support.check_model(body)
        self.program = Program(body)
        self.network = self.program.network()
        self.library = load_library()
        self.threads = threads()
        self.model = model
        self.x, self.x_val = (_contiguous(apply_prefix(prefix, x)) for x in (arrays[0], arrays[2]))
        self.y, self.y_val = arrays[1], arrays[3]
        self.targets = _rows(self.y, model.output_shape[-1])
        self.batch_size = min(batch_size, len(self.x))
        model.compile(optimizer, loss, jit_compile=False)
        self.optimizer = model.optimizer
        self.optimizer.build(model.trainable_variables)

    def set_callbacks(self, callbacks):
        """No callback here looks at batches."""

    def train_epoch(self, order: np.ndarray) -> float:
        """Train on all samples in the given order; the mean loss."""
        moments = [np.zeros(self.program.size, "float32") for _ in range(2)]
        trained = list(self._trained())
        for places, moment in zip(self._moment_places(trained), moments, strict=True):
            _read(places, moment)
        parameters = self._parameters()
        loss = self._call(order, self.batch_size, self._adam(trained, *moments), parameters)[0] / len(order)
        _write([place for place, _ in trained], parameters)
        for places, moment in zip(self._moment_places(trained), moments, strict=True):
            _write(places, moment)
        steps = -(-len(order) // self.batch_size)
        self.optimizer.iterations.assign_add(steps)
        for layer, _ in self.program.dropouts:
            state = layer.seed_generator.state
            state.assign(_words(state) + np.array([0, steps], dtype=_words(state).dtype))
        return loss

    def gradients(self, order: np.ndarray) -> tuple[float, list[np.ndarray]]:
        """Mean loss over the given samples, and its gradients in the order of `program.variables`."""
        loss, gradients = self._call(order, len(order), None, self._parameters())
        arrays = [gradients[first : first + size].reshape(v.shape) for v, first, size in self.program.variables]
        return loss / len(order), arrays

    def evaluate(self) -> tuple[float, np.ndarray]:
        """Validation loss, and which validation samples are right (booleans)."""
        probabilities = _softmax(self.logits())
        limited = np.clip(probabilities, keras.config.epsilon(), 1 - keras.config.epsilon())
        if self.y_val.ndim == 2:
            loss = -(self.y_val * np.log(limited)).sum(axis=1)
        else:  # Keras takes the logarithms as logits here, which scales the clipped probabilities to a sum of 1
            loss = np.log(limited.sum(axis=1)) - np.log(limited[np.arange(len(limited)), self.y_val])
        return float(loss.mean()), probabilities.argmax(axis=1) == class_indices(self.y_val)

    def logits(self) -> np.ndarray:
        """What goes into the softmax, for the validation samples."""
        outputs = np.empty((len(self.x_val), self.targets.shape[1]), "float32")
        parameters = self._parameters()
        pointers = (self.x_val.ctypes.data, len(self.x_val), parameters.ctypes.data, outputs.ctypes.data)
        if not self.library.ke_predict(ctypes.byref(self.network), *pointers, self.threads):
            raise MemoryError("The compiled step found too little memory")
        return outputs

    def _call(self, order, batch_size, adam, parameters):
        """Sum of the losses, gradients of the last step; `parameters` change where there is an optimizer."""
        for layer, number in self.program.dropouts:
            operation = self.network.arrays["operation"][number]
            operation.seed, operation.counter = (int(word) & 0xFFFFFFFF for word in _words(layer.seed_generator.state))
        order = np.ascontiguousarray(order, dtype="int64")
        gradients = np.zeros(self.program.size, "float32")
        loss = self.library.ke_train(
            ctypes.byref(self.network),
            self.x.ctypes.data,
            self.targets.ctypes.data,
            order.ctypes.data,
            len(order),
            batch_size,
            adam,
            parameters.ctypes.data,
            gradients.ctypes.data,
            self.threads,
        )
        return loss, gradients

    def _parameters(self):
        parameters = np.empty(self.program.size, "float32")
        _read(self.program.variables, parameters)
        return parameters

    def _trained(self):
        """((variable, first, size), index in the optimizer) of every variable that trains."""
        trained = {id(variable) for variable in self.model.trainable_variables}
        for place in self.program.variables:
            if id(place[0]) in trained:
                yield place, self.optimizer._get_variable_index(place[0])

    def _moment_places(self, trained):
        """The places of momentums and velocities; they lie as the variables do."""
        for moments in (self.optimizer._momentums, self.optimizer._velocities):
            yield [(moments[index], first, size) for (_, first, size), index in trained]

    def _adam(self, trained, momentum, velocity):
        optimizer = self.optimizer
        segments = (structures.Segment * len(trained))(
            *((first, size, optimizer._use_weight_decay(variable)) for (variable, first, size), _ in trained)
        )
        adam = structures.Adam(
            learning_rate=float(keras.ops.convert_to_numpy(optimizer.learning_rate)),
            beta_1=optimizer.beta_1,
            beta_2=optimizer.beta_2,
            epsilon=optimizer.epsilon,
            weight_decay=optimizer.weight_decay or 0.0,
            iterations=int(keras.ops.convert_to_numpy(optimizer.iterations)),
            segments=len(segments),
            segment=ctypes.addressof(segments),
            momentum=momentum.ctypes.data,
            velocity=velocity.ctypes.data,
        )
        adam.kept = segments, momentum, velocity
        return adam


def _contiguous(x):
    return np.ascontiguousarray(x, dtype="float32")


def _rows(labels, classes):
    """Labels as rows of probabilities."""
    rows = labels if labels.ndim == 2 else np.eye(classes, dtype="float32")[labels]
    return _contiguous(rows)


def _words(state):
    return keras.ops.convert_to_numpy(state)


def _read(places, array):
    for variable, first, size in places:
        array[first : first + size] = keras.ops.convert_to_numpy(variable).ravel()


def _write(places, array):
    for variable, first, size in places:
        variable.assign(array[first : first + size].reshape(variable.shape))


def _softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
