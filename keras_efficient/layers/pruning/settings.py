"""What schedules and structures have in common: they are their settings."""

from __future__ import annotations

from typing import Self

from keras_efficient.type_aliases import Config


class Settings:
    """An object that its configuration describes: made from it, equal where it is equal, printed as it."""

    def get_config(self) -> dict:
        """The arguments that make an equal object, as JSON can hold them."""
        raise NotImplementedError

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """The object of these arguments."""
        return cls(**config)

    def __eq__(self, other):
        return type(self) is type(other) and self.get_config() == other.get_config()

    def __hash__(self):
        return hash((type(self), repr(self.get_config())))

    def __repr__(self):
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.get_config().items())
        return f"{type(self).__name__}({arguments})"
