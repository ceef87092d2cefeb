"""What of Keras is read that Keras does not promise. Nothing else in the package touches these names.

Checked by tests/reading/test_keras_private.py on every version of Keras that pyproject.toml allows.
"""

import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def functional_of(model: Any) -> Any:
    """The Functional model within a model: itself, the one that a built Sequential keeps, or None."""
    if hasattr(model, "_nodes_by_depth"):
        return model
    inner = getattr(model, "_functional", None)
    return inner if hasattr(inner, "_nodes_by_depth") else None


def calls_in_order(functional: Any) -> Iterator[Any]:
    """The calls of a Functional model, as Keras runs them: each has `operation`, `arguments`, `outputs`, `is_input`."""
    for depth in sorted(functional._nodes_by_depth, reverse=True):
        yield from functional._nodes_by_depth[depth]


def input_names(functional: Any) -> list[str]:
    return [maker_of(tensor).name for tensor in functional.inputs]


def input_structure(functional: Any) -> Any:
    """The inputs as they were given when the model was made: a tensor, a list or a dictionary."""
    return functional._inputs_struct


def output_structure(functional: Any) -> Any:
    """The outputs as they were given when the model was made: a tensor, a list or a dictionary."""
    return functional._outputs_struct


def maker_of(tensor: Any) -> Any:
    """The operation that gives a tensor of a model: of an input its input layer."""
    return tensor._keras_history.operation


def has_functional_constructor(model: Any) -> bool:
    """Whether a model of the class can be made from inputs and outputs, as Keras makes its copies."""
    keras_own_kinds = (kind for kind in type(model).__mro__ if kind.__module__.split(".")[0] == "keras")
    functional = next(kind for kind in keras_own_kinds if kind.__name__ == "Functional")
    constructors = [kind.__init__ for kind in (type(model), functional)]  # type: ignore[misc]
    own, keras_own = (list(inspect.signature(each).parameters) for each in constructors)
    return own == keras_own or own == ["self", "args", "kwargs"]


def compile_arguments(model: Any) -> dict | None:
    """What `compile` was called with; None for a model that is not compiled, or compiles in a way of its own."""
    config = getattr(model, "_compile_config", None)
    return dict(config.config) if getattr(model, "compiled", False) and config is not None else None


def layers_within(layer: Any, recursive: bool = True) -> list[Any]:
    """A layer or a model of any class, and the layers that it holds, each once; also in wrappers, cells, inner models.

    This is for what concerns layers as they are, however they are called: their modes, masks, weights. A subclassed
    model has them, too. What asks what is computed, and from what, takes `read_model`: functions and operators are
    calls without a layer, a layer may be called twice, and a model may hold layers that nothing calls.
    """
    return list({id(part): part for part in layer._flatten_layers(recursive=recursive)}.values())


@contextmanager
def names_from_the_start() -> Iterator[None]:
    """Keras counts automatic names up from model to model. Within this block it counts as a new process would."""
    state = sys.modules["keras.src.backend.common.global_state"]  # there as soon as somebody builds models
    counts = state.get_global_attribute("object_name_uids")
    state.set_global_attribute("object_name_uids", None)
    try:
        yield
    finally:
        state.set_global_attribute("object_name_uids", counts)


def takes_training(operation: Any) -> bool:
    return bool(getattr(operation, "_call_has_training_arg", False))


def better_direction(metric: Any) -> str | None:
    """Whether a metric is better when it is larger ("max") or smaller ("min"); None where it does not say."""
    return {"up": "max", "down": "min"}.get(getattr(metric, "_direction", ""))
