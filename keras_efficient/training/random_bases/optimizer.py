"""RandomBases: any Keras optimizer, in a random subspace of the weights."""

import contextlib
from collections.abc import Callable, Sequence

import keras
from keras import ops

from keras_efficient.checks import flag, integer, positive_integer
from keras_efficient.ops.hashing import add_words, multiply_words
from keras_efficient.ops.sketches import strided_expand, strided_project
from keras_efficient.training.engines.engine import Optimizer
from keras_efficient.training.random_bases.layout import FlatLayout
from keras_efficient.training.wrapped_optimizer import WrappedOptimizer
from keras_efficient.type_aliases import Config, Tensor

_NEXT_COMPARTMENT, _NEXT_WORKER = 0x85EBCA6B, 0xC2B2AE35  # keep the seeds of compartments and workers apart
# What moves weights along directions outside of a basis that is drawn anew.
_LEAVE_THE_BASIS = {
    "weight_decay": "it shrinks weights along directions outside of the basis; a kernel_regularizer is part of "
    "the loss and is projected like it",
    "clipnorm": "one factor per variable leaves the basis; `global_clipnorm` does not",
    "clipvalue": "limits on single numbers leave the basis; `global_clipnorm` does not",
}


@keras.saving.register_keras_serializable(package="keras_efficient")
class RandomBases(WrappedOptimizer):
    """Training in random subspaces (RBD, FPD): an optimizer around another one.

    With P_t the basis of step t, g the gradient and `inner` the update of the inner optimizer:

        redraw = n > 0:   theta <- theta + inner(P_t P_t' g)       a new basis every n steps (RBD: 1)
        redraw = 0:       z <- z + inner(P' g),  theta <- theta + P (change of z)     one basis (FPD)

    The basis of step t comes from `seed` and `t // redraw` alone; nothing of its size is ever stored. One
    basis spans all variables. For plain SGD and momentum both lines say the same of a fixed basis; with
    Adam and the like the second one keeps to the basis, and its state is that of d numbers.

    The directions are orthonormal, so a step of RBD is one of SGD at `d / D` times its learning rate plus
    noise (D: number of weights): learning rates of SGD are about 1 to 8 for D / d = 400.

    Of the inner optimizer:

    * momentum, learning-rate schedules, `gradient_accumulation_steps` (t counts updates), EMA,
      `loss_scale_factor` and `global_clipnorm` work as they do there;
    * `weight_decay`, `clipnorm`, `clipvalue` act on z with redraw = 0 (decay draws towards the first
      weights) and are refused otherwise, as they leave the basis;
    * a `LossScaleOptimizer` goes around this one.

    Source: Gressmann, Eaton-Rosen & Luschi, "Improving Neural Network Training in Low Dimensional Random
    Bases", NeurIPS 2020; Li et al. 2018 for the fixed basis.

    Args:
        inner_optimizer: Keras optimizer, or its name.
        dimensions: d, the number of directions; a compartment with fewer weights has as many as weights.
        seed: Any integer, taken modulo 2^32.
        redraw: Updates until a new basis is drawn; 0 never.
        layer_wise: Whether every layer is a compartment with its own basis of d directions.
        reduce: For several workers that exchange only coordinates: a function of the coordinates (n,) of this worker
            that returns their mean over all workers, in the one basis that they share. Or, with `worker`, all of
            them (workers, n), each in a basis of its worker; their updates add up. Nothing else of a step has to
            travel. `ke.training.CoordinateWorkers` brings such functions for JAX.
        worker: Number of this worker, 0 to workers - 1, or a function that returns it as an integer tensor.
            Needs `reduce` and redraw > 0. Neither is saved: `optimizer.reduce` and `optimizer.worker` are to be
            set again after loading.
        name: Of the optimizer.

    Raises:
        ValueError: For wrong arguments; in `build` for constraints with redraw = 0.
        TypeError: If `inner_optimizer` is no optimizer.

    Example:

    >>> optimizer = RandomBases(keras.optimizers.SGD(1.0), dimensions=250)
    """

    def __init__(
        self,
        inner_optimizer: Optimizer,
        dimensions: int,
        seed: int = 0,
        redraw: int = 1,
        layer_wise: bool = False,
        reduce: Callable | None = None,
        worker: int | Callable | None = None,
        name: str = "random_bases",
    ):
        redraw = integer(redraw, "redraw")
        if redraw < 0:
            raise ValueError(f"`redraw` must be at least 0 (0 keeps one basis). Received: redraw={redraw!r}")
        super().__init__(_checked(inner_optimizer, redraw), name)
        self.dimensions = positive_integer(dimensions, "dimensions")
        self.seed = integer(seed, "seed")
        self.redraw = redraw
        self.layer_wise = flag(layer_wise, "layer_wise")
        _check_exchange(reduce, worker, redraw)
        self.reduce, self.worker = reduce, worker

    # State: the inner optimizer's, and with a fixed basis the coordinates.

    def build(self, variables: Sequence[keras.Variable]) -> None:
        if self.built:
            return
        variables = list(variables)
        super().build(variables)
        self._compartments = _compartments(variables, self.layer_wise)
        padded = self.redraw != 1
        self._layouts = [
            FlatLayout([variables[i].shape for i in members], self.dimensions, padded) for members in self._compartments
        ]
        self.coordinates = None
        if self.redraw == 0:
            for variable in variables:
                if variable.constraint is not None:
                    raise ValueError(
                        "A constraint moves weights out of the one basis of redraw=0. "
                        f"Received: constraint={variable.constraint!r} of the variable '{variable.path}'"
                    )
            total = sum(layout.dimensions for layout in self._layouts)
            self.coordinates = self.add_variable((total,), dtype="float32", name="coordinates")
        self.inner_optimizer.build([self.coordinates] if self.redraw == 0 else variables)

    # The step.

    def apply(self, grads: Sequence[Tensor], trainable_variables: Sequence[keras.Variable] | None = None) -> None:
        if trainable_variables is not None and not self.built:
            self.build(trainable_variables)
        variables = self._trainable_variables if trainable_variables is None else list(trainable_variables)
        grads = self._in_order(grads, variables)
        own = self.worker() if callable(self.worker) else self.worker
        parts = []
        for index, (members, layout) in enumerate(zip(self._compartments, self._layouts, strict=True)):
            vector = layout.join([grads[member] for member in members])
            parts.append(self.project(vector, layout, self._basis_seed(index, own), self._basis_number()))
        coordinates = ops.concatenate(parts)
        coordinates = coordinates if self.reduce is None else self.reduce(coordinates)
        if self.redraw == 0:
            self._move_coordinates(lambda z: self.inner_optimizer.apply([coordinates], [z]))
        else:
            if own is None:
                tensors = self._expand(coordinates)
            else:  # (workers, n): each in the basis of its worker
                each = [self._expand(coordinates[worker], worker) for worker in range(coordinates.shape[0])]
                tensors = [sum(parts) for parts in zip(*each, strict=True)]
            self.inner_optimizer.apply(tensors, self._trainable_variables)

    # The basis; a subclass that changes these two works in another.

    def project(self, vector: Tensor, layout: FlatLayout, seed: int | Tensor, salt: int | Tensor) -> Tensor:
        """The coordinates of the vector (layout.size,) in the basis of this seed and salt: P' x."""
        return strided_project(vector, layout.dimensions, seed, salt, layout.bucket_sizes)

    def expand(self, coordinates: Tensor, layout: FlatLayout, seed: int | Tensor, salt: int | Tensor) -> Tensor:
        """The vector with the coordinates (layout.dimensions,): P c."""
        return strided_expand(coordinates, layout.size, seed, salt, layout.bucket_sizes)

    def finalize_variable_values(self, var_list: Sequence[keras.Variable]) -> None:
        if self.redraw == 0:
            self._move_coordinates(lambda z: self.inner_optimizer.finalize_variable_values([z]))
        else:
            super().finalize_variable_values(var_list)

    def _in_order(self, grads, variables):
        """The gradients in the order of `build`, zeros where the loss does not depend on a variable."""
        if all(grad is None for grad in grads):
            raise ValueError("No gradients provided for any variable.")
        self._check_variables_are_known(variables)
        if len(variables) != len(self._trainable_variables):
            raise ValueError(
                "One basis spans all variables: `apply` needs the gradients of all "
                f"{len(self._trainable_variables)} that the optimizer was built with. Received: {len(variables)}"
            )
        ordered = [None] * len(variables)
        for grad, variable in zip(grads, variables, strict=True):
            ordered[self._get_variable_index(variable)] = grad
        return [
            ops.zeros(v.shape, v.dtype) if grad is None else ops.convert_to_tensor(grad)
            for grad, v in zip(ordered, self._trainable_variables, strict=True)
        ]

    def _basis_number(self):
        return ops.cast(self.iterations, "int32") // self.redraw if self.redraw else 0

    def _basis_seed(self, index, worker):
        """Of a compartment, and of the worker if each has a basis of its own; that of worker 0 is the shared one."""
        seed = self.seed + index * _NEXT_COMPARTMENT
        return seed if worker is None else add_words(seed, multiply_words(worker, _NEXT_WORKER))

    def _expand(self, coordinates, worker=None):
        """One tensor for each variable from the coordinates of all compartments."""
        tensors, start = [None] * len(self._trainable_variables), 0
        for index, (members, layout) in enumerate(zip(self._compartments, self._layouts, strict=True)):
            part, start = coordinates[start : start + layout.dimensions], start + layout.dimensions
            vector = self.expand(part, layout, self._basis_seed(index, worker), self._basis_number())
            for member, tensor in zip(members, layout.split(vector), strict=True):
                tensors[member] = ops.cast(tensor, self._trainable_variables[member].dtype)
        return tensors

    def _move_coordinates(self, move):
        """Let `move` change the coordinates, and move the weights with them."""
        before = ops.copy(self.coordinates)
        move(self.coordinates)
        change = ops.convert_to_tensor(self.coordinates) - before
        for variable, tensor in zip(self._trainable_variables, self._expand(change), strict=True):
            self.assign_add(variable, tensor)

    def get_config(self) -> Config:
        own = ("dimensions", "seed", "redraw", "layer_wise")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}


