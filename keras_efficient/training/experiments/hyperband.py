"""Hyperband: how many configurations to draw, how long to train them, which ones go on. No Keras."""

from collections.abc import Mapping
from dataclasses import dataclass

from keras_efficient.layers.arguments import positive_integer
from keras_efficient.training.halving import best_of, check_measure


@dataclass(frozen=True)
class Bracket:
    """One successive halving: so many configurations start, and meet at these epochs; the last is the end."""

    configurations: int
    rungs: tuple[int, ...]


@dataclass(frozen=True)
class Hyperband:
    """The schedule of a search. With R = max_epochs, eta = factor and s_max = floor(log_eta(R / min_epochs)):

        brackets s = s_max ... 0, each with
            n = ceil((s_max + 1) eta^s / (s + 1))      configurations
            r_i = floor(R eta^(i - s))                  epochs on rung i = 0 ... s
            max(1, floor(n_i / eta))                    of the n_i on rung i go on

    A bracket with large s bets on many configurations that are judged early, s = 0 trains all of its few to the
    end. Source: Li, Jamieson, DeSalvo, Rostamizadeh & Talwalkar, JMLR 18 (2018), algorithm 1.

    Attributes:
        max_epochs: Epochs of the first stage of a configuration that goes to the end.
        factor: One of so many goes on, for so many times the epochs; at least 2.
        min_epochs: No configuration is judged before so many epochs.
        measure: "val_loss" or "val_accuracy": what they are judged by, at their best epoch so far.

    Raises:
        ValueError: If a setting is wrong.
    """

    max_epochs: int
    factor: int = 3
    min_epochs: int = 1
    measure: str = "val_loss"

    def __post_init__(self):
        for name in ("max_epochs", "factor", "min_epochs"):
            object.__setattr__(self, name, positive_integer(getattr(self, name), name))
        if self.factor < 2:
            raise ValueError(f"`factor` must be at least 2. Received: factor={self.factor!r}")
        if self.min_epochs > self.max_epochs:
            raise ValueError(
                "`min_epochs` must not be above `max_epochs`. "
                f"Received: min_epochs={self.min_epochs}, max_epochs={self.max_epochs}"
            )
        check_measure(self.measure)

    def brackets(self) -> list[Bracket]:
        """All brackets, that with the most configurations first.

        >>> [(bracket.configurations, bracket.rungs) for bracket in Hyperband(9, 3).brackets()]
        [(9, (1, 3, 9)), (5, (3, 9)), (3, (9,))]
        """
        most = 0  # s_max, in whole numbers: logarithms round
        while self.factor ** (most + 1) * self.min_epochs <= self.max_epochs:
            most += 1
        return [self._bracket(s, most) for s in range(most, -1, -1)]

    def _bracket(self, s, most):
        count = -(-(most + 1) * self.factor**s // (s + 1))
        return Bracket(count, tuple(self.max_epochs // self.factor ** (s - rung) for rung in range(s + 1)))

    def keep(self, worth: Mapping[int, float]) -> list[int]:
        """Which configurations go on from a rung, by how bad they are (infinite: failed); of equal ones the first."""
        return best_of(worth, max(1, len(worth) // self.factor))
