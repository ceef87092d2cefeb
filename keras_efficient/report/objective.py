"""What a run chose by, besides the loss, and how its values are written."""

from dataclasses import dataclass
from typing import Any

from keras_efficient.report import numbers


@dataclass(frozen=True)
class Objective:
    """The objective of a run.

    Attributes:
        name: Of the metric: "accuracy" where a result says nothing, or "loss".
        larger: Whether larger is better.
    """

    name: str = "accuracy"
    larger: bool = True

    @classmethod
    def of(cls, result: dict) -> "Objective":
        """The objective that result.json names."""
        name, direction = result.get("objective") or ("val_accuracy", "max")
        return cls(str(name).removeprefix("val_"), direction == "max")

    @property
    def is_loss(self) -> bool:
        """Whether nothing is measured besides the loss."""
        return self.name == "loss"

    @property
    def is_accuracy(self) -> bool:
        """Whether it is the accuracy that scores and expectations are made of."""
        return self.name == "accuracy"

    @property
    def key(self) -> str:
        """Its name in a history."""
        return f"val_{self.name}"

    @property
    def words(self) -> str:
        """Its name for people."""
        return self.name.replace("_", " ")

    def value(self, entry: dict, part: str = "val") -> Any:
        """Its value in a trial or in `best`; None where it is missing."""
        plain = f"{part}_{self.name}"
        return entry[plain] if plain in entry else (entry.get(f"{part}_metrics") or {}).get(self.name)

    def text(self, value: Any) -> str:
        """A value as people read it: accuracies in per cent."""
        if "accuracy" in self.name:
            return numbers.percent(value)
        if self.is_loss:
            return numbers.loss(value)
        return f"{value:.4g}" if numbers.is_number(value) else numbers.DASH
