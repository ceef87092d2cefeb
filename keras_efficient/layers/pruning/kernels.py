"""Which weights of a layer are pruned, and how the layer gets to see the masks."""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_efficient.descriptions.specs import KERNEL_NAMES
from keras_efficient.kinds import Key, key_of
from keras_efficient.kinds.kind import FILTERS, THIN, TRANSPOSED
from keras_efficient.kinds.table import kind_of
from keras_efficient.layers.masking import keep
from keras_efficient.layers.pruning.structures import Structure
from keras_efficient.reading.keras_private import layers_within
from keras_efficient.type_aliases import Tensor

_REFUSED: dict[Key | None, str] = {
    Key("layers", "SpectralNormalization"): "it writes its kernel anew at every batch; prune the layer inside it",
    Key("own", "Prunable"): "it is prunable already",
    Key("own", "PrunedChannels"): "it follows the masks of another layer",
}
_OUTPUT_AXES: dict[str | None, tuple[int, ...]] = {FILTERS: (-1,), TRANSPOSED: (-2,), THIN: (-2, -1)}


@dataclass(eq=False)
class PrunedKernel:
    """A kernel, its mask, and how it is divided into units.

    Attributes:
        variable: The raw weights. They go on changing under the mask, without effect.
        mask: Variable of 1 and 0 with the kernel's shape.
        units: Array of the kernel's shape: the unit that each weight belongs to.
        bias_mask: Variable of 1 and 0, one per unit, for what goes with the units; or None.
    """

    variable: keras.Variable
    mask: keras.Variable
    units: np.ndarray
    bias_mask: keras.Variable | None = None

    @property
    def count(self) -> int:
        """How many units there are."""
        return int(self.units.max()) + 1

    def scores(self) -> np.ndarray:
        """The mean |weight| of each unit."""
        return self.means(np.abs(keras.ops.convert_to_numpy(self.variable)))

    def alive(self) -> np.ndarray:
        """1 for each unit that is there, else 0."""
        return self.means(keras.ops.convert_to_numpy(self.mask))

    def means(self, values: np.ndarray) -> np.ndarray:
        """The mean of `values` over each unit."""
        if self.count == self.units.size:
            return values.ravel()  # in the order of the units, and to the last bit
        sums, sizes = np.zeros((2, self.count), "float64")
        np.add.at(sums, self.units.ravel(), values.ravel())
        np.add.at(sizes, self.units.ravel(), 1)
        return sums / sizes

    def keep(self, kept: np.ndarray) -> None:
        """Set the masks from one number, 1 or 0, a unit."""
        self.mask.assign(kept[self.units].astype("float32"))
        if self.bias_mask is not None:
            self.bias_mask.assign(kept.astype("float32"))


def prunable_weights(layer: keras.layers.Layer) -> list[keras.Variable]:
    """The weights of a built layer that pruning may remove.

    These are the layer's own `get_prunable_weights()`, or else whatever Keras's layers call a kernel,
    also inside wrappers and cells.
    """
    own = getattr(layer, "get_prunable_weights", None)
    if own is not None:
        return list(own())
    of_itself = [*layer._trainable_variables, *layer._non_trainable_variables]
    weights = [weight for weight in of_itself if weight.name in KERNEL_NAMES]
    for part in layers_within(layer, recursive=False)[1:]:
        weights += prunable_weights(part)
    return list({id(weight): weight for weight in weights}.values())


def prunable_biases(layer: keras.layers.Layer) -> list[keras.Variable]:
    """The weights of a built layer that go with whole filters: its own `get_prunable_biases()`, or else its bias."""
    own = getattr(layer, "get_prunable_biases", None)
    if own is not None:
        return list(own())
    bias = getattr(layer, "bias", None)
    return [bias] if isinstance(bias, keras.Variable) else []


