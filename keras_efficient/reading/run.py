"""Runs nodes on numbers, in inference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from keras_efficient.reading.graph import Node
from keras_efficient.reading.keras_private import takes_training
from keras_efficient.reading.value import Value, mapped


def run_nodes(nodes: Iterable[Node], known: Mapping[Value, Any]) -> dict[Value, Any]:
    """All values that the nodes compute from those that are known, which come back, too."""
    known = dict(known)
    for node in nodes:
        args, kwargs = filled((node.args, node.kwargs), known)
        if takes_training(node.operation):
            kwargs = {**kwargs, "training": False}
        found = node.operation(*args, **kwargs)
        outputs = found if isinstance(found, (list, tuple)) else [found]
        known.update(zip(node.outputs, outputs, strict=True))
    return known


def filled(arguments: Any, known: Mapping[Value, Any]) -> Any:
    """Arguments of a call with what is known in the place of its values."""
    return mapped(arguments, lambda part: known[part] if isinstance(part, Value) else part)
