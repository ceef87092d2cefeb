"""Training steps so cheap that what runs around them counts: one compiled epoch a call."""

import keras
import numpy as np


class Epochs:
    """Trains a model on whole epochs.

    On JAX all steps of an epoch are one `lax.scan` through Keras's stateless functions: for a small network without
    convolutions about half the time of `fit`. Elsewhere it is `fit` with 50 steps at once. Convolutions inside a
    scan are slow on JAX's CPU backend; TensorFlow is the backend for them.

    Args:
        model, optimizer: Neither compiled nor built into each other; layers without state.
        batch: Samples of a step. What is left over at the end of an epoch is dropped.
    """

    def __init__(self, model, optimizer, batch):
        self.model, self.optimizer, self.batch = model, optimizer, batch
        self.loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.is_jax = keras.backend.backend() == "jax"
        if self.is_jax:
            self.optimizer.build(model.trainable_variables)
            self._epoch, self._state = self._scan(), [v.value for v in optimizer.variables]
        else:
            fast = {} if keras.backend.backend() == "torch" else {"steps_per_execution": 50}
            model.compile(optimizer, self.loss, jit_compile=False, **fast)

    def run(self, x, y):
        """One epoch over the samples in their order; the mean loss."""
        steps = len(x) // self.batch
        x, y = x[: steps * self.batch], y[: steps * self.batch]
        if not self.is_jax:
            history = self.model.fit(x, y, batch_size=self.batch, shuffle=False, verbose=0)
            return history.history["loss"][0]
        batches = (x.reshape(steps, self.batch, *x.shape[1:]), y.reshape(steps, self.batch))
        # The weights are those in the model: `predict` gives away the arrays that were there before it.
        weights = [v.value for v in self.model.trainable_variables]
        (weights, self._state), losses = self._epoch((weights, self._state), batches)
        for variable, value in zip(self.model.trainable_variables, weights, strict=True):
            variable.assign(value)
        return float(np.mean(losses))

    def _scan(self):
        import jax

        def loss(weights, x, y):
            return self.loss(y, self.model.stateless_call(weights, [], x, training=True)[0])

        def step(state, batch):
            value, grads = jax.value_and_grad(loss)(state[0], *batch)
            weights, variables = self.optimizer.stateless_apply(state[1], grads, state[0])
            return (weights, variables), value

        return jax.jit(lambda state, batches: jax.lax.scan(step, state, batches))


def accuracy(model, x, y):
    """Share of right answers."""
    return float((model.predict(x, batch_size=1000, verbose=0).argmax(axis=1) == y).mean())
