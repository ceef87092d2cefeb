"""Natural evolution strategies, which random bases are compared with."""

import keras
import numpy as np
from keras import ops

from keras_efficient.checks import integer, non_negative_number, positive_integer
from keras_efficient.ops.hashing import hashed_normals
from keras_efficient.training.random_bases.layout import FlatLayout


def train_nes(
    model: keras.Model,
    x: np.ndarray,
    y: np.ndarray,
    steps: int,
    learning_rate: float = 1.0,
    offspring: int = 250,
    sigma: float = 0.01,
    batch_size: int = 32,
    seed: int = 0,
) -> list[float]:
    """Train a compiled model without gradients; returns the mean loss of the offspring of each step.

    With L_k the loss of offspring k at `theta + sigma e_k` on a batch of its own, and u_k its rank among
    them, from 0.5 (best) down to -0.5:

        theta <- theta + learning_rate sum_k u_k e_k / (sigma offspring sqrt(D))

    One step reads `offspring x batch_size` samples. Layers with state (batch normalization) or randomness
    are run as in inference. Source: Gressmann et al., NeurIPS 2020, their NES.

    Args:
        model: Built and compiled; its loss is used.
        x, y: Arrays of samples and targets.
        steps, offspring, batch_size: Positive integers.
        learning_rate, sigma: Numbers of at least 0.
        seed: Of the batches and of the offspring.
    """
    for name, value in (("steps", steps), ("offspring", offspring), ("batch_size", batch_size)):
        positive_integer(value, name)
    if non_negative_number(sigma, "sigma") == 0:
        raise ValueError(f"`sigma` must be larger than 0. Received: sigma={sigma!r}")
    layout = FlatLayout([v.shape for v in model.trainable_variables], 1, padded=False)
    factor = non_negative_number(learning_rate, "learning_rate") / (sigma * offspring * layout.size**0.5)
    loss, update = _functions(model, layout, sigma, factor, integer(seed, "seed"))
    random, history = np.random.default_rng(seed % 2**32), []
    theta = layout.join([ops.convert_to_tensor(v) for v in model.trainable_variables])
    for step in range(steps):
        found = []
        for k in range(offspring):
            batch = random.integers(0, len(x), batch_size)
            number = ops.convert_to_tensor(step * offspring + k, dtype="int32")
            found.append(loss(theta, number, ops.convert_to_tensor(x[batch]), ops.convert_to_tensor(y[batch])))
        losses = np.array([float(ops.convert_to_numpy(value)) for value in found])
        for k, utility in enumerate(_utilities(losses)):
            number = ops.convert_to_tensor(step * offspring + k, dtype="int32")
            theta = update(theta, number, ops.convert_to_tensor(utility))
        history.append(float(losses.mean()))
    for variable, value in zip(model.trainable_variables, layout.split(theta), strict=True):
        variable.assign(value)
    return history


def _utilities(losses):
    """The ranks of the losses as evenly spaced numbers, 0.5 for the smallest to -0.5 for the largest."""
    ranks = np.argsort(np.argsort(losses, kind="stable"), kind="stable")
    return (0.5 - ranks / max(len(losses) - 1, 1)).astype("float32")


def _functions(model, layout, sigma, factor, seed):
    """The loss of an offspring, and its share of the update, compiled where the backend can."""
    others = [ops.convert_to_tensor(v) for v in model.non_trainable_variables]

    def loss(theta, number, x, y):
        direction = hashed_normals(seed, number, layout.size)
        outputs, _ = model.stateless_call(layout.split(theta + sigma * direction), others, x, training=False)
        return model.compute_loss(x=x, y=y, y_pred=outputs, training=False)

    def update(theta, number, utility):
        return theta + factor * utility * hashed_normals(seed, number, layout.size)

    return _compiled(loss), _compiled(update)


def _compiled(function):
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(function)
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    import torch

    return torch.no_grad()(function)
