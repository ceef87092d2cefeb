"""The widths of each layer: the model's, and what `overrides` says of single layers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from fnmatch import fnmatchcase

from keras_efficient.ops.quantize import check_bits

STARS = "*?["


@dataclass(frozen=True)
class Settings:
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


NAMES = tuple(field.name for field in fields(Settings))


@dataclass(frozen=True)
class Choice:
    """The settings of a layer, None if it stays float, and the names of those that `overrides` gave."""

    settings: Settings | None
    given: frozenset[str] = frozenset()


def choices(
    names: Iterable[str], common: Settings, overrides: Mapping[str, Mapping | None] | None
) -> dict[str, Choice]:
    """The `Choice` for each layer name. Of several patterns that match a later one wins, and a name
    that is written out wins over patterns.

    Raises:
        ValueError: A pattern that no layer has, an unknown setting or a wrong value.
    """
    names = list(names)
    if overrides is not None and not isinstance(overrides, Mapping):
        raise TypeError(f"`overrides` must be a dictionary {{layer name: settings}}. Received: overrides={overrides!r}")
    found = {name: Choice(common) for name in names}
    for pattern, changes in sorted((overrides or {}).items(), key=lambda item: not is_pattern(item[0])):
        matching = [name for name in names if name == pattern or (is_pattern(pattern) and fnmatchcase(name, pattern))]
        if not matching:
            raise ValueError(f"`overrides` names no layer of the model: {pattern!r}. Its layers are {', '.join(names)}")
        for name in matching:
            found[name] = changed(found[name], changes, common, pattern)
    return found


def is_pattern(name: str) -> bool:
    return any(star in name for star in STARS)


def changed(choice: Choice, changes: Mapping | None, common: Settings, pattern: str) -> Choice:
    if changes is None:
        return Choice(None)
    unknown = set(changes) - set(NAMES) if isinstance(changes, Mapping) else {repr(changes)}
    if unknown:
        raise ValueError(
            f"`overrides` takes {', '.join(NAMES)} for a layer, or None to leave it float. "
            f"Received: {', '.join(sorted(map(str, unknown)))} for {pattern!r}"
        )
    try:
        return Choice(replace(choice.settings or common, **changes), choice.given | set(changes))
    except ValueError as error:
        raise ValueError(f"`overrides` for {pattern!r}: {error}") from None
