"""What is removed as one: single weights, blocks, or whole filters."""

import math
from typing import Self

import keras
import numpy as np

from keras_efficient.checks import integer_pair
from keras_efficient.type_aliases import Config


class Settings:
    """An object that is equal to others of its class with the same configuration: by default, its attributes."""

    def get_config(self) -> Config:
        """The arguments that make an equal object, as JSON can hold them."""
        return dict(vars(self))

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """The object of these arguments."""
        return cls(**config)

    def __eq__(self, other):
        return type(self) is type(other) and self.get_config() == other.get_config()

    def __hash__(self):
        return hash((type(self), repr(self.get_config())))

    def __repr__(self):
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.get_config().items())
        return f"{type(self).__name__}({arguments})"


class Structure(Settings):
    """Divides a kernel into units that are kept or removed whole. A unit's score is its mean |weight|."""

    prunes_bias = False

    def units(self, shape: tuple, output_axes: tuple[int, ...] | None) -> np.ndarray:
        """The number of each weight's unit, an integer array of the kernel's shape; all numbers from 0 occur.

        `output_axes` are the axes of the kernel that its outputs have, or None where it has none.
        """
        raise NotImplementedError


@keras.saving.register_keras_serializable(package="keras_efficient")
class Weights(Structure):
    """Every weight for itself."""

    def units(self, shape: tuple[int, ...], output_axes: tuple[int, ...] | None) -> np.ndarray:
        return np.arange(math.prod(shape)).reshape(shape)


@keras.saving.register_keras_serializable(package="keras_efficient")
class Blocks(Structure):
    """Rectangles of the kernel as a matrix: its last axis are the columns, all others the rows.

    Args:
        size: Rows and columns of a block, an integer or a pair. Blocks at the edge may be smaller.
    """

    def __init__(self, size: int | tuple[int, int]):
        self.size = integer_pair(size, "size")

    def units(self, shape: tuple[int, ...], output_axes: tuple[int, ...] | None) -> np.ndarray:
        rows, columns = np.indices((math.prod(shape[:-1]), shape[-1]))
        across = -(-shape[-1] // self.size[1])
        return (rows // self.size[0] * across + columns // self.size[1]).reshape(shape)

    def get_config(self) -> Config:
        return {"size": list(self.size)}


@keras.saving.register_keras_serializable(package="keras_efficient")
class Filters(Structure):
    """All weights of an output (a filter, a unit of a dense layer), its bias included.

    `ke.remove_filters` then makes the network smaller. `ke.prune_model` also clears the channels of a
    BatchNormalization after the layer, which else would turn a filter of zeros into a constant.
    """

    prunes_bias = True

    def units(self, shape: tuple[int, ...], output_axes: tuple[int, ...] | None) -> np.ndarray:
        if output_axes is None:
            raise ValueError("this kernel has no axis of outputs")
        outputs = [shape[axis] for axis in output_axes]
        places = [1] * len(shape)
        for axis, size in zip(output_axes, outputs, strict=True):
            places[axis] = size
        return np.broadcast_to(np.arange(math.prod(outputs)).reshape(places), shape)


def check_structure(structure: Structure | None) -> Structure:
    """`structure`, `Weights()` for None, or a TypeError."""
    if structure is None:
        return Weights()
    if isinstance(structure, Structure):
        return structure
    raise TypeError(
        "`structure` must be None, ke.pruning.Weights(), ke.pruning.Blocks(size) or ke.pruning.Filters(). "
        f"Received: structure={structure!r}"
    )
