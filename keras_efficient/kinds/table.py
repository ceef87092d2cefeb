"""`KINDS`: every kind that the tools know. What is not here stays float, and is refused by name where it must not."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from keras_efficient.kinds import (
    acdc,
    combining,
    elementwise,
    kronecker,
    moves,
    pooling,
    products,
    random_basis,
    training_only,
    transposed,
)
from keras_efficient.kinds.identity import Key, key_of
from keras_efficient.kinds.kind import UNKNOWN, Kind
from keras_efficient.kinds.measures import Shape

_OWN = (products, transposed, pooling, combining, elementwise, acdc, kronecker, random_basis)
_LAYERS = (products, transposed, pooling, combining, elementwise, moves, training_only)
KINDS: Mapping[Key, Kind] = {
    **{Key("own", name): kind for family in _OWN for name, kind in family.OWN.items()},
    **{Key("layers", name): kind for family in _LAYERS for name, kind in family.LAYERS.items()},
    **{Key("ops", name): kind for family in (moves, elementwise) for name, kind in family.OPS.items()},
}


def kind_of(operation: Any) -> Kind:
    key = key_of(operation)
    return UNKNOWN if key is None else KINDS.get(key, UNKNOWN)


@lru_cache(maxsize=1 << 10)
def kind_of_class(class_name: str) -> Kind:
    """The kind of a layer that is written down by the name of its class: of this package, or of Keras."""
    found = (KINDS.get(Key(origin, class_name)) for origin in ("own", "layers", "ops"))
    return next(filter(None, found), UNKNOWN)


def output_shape(spec: Any, input_shape: Shape) -> Shape:
    """The output shape of a `LayerSpec` (anything with `class_name` and `config`), without the batch.

    Shapes are (rows, columns, channels) for images, (steps, channels) for signals, (features,) for vectors. A size
    that is not known (None) stays None.

    Raises KeyError for a class whose shape nobody knows, and ValueError for a configuration or an input shape that
    the layer cannot work with. A size of the result may be 0 or less: the window did not fit.
    """
    shape = kind_of_class(spec.class_name).shape
    if shape is None:
        raise KeyError(spec.class_name)
    return shape(spec.config, tuple(input_shape))
