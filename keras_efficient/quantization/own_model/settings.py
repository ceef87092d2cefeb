"""The widths of each layer: the model's, and what `overrides` says of single layers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from fnmatch import fnmatchcase

from keras_efficient.checks import nearest
from keras_efficient.ops.quantize import check_bits
from keras_efficient.reading.graph import Node
from keras_efficient.reading.network import INPUT_GRID

STARS = "*?["


@dataclass(frozen=True)
class LayerSettings:
    """How one layer is quantized.

    Attributes:
        kernel_bits, bias_bits, activation_bits: Widths in bits, 1 to 16.
        per_channel: Whether each filter of the kernel has a scale of its own.
    """

    kernel_bits: int
    bias_bits: int
    activation_bits: int
    per_channel: bool

    def __post_init__(self):
        for name in ("kernel_bits", "bias_bits", "activation_bits"):
            check_bits(getattr(self, name), name)
        if not isinstance(self.per_channel, bool):
            raise ValueError(f"`per_channel` must be True or False. Received: per_channel={self.per_channel!r}")


NAMES = tuple(field.name for field in fields(LayerSettings))
COMMON, INPUT_BITS = LayerSettings(kernel_bits=8, bias_bits=16, activation_bits=8, per_channel=True), 8


@dataclass(frozen=True)
class Choice:
    """The settings of a layer.

    Attributes:
        settings: None if it stays float.
        given: The names of those that `overrides` gave.
        asked: The names of those that change a layer that is quantized already, as those that are given do.
    """

    settings: LayerSettings | None
    given: frozenset[str] = frozenset()
    asked: frozenset[str] = frozenset()


def choices(
    nodes: Iterable[Node],
    common: LayerSettings,
    overrides: Mapping[str, Mapping | None] | None,
    asked: frozenset[str] = frozenset(),
    input_bits: int | None = None,
) -> dict[int, Choice]:
    """The `Choice` for each operation, by its id. A name is "block/conv", or "conv" where that is unique. Of several
    patterns that match a later one wins, and a name that is written out wins over patterns. `asked` is that of all;
    `input_bits` the width of a grid of the input that is there already: None leaves it, and so do patterns.

    Raises:
        ValueError: A pattern that no layer has, a name that several have, an unknown setting or a wrong value.
    """
    nodes = list(nodes)
    if overrides is not None and not isinstance(overrides, Mapping):
        raise TypeError(f"`overrides` must be a dictionary {{layer name: settings}}. Received: overrides={overrides!r}")
    found = {id(node.operation): Choice(common, asked=asked) for node in nodes}
    for node in nodes:
        if node.layer_key == INPUT_GRID:
            width = common if input_bits is None else replace(common, activation_bits=input_bits)
            found[id(node.operation)] = Choice(width, asked=frozenset({"activation_bits"} if input_bits else ()))
    for pattern, changes in sorted((overrides or {}).items(), key=lambda item: not _is_pattern(item[0])):
        for node in _matching(nodes, pattern):
            if node.layer_key == INPUT_GRID and _is_pattern(pattern):
                continue
            found[id(node.operation)] = changed(found[id(node.operation)], changes, common, pattern)
    return found


def _matching(nodes: list[Node], pattern: str) -> list[Node]:
    """The nodes that a name or a pattern means."""
    if _is_pattern(pattern):
        found = [node for node in nodes if any(fnmatchcase(name, pattern) for name in (node.name, bare(node)))]
    else:
        named = [node for node in nodes if node.name == pattern]
        found = named or [node for node in nodes if bare(node) == pattern]
    names = [node.name for node in (found or nodes)]
    if not found:
        raise ValueError(
            f"`overrides` names no layer of the model: {pattern!r}{nearest(pattern, names)}. Its layers are "
            f"{', '.join(names)}"
        )
    if len(found) > 1 and not _is_pattern(pattern):
        raise ValueError(f"`overrides` names several layers of the model: {pattern!r} may be {', '.join(names)}")
    return found


def bare(node: Node) -> str:
    """The name of a node without those of the models that it is in."""
    return node.name.rsplit("/", 1)[-1]


def _is_pattern(name: str) -> bool:
    return any(star in name for star in STARS)


def changed(choice: Choice, changes: Mapping | None, common: LayerSettings, pattern: str) -> Choice:
    if changes is None:
        return Choice(None)
    unknown = set(changes) - set(NAMES) if isinstance(changes, Mapping) else {repr(changes)}
    if unknown:
        raise ValueError(
            f"`overrides` takes {', '.join(NAMES)} for a layer, or None to leave it float. "
            f"Received: {', '.join(sorted(map(str, unknown)))} for {pattern!r}"
        )
    try:
        return Choice(replace(choice.settings or common, **changes), choice.given | set(changes), choice.asked)
    except ValueError as error:
        raise ValueError(f"`overrides` for {pattern!r}: {error}") from None