def _compartments(variables, layer_wise):
    if not layer_wise:
        return [list(range(len(variables)))]
    layers: dict[str, list[int]] = {}
    for index, variable in enumerate(variables):
        layers.setdefault(variable.path.rpartition("/")[0], []).append(index)
    return list(layers.values())


def _checked(inner_optimizer: Optimizer, redraw: int) -> keras.optimizers.Optimizer:
    """The inner optimizer, also from its name, or an error: it is none, or moves weights out of the basis."""
    if isinstance(inner_optimizer, str):
        with contextlib.suppress(ValueError):  # no optimizer of this name
            inner_optimizer = keras.optimizers.get(inner_optimizer)
    if not isinstance(inner_optimizer, keras.optimizers.Optimizer):
        raise TypeError(
            "`inner_optimizer` must be a Keras optimizer, such as keras.optimizers.SGD(1.0). "
            f"Received: inner_optimizer={inner_optimizer!r}"
        )
    for name, reason in _LEAVE_THE_BASIS.items() if redraw else ():
        value = getattr(inner_optimizer, name, None)
        if value:
            raise ValueError(
                f"`{name}` of the inner optimizer does not work with redraw > 0: {reason}. (With redraw=0 it acts on "
                f"the coordinates.) Received: {name}={value!r}"
            )
    return inner_optimizer


def _check_exchange(
    reduce: Callable[[Tensor], Tensor] | None, worker: int | Callable[[], Tensor] | None, redraw: int
) -> None:
    if reduce is not None and not callable(reduce):
        raise TypeError(f"`reduce` must be a function of the coordinates, or None. Received: reduce={reduce!r}")
    if worker is None:
        return
    if not callable(worker) and integer(worker, "worker") < 0:
        raise ValueError(f"`worker` must be at least 0. Received: worker={worker!r}")
    if reduce is None:
        raise ValueError(f"A `worker` needs `reduce`, which gets the coordinates of all. Received: worker={worker!r}")
    if not redraw:
        raise ValueError("Workers that keep one basis must share it: redraw=0 takes no `worker`.")
