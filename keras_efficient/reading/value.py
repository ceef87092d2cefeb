"""The tensors of a model, as its graph has them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor of the model. Each is itself: two of equal shape are not equal.

    shape: Without the batch; sizes that are not known are None.
    dtype: Of its numbers, such as "float32".
    tensor: Keras's symbol for it: a model made of two of them has the layers between, and shares their weights.
    """

    shape: tuple
    dtype: str
    tensor: Any = field(default=None, repr=False)


def values_in(arguments: Any) -> Iterator[Value]:
    """The values among the arguments of a call, however deep they lie in lists and dictionaries."""
    if isinstance(arguments, Value):
        yield arguments
    elif isinstance(arguments, Mapping):
        for key in arguments:
            yield from values_in(arguments[key])
    elif isinstance(arguments, (list, tuple)):
        for each in arguments:
            yield from values_in(each)


def mapped(arguments: Any, replace: Callable[[Any], Any]) -> Any:
    """The arguments of a call with `replace` of each part that is no list, tuple or dictionary."""
    if isinstance(arguments, Mapping):
        return {key: mapped(value, replace) for key, value in arguments.items()}
    if isinstance(arguments, (list, tuple)):
        parts = [mapped(each, replace) for each in arguments]
        return type(arguments)(*parts) if hasattr(arguments, "_fields") else type(arguments)(parts)
    return replace(arguments)