def refusal(layer: keras.layers.Layer) -> str | None:
    """Why a layer can not be pruned, or None if nothing speaks against it (its kernels aside)."""
    if reason := _REFUSED.get(key_of(layer)):
        return reason
    if isinstance(layer, keras.Model):
        return "it is a model; right would be `keras_efficient.prune_model`"
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = inspect.signature(layer.build).parameters.values()
    if sum(p.kind in kinds and p.default is inspect.Parameter.empty for p in parameters) > 1:
        return "it takes several inputs, and a wrapper can pass on one"
    for part in layers_within(layer):
        if getattr(part, "lora_enabled", False):
            return "its low-rank update would fill the zeros; merge it first"
        if getattr(part, "quantization_mode", None):
            return f"Keras has quantized it ({part.quantization_mode}); prune before"
        if reason := _REFUSED.get(key_of(part)):
            return f"it holds a {type(part).__name__}: {reason}"
    return None


def check_prunable(layer: keras.layers.Layer, name: str = "layer") -> None:
    """Raise a ValueError for a layer that can not be pruned."""
    reason = refusal(layer)
    if reason is not None:
        raise ValueError(f"`{name}` can not be pruned: {reason}. Received: {name}={described(layer)}")


def described(layer: Any) -> str:
    """Name and class of a layer, of Keras 2 or 3."""
    return f"'{layer.name}' ({type(layer).__name__})"


def output_axes(layer: keras.layers.Layer) -> tuple[int, ...] | None:
    """The axes of a layer's kernel that the layer's outputs have, channel by channel; None where there are none."""
    return _OUTPUT_AXES.get(kind_of(layer).prunes)


def divide(layer: keras.layers.Layer, variable: keras.Variable, structure: Structure) -> np.ndarray:
    """`structure.units` of a kernel, or a ValueError that names the layer."""
    try:
        return structure.units(tuple(variable.shape), output_axes(layer))
    except ValueError as error:
        raise ValueError(
            f"`structure` does not fit the {variable.name} of layer {described(layer)}: {error}. "
            "Filters are those of Dense, Conv, DepthwiseConv, Conv*Transpose, and of the quantized layers that these "
            "become. "
            f"Received: structure={structure!r}"
        ) from None


@dataclass(eq=False)
class Place:
    """An attribute of a layer of Keras's, through which it reads a weight that has a mask."""

    owner: keras.layers.Layer
    attribute: str
    variable: keras.Variable

    def masked(self) -> Tensor:
        """The weight as the layer would see it, with zeros under the mask."""
        values = ops.convert_to_tensor(self.variable)
        if self.variable._autocast:
            values = ops.cast(values, self.owner.compute_dtype)
        return keep(self.variable.pruning_mask, values)


def places_of(layer: keras.layers.Layer, variables: list[keras.Variable]) -> list[Place]:
    """Where a layer reads these weights, but for the layers of ours: they apply the masks themselves."""
    wanted, places = {id(variable) for variable in variables}, []
    for owner in layers_within(layer):
        named = {name: value for name, value in vars(owner).items() if id(value) in wanted}
        if getattr(owner, "applies_pruning_masks", False):
            wanted -= {id(value) for value in owner.variables}
            continue
        places += [Place(owner, name, variable) for name, variable in named.items()]
    missing = wanted - {id(place.variable) for place in places}
    if missing:
        names = [variable.name for variable in variables if id(variable) in missing]
        raise ValueError(
            f"`layer` keeps its weights {names} in no attribute, so that no mask can reach them. "
            f"Received: layer={described(layer)}"
        )
    return places


@contextmanager
def masks_on(places: list[Place]) -> Iterator[None]:
    """For a moment, the layers see their weights with zeros under the masks."""
    values = [place.masked() for place in places]
    try:
        for place, value in zip(places, values, strict=True):
            # Past __setattr__, which would track or refuse it.
            vars(place.owner)[place.attribute] = value
        yield
    finally:
        for place in places:
            vars(place.owner)[place.attribute] = place.variable
