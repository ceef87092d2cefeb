"""What an operation of a Keras model is known by: where its class comes from, and the name there."""

import re
from functools import cache
from typing import Any, NamedTuple

# The part of a module's name after the package, and what it says of the classes there.
_ORIGINS = {
    "keras": {"layers": "layers", "ops": "ops", "activations": "activations", "models": "models"},
    "keras_efficient": {"layers": "own"},
}
# What a class may have of its own and still be its base: the way to make one, and what Python adds to each class.
_FREE = {
    *("__init__", "__annotations__", "__annotate__", "__annotate_func__", "__doc__", "__module__", "__qualname__"),
    *(
        "__static_attributes__",
        "__firstlineno__",
        "__parameters__",
        "__orig_bases__",
        "__abstractmethods__",
        "_abc_impl",
    ),
}
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z][a-z])")
MODEL_METHODS = ("call", "__call__", "build", "compute_output_spec", "compute_output_shape", "compute_mask")


class Key(NamedTuple):
    """A kind of operation.

    origin: "layers" (of Keras), "ops" (the functions of `keras.ops` and the operators), "activations" (the functions
        of `keras.activations`), "models" or "own" (the layers of this package).
    name: of the class there, such as "Conv2D", "GetItem" or "DenseQ".
    """

    origin: str
    name: str

    def __str__(self) -> str:
        return f"{self.origin}.{self.name}"


def key_of(operation: Any) -> Key | None:
    """The kind of a layer or of another operation; None for somebody else's class.

    Two classes of one name are not one kind, and neither is a class that computes something else than the one that
    it inherits from: a class counts as its base only where it overrides no method or property of it but `__init__`.
    A model counts as its base as long as it computes its outputs as that does: its training may be its own.
    """
    return _key_of_class(type(operation))  # type: ignore[arg-type]  # classes are hashable


@cache
def _key_of_class(kind: type) -> Key | None:
    for place, base in enumerate(kind.__mro__):
        package, *rooms = base.__module__.split(".")
        rooms = rooms[1:] if rooms[:1] == ["src"] else rooms
        origin = _ORIGINS.get(package, {}).get(rooms[0]) if rooms else None
        if origin is not None:
            overridden = {name for below in kind.__mro__[:place] for name in vars(below)}
            if origin == "models":
                is_own = not overridden.isdisjoint(MODEL_METHODS)
            else:
                is_own = any(hasattr(base, name) for name in overridden - _FREE)
            return None if is_own else Key(origin, base.__name__)
    return None


def kind_name(operation: Any) -> str:
    """What people call the kind: the bare name of a layer's class, of a function its own name (`get_item`)."""
    name, key = type(operation).__name__, key_of(operation)
    return _WORDS.sub("_", name).lower() if key is not None and key.origin in ("ops", "activations") else name
