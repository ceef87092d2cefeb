"""The space of a search: where the value of each setting is drawn from."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from keras_efficient.descriptions.fields import is_integer

_RANGES = ("uniform", "log_uniform", "integers")
DOMAIN_FORM = "a list of choices, {uniform: [low, high]}, {log_uniform: [low, high]} or {integers: [low, high]}"


@dataclass(frozen=True)
class Domain:
    """The values that a setting may have.

    Attributes:
        kind: "choices", "uniform", "log_uniform" (the logarithm is uniform) or "integers" (both ends belong to it).
        values: The choices, or the lowest and the highest value.
    """

    kind: str
    values: tuple

    @classmethod
    def read(cls, name: str, value) -> "Domain":
        """From the file; a ValueError names the setting."""
        if isinstance(value, list) and value:
            return cls("choices", tuple(value))
        if _is_range(value):
            ((kind, ends),) = value.items()
            return cls(kind, _check_ends(name, kind, ends))
        raise ValueError(f"`{name}` must be {DOMAIN_FORM}. Received: {value!r}")

    def draw(self, generator: np.random.Generator):
        """A value, as JSON has it."""
        if self.kind == "choices":
            return self.values[generator.integers(len(self.values))]
        low, high = self.values
        if self.kind == "integers":
            return int(generator.integers(low, high, endpoint=True))
        if self.kind == "uniform":
            return float(generator.uniform(low, high))
        # The ends themselves are not exceeded by rounding.
        return float(np.clip(math.exp(generator.uniform(math.log(low), math.log(high))), low, high))

    def ends(self) -> tuple:
        """Two values of it, different if it has two."""
        return self.values[0], self.values[-1]

    def to_json(self):
        """As the file has it."""
        return list(self.values) if self.kind == "choices" else {self.kind: list(self.values)}


def read_space(space, name: str = "search.space") -> dict[str, Domain]:
    """The domains by dotted setting, in alphabetical order: that of the file decides nothing.

    Raises:
        ValueError: Something is no domain, or there is none.
    """
    if not isinstance(space, dict) or not space:
        raise ValueError(f"`{name}` must map settings to {DOMAIN_FORM}. Received: {space!r}")
    return dict(sorted(_domains(space, name)))


def _domains(space, name, place=""):
    for key, value in space.items():
        where = f"{place}{key}"
        if isinstance(value, dict) and value and not _is_range(value):
            yield from _domains(value, name, f"{where}.")
        else:
            yield where, Domain.read(f"{name}.{where}", value)


def _is_range(value):
    return isinstance(value, dict) and len(value) == 1 and next(iter(value)) in _RANGES


def draw_values(space: Mapping[str, Domain], generator: np.random.Generator) -> dict:
    """A value of each setting."""
    return {name: domain.draw(generator) for name, domain in space.items()}


def _check_ends(name, kind, ends):
    is_number = is_integer if kind == "integers" else _is_finite
    is_pair = isinstance(ends, list) and len(ends) == 2 and all(map(is_number, ends)) and ends[0] <= ends[1]
    if is_pair and (kind != "log_uniform" or ends[0] > 0):
        return tuple(ends)
    what = {"integers": "two whole numbers", "log_uniform": "two positive numbers"}.get(kind, "two numbers")
    raise ValueError(f"`{name}.{kind}` must be {what}, the lower first. Received: {ends!r}")


def _is_finite(value):
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
