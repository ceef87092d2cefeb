"""CoordinateWorkers: training on several processes or devices that exchange only coordinates."""

from collections.abc import Callable
from functools import partial

import keras
import numpy as np

from keras_efficient.training.random_bases.optimizer import RandomBases
from keras_efficient.type_aliases import Tensor

_AXIS = "workers"


class CoordinateWorkers:
    """Data-parallel training in random bases on JAX: of a step, d numbers of each worker travel, not D gradients.

        shared basis:       c = mean over the workers of P' g_w,  theta <- theta + inner(P c)
        independent bases:  c_w = P_w' g_w,                       theta <- theta + inner(sum over the workers P_w c_w)

    g_w is the gradient of the worker's part of the batch. With a shared basis the step is that of one worker with
    the whole batch. Independent bases search workers x d directions per step; as their updates add up, the
    learning rate acts as if it were that many times as large.

    A worker is a JAX device: in one process all of its devices; in several, after `jax.distributed.initialize` in
    each of them, the devices of all. On CPUs set `jax.config.update("jax_cpu_collectives_implementation", "gloo")`
    before. All workers hold the same weights at all times; at the start those of the first process. Sharding one
    model over devices is not what this is for.

    Args:
        model: Built; without weights that are not trained (batch normalization, dropout), which the
            workers would have to exchange, too.
        optimizer: `RandomBases`; its `reduce` and `worker` are set here.
        loss: Function of (targets, predictions), a mean over the samples.
        independent: Whether every worker has a basis of its own; needs redraw > 0.

    Raises:
        RuntimeError: On another backend than JAX.
        TypeError: If the optimizer is no `RandomBases`.
        ValueError: For a model with other weights; for independent bases that are kept.

    Example:

    >>> workers = CoordinateWorkers(model, RandomBases("sgd", 250), keras.losses.MeanSquaredError())  # doctest: +SKIP
    >>> losses = [workers.step(x, y) for x, y in batches]  # doctest: +SKIP
    >>> workers.update_model()  # doctest: +SKIP
    """

    def __init__(
        self, model: keras.Model, optimizer: RandomBases, loss: Callable[..., Tensor], independent: bool = False
    ):
        _check(model, optimizer, independent)
        import jax
        from jax.experimental import multihost_utils

        self.model, self.optimizer, self.loss = model, optimizer, loss
        optimizer.reduce = partial(jax.lax.all_gather if independent else jax.lax.pmean, axis_name=_AXIS)
        optimizer.worker = partial(jax.lax.axis_index, _AXIS) if independent else None
        optimizer.build(model.trainable_variables)
        self._mesh = jax.sharding.Mesh(np.array(jax.devices()), (_AXIS,))
        self._step = self._compiled_step()
        owners = (model.trainable_variables, optimizer.variables)
        whole = multihost_utils.broadcast_one_to_all
        self._state = tuple([self._divided(whole(np.asarray(v.value)), None) for v in owner] for owner in owners)

    def step(self, x: np.ndarray, y: np.ndarray) -> float:
        """One step on the samples of this process (as many for each of its devices); its mean loss before the step."""
        self._state, losses = self._step(self._state, self._divided(x), self._divided(y))
        return float(np.mean([np.asarray(part.data) for part in losses.addressable_shards]))

    def update_model(self) -> None:
        """Put the weights and the state of the optimizer into the model and the optimizer."""
        for owner, values in zip((self.model.trainable_variables, self.optimizer.variables), self._state, strict=True):
            for variable, value in zip(owner, values, strict=True):
                variable.assign(np.asarray(value.addressable_data(0)))

    def _compiled_step(self):
        import jax

        parts, whole = jax.sharding.PartitionSpec(_AXIS), jax.sharding.PartitionSpec()

        def loss(weights, x, y):
            return self.loss(y, self.model.stateless_call(weights, [], x, training=True)[0])

        def step(state, x, y):
            value, grads = jax.value_and_grad(loss)(state[0], x, y)
            weights, variables = self.optimizer.stateless_apply(state[1], grads, state[0])
            return (weights, variables), value[None]

        # Without its check: that one would add up the gradients of all workers by itself.
        specs = {"in_specs": (whole, parts, parts), "out_specs": (whole, parts), "check_vma": False}
        return jax.jit(jax.shard_map(step, mesh=self._mesh, **specs))

    def _divided(self, array, *axes):
        """An array of this process on the devices, in parts along the axes (by default the first)."""
        import jax

        sharding = jax.sharding.NamedSharding(self._mesh, jax.sharding.PartitionSpec(*(axes or (_AXIS,))))
        return jax.make_array_from_process_local_data(sharding, np.asarray(array))


def _check(model, optimizer, independent):
    backend = keras.backend.backend()
    if backend != "jax":
        raise RuntimeError(f"CoordinateWorkers needs the JAX backend (KERAS_BACKEND=jax). Received: {backend!r}")
    if not isinstance(optimizer, RandomBases):
        raise TypeError(f"`optimizer` must be a RandomBases. Received: optimizer={optimizer!r}")
    if model.non_trainable_variables:
        names = ", ".join(v.path for v in model.non_trainable_variables)
        raise ValueError(f"The workers exchange trained weights only. Received: a model with {names}")
    if independent and not optimizer.redraw:
        raise ValueError("Workers that keep one basis must share it: redraw=0 cannot be independent.")
