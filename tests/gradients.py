"""Values and gradients of a function, on whichever backend runs."""

import keras
import numpy as np


def gradients(function, inputs, upstream):
    """`function(*inputs)` and the gradients of sum(function * upstream), all as numpy arrays."""
    return _BACKENDS[keras.backend.backend()](function, inputs, upstream)


def _tensorflow(function, inputs, upstream):
    import tensorflow as tf

    inputs = [tf.constant(x) for x in inputs]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        y = function(*inputs)
        total = tf.reduce_sum(y * upstream)
    grads = tape.gradient(total, inputs, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return y.numpy(), [g.numpy() for g in grads]


def _jax(function, inputs, upstream):
    import jax

    def total(*inputs):
        return (function(*inputs) * upstream).sum()

    grads = jax.grad(total, argnums=tuple(range(len(inputs))))(*inputs)
    return np.asarray(function(*inputs)), [np.asarray(g) for g in grads]


def _torch(function, inputs, upstream):
    import torch

    inputs = [torch.tensor(x, requires_grad=True) for x in inputs]
    y = function(*inputs)
    (y * torch.tensor(upstream)).sum().backward()
    grads = [torch.zeros_like(x) if x.grad is None else x.grad for x in inputs]
    return y.detach().numpy(), [g.numpy() for g in grads]


_BACKENDS = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
