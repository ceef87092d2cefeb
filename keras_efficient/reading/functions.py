"""Functions and operators as the layers that compute the same: `keras.ops.relu(x)` is a ReLU, `x / 255` a Rescaling.

A function that no layer equals keeps its own kind, such as `ops.Clip`.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from keras_efficient.kinds import Key, key_of
from keras_efficient.kinds.elementwise import FUNCTIONS
from keras_efficient.reading.value import Value

MANY = 1 << 30  # more than any batch has
_TIME_DISTRIBUTED, _FLATTEN = Key("layers", "TimeDistributed"), Key("layers", "Flatten")
# They compute each place from itself alone: with steps before the places they compute the same.
_BY_PLACE = {
    Key("layers", name) for name in ("Activation", "Dense", "Dropout", "ELU", "LeakyReLU", "ReLU", "Rescaling")
}
_UP_SAMPLING, _RESIZE = Key("layers", "UpSampling2D"), Key("ops", "Resize")
Node = Any  # of `reading.graph`, which imports this module


class LayerForm(NamedTuple):
    """A layer as it is written down: its kind (None: somebody else's class) and the configuration that computes."""

    key: Key | None
    config: Mapping[str, Any]

    @property
    def class_name(self) -> str:
        """The bare name of the kind; "" for somebody else's class."""
        return self.key.name if self.key else ""


def layer(name: str, **config: Any) -> LayerForm:
    return LayerForm(Key("layers", name), config)


def layer_form(node: Node) -> LayerForm:
    """The layer that a node is, or that computes what its function does; of pruned layers the one inside."""
    key = node.layer_key
    if key == _TIME_DISTRIBUTED:
        return _each_step(node.layer.layer, node.inputs[0].shape) or LayerForm(key, {})
    if key is not None and key.origin in ("layers", "own"):
        config = node.layer.get_config()
        interpolates = key == _UP_SAMPLING and config["interpolation"] != "nearest"
        return LayerForm(_RESIZE if interpolates else key, config)
    make = _FORMS.get(key) if key else None
    return (make(node) if make else None) or LayerForm(key, {})


def _each_step(inner: Any, shape: tuple) -> LayerForm | None:
    """What a TimeDistributed is, where it needs no loop over the steps."""
    key = key_of(inner)
    if key == _FLATTEN and inner.data_format == "channels_last" and shape[0]:
        return layer("Reshape", target_shape=(shape[0], -1))
    return LayerForm(key, inner.get_config()) if key in _BY_PLACE else None


def _relu(node: Node) -> LayerForm:
    names = ("negative_slope", "max_value", "threshold")
    return layer("ReLU", **{name: getattr(node.operation, name) for name in names})


def _activation(name: str, **defaults: Any) -> Callable[[Node], LayerForm | None]:
    """The activation of this name, where the function has these settings: others have no name."""

    def form(node: Node) -> LayerForm | None:
        plain = all(getattr(node.operation, key) == value for key, value in defaults.items())
        return layer("Activation", activation=name) if plain else None

    return form


def _function(name: str, arguments: tuple[str, ...]) -> Callable[[Node], LayerForm | None]:
    """A function of each number by itself, if what it takes beside is numbers; else something that nobody knows."""

    def form(node: Node) -> LayerForm:
        given = [each for each in (*node.args, *node.kwargs.values()) if not isinstance(each, Value)]
        given = given or [getattr(node.operation, each, None) for each in arguments]
        numbers = [_number(each) for each in given]
        alone = len(node.inputs) == 1 and node.args[:1] == node.inputs and len(given) == len(arguments)
        is_root = name == "power" and not all(each and each > 0 and each.is_integer() for each in numbers)
        if not alone or None in numbers or is_root:
            return LayerForm(None, {})
        values = dict(zip(arguments, numbers, strict=True))
        return LayerForm(Key("ops", name.title()), {"function": name, "arguments": values})

    return form


def _over_places(kind: str) -> Callable[[Node], LayerForm | None]:
    """A mean or maximum over all places of a signal or an image."""

    def form(node: Node) -> LayerForm | None:
        rank = len(node.inputs[0].shape) + 1
        axes = sorted(axis % rank for axis in node.operation.axis or ())
        all_places = rank in (3, 4) and axes == list(range(1, rank - 1))
        if not all_places or getattr(node.operation, "initial", None) is not None:
            return None
        name = f"Global{kind}Pooling{rank - 2}D"
        return layer(name, keepdims=node.operation.keepdims, data_format="channels_last")

    return form


def _reshape(node: Node) -> LayerForm | None:
    shape, (first, *rest) = node.inputs[0].shape, node.operation.newshape
    known = None not in shape and rest and all(isinstance(size, int) for size in rest) and -1 not in rest
    if not known or math.prod(rest) != math.prod(shape) or first not in (-1, None):
        return None
    return layer("Reshape", target_shape=tuple(rest))


def _slices(node: Node) -> LayerForm | None:
    """What `x[:, 2:5, ::2, 0]` reads along each axis but the first, the batch: (first place, step, places)."""
    shape, key = node.inputs[0].shape, node.args[1] if len(node.args) > 1 else node.kwargs.get("key")
    key = key if isinstance(key, tuple) else (key,)
    if None in [each for each in key if not hasattr(each, "shape")]:  # a new axis, and nothing else
        others = [each for each in key if each is not None and each is not Ellipsis]
        return _same_cells(node) if all(each == slice(None) for each in others) else None
    if any(each is Ellipsis for each in key):
        place = key.index(Ellipsis)
        key = (*key[:place], *(slice(None),) * (len(shape) + 2 - len(key)), *key[place + 1 :])
    all_axes: list[Any] = [*key, *(slice(None),) * (len(shape) + 1 - len(key))]
    batch, rest = all_axes[0], all_axes[1:]
    whole = isinstance(batch, slice) and batch.indices(MANY) == (0, MANY, 1)
    if not whole or None in shape or len(rest) != len(shape):
        return None
    slices = []
    for each, size in zip(rest, shape, strict=True):
        if isinstance(each, slice):
            first, end, step = each.indices(size)
            slices.append((first, step, len(range(first, end, step))))
        elif isinstance(each, int) and -size <= each < size:
            slices.append((each % size, 1, 0))
        else:
            return None
    kept = [count for each, (_, _, count) in zip(rest, slices, strict=True) if isinstance(each, slice)]
    return LayerForm(Key("ops", "GetItem"), {"slices": slices}) if kept and min(kept) > 0 else None


def _flip(node: Node) -> LayerForm | None:
    shape, axes = node.inputs[0].shape, node.operation.axis
    axes = (axes,) if isinstance(axes, int) else axes
    if axes is None or None in shape:
        return None
    flipped = {axis % (len(shape) + 1) - 1 for axis in axes}
    slices = [(size - 1, -1, size) if axis in flipped else (0, 1, size) for axis, size in enumerate(shape)]
    return LayerForm(Key("ops", "GetItem"), {"slices": slices}) if -1 not in flipped else None


def _pad(node: Node) -> LayerForm | None:
    """Zeros around a map: slices that begin before it."""
    operation, shape = node.operation, node.inputs[0].shape
    value = node.kwargs.get("constant_values", node.args[1] if len(node.args) > 1 else None)
    width = np.broadcast_to(np.asarray(operation.pad_width), (len(shape) + 1, 2)).tolist()
    if operation.mode != "constant" or value not in (None, 0) or any(width[0]) or None in shape:
        return None
    slices = [(-before, 1, size + before + after) for (before, after), size in zip(width[1:], shape, strict=True)]
    return LayerForm(Key("ops", "GetItem"), {"slices": slices})


def _same_cells(node: Node) -> LayerForm | None:
    """A function that only renames places."""
    shape, after = node.inputs[0].shape, node.outputs[0].shape
    known = None not in shape and None not in after and math.prod(shape) == math.prod(after)
    return layer("Reshape", target_shape=after) if known else None


def _transpose(node: Node) -> LayerForm | None:
    rank = len(node.inputs[0].shape) + 1
    first, *rest = (axis % rank for axis in node.operation.axes or reversed(range(rank)))
    return layer("Permute", dims=tuple(rest)) if first == 0 else None


def _binary(name: str | None, scale_and_offset: Callable[..., tuple | None]) -> Callable[[Node], LayerForm | None]:
    """Of two tensors the layer of that name; of a tensor and a number, or one for each channel, a Rescaling, where
    `scale_and_offset` says it. It gets the numbers, and whether they come first.
    """

    def form(node: Node) -> LayerForm | None:
        operands = [*node.args, *node.kwargs.values()]
        if len(node.inputs) == 2 and len(operands) == 2:
            return layer(name) if name else None
        constants = [each for each in operands if not isinstance(each, Value)]
        alone = len(node.inputs) == len(constants) == 1
        numbers = _numbers(constants[0], (node.inputs[0].shape or (None,))[-1]) if alone else None
        linear = None if numbers is None else scale_and_offset(numbers, not isinstance(operands[0], Value))
        if linear is None:
            return None
        scale, offset = (np.asarray(each).tolist() for each in linear)
        return layer("Rescaling", scale=scale, offset=offset)

    return form


def _numbers(constant: Any, channels: int | None) -> np.ndarray | None:
    """A number, or one for each channel."""
    try:
        array = np.asarray(constant, "float64")
    except (TypeError, ValueError, RuntimeError):
        return None
    return array if array.shape in ((), (channels,)) else None


def _number(constant: Any) -> float | None:
    array = _numbers(constant, None)
    return None if array is None else float(array)


def _activations(*names: str) -> dict[str, Callable[[Node], LayerForm | None]]:
    """Functions that are activations of the same name, as far as case and "_" go."""
    return {name.title().replace("_", ""): _activation(name) for name in names}


_FORMS: dict[Key, Callable[[Node], LayerForm | None]] = {
    Key("activations", "ReLU"): _relu,
    **{
        Key("ops", name): form
        for name, form in {
            "Relu": lambda node: layer("ReLU"),
            "Relu6": lambda node: layer("ReLU", max_value=6.0),
            "LeakyRelu": lambda node: layer("LeakyReLU", negative_slope=node.operation.negative_slope),
            "Softmax": lambda node: layer("Softmax", axis=node.operation.axis),
            "Celu": _activation("celu", alpha=1.0),
            "Elu": _activation("elu", alpha=1.0),
            "Gelu": _activation("gelu", approximate=False),
            "Exp": _activation("exponential"),
            **_activations("hard_sigmoid", "hard_silu", "hard_tanh", "log_sigmoid", "selu"),
            **_activations("sigmoid", "silu", "softplus", "softsign", "tanh"),
            "Mean": _over_places("Average"),
            "Max": _over_places("Max"),
            "Reshape": _reshape,
            "Squeeze": _same_cells,
            "ExpandDims": _same_cells,
            "Transpose": _transpose,
            "GetItem": _slices,
            "Flip": _flip,
            "Pad": _pad,
            "Concatenate": lambda node: layer("Concatenate", axis=node.operation.axis),
            "Add": _binary("Add", lambda numbers, comes_first: (1.0, numbers)),
            "Multiply": _binary("Multiply", lambda numbers, comes_first: (numbers, 0.0)),
            "Subtract": _binary(
                "Subtract", lambda numbers, comes_first: (-1.0, numbers) if comes_first else (1.0, -numbers)
            ),
            "TrueDivide": _binary(
                None, lambda numbers, comes_first: None if comes_first or not np.all(numbers) else (1 / numbers, 0.0)
            ),
            "Maximum": _binary("Maximum", lambda numbers, comes_first: None),
            "Minimum": _binary("Minimum", lambda numbers, comes_first: None),
            "Negative": lambda node: layer("Rescaling", scale=-1.0, offset=0.0),
            **{name.title(): _function(name, arguments) for name, arguments in FUNCTIONS.items()},
        }.items()
    },
}
