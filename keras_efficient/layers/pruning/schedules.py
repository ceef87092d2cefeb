"""When masks are made anew, and how many weights they remove. Steps are training batches."""

from collections.abc import Mapping
from math import prod

import keras

from keras_efficient.checks import fraction, integer, positive_number
from keras_efficient.layers.pruning.structures import Settings
from keras_efficient.type_aliases import Config


class Schedule(Settings):
    """When and how much is pruned.

    `schedule(step)` is the pair (whether masks are updated before batch `step`, sparsity then): the
    sparsity is also told between the updates.
    """

    def __call__(self, step: int) -> tuple[bool, float]:
        return self.updates_at(step), self.sparsity_at(step)

    def updates_at(self, step: int) -> bool:
        """Whether masks are updated before batch `step`, counted from 0."""
        raise NotImplementedError

    def sparsity_at(self, step: int) -> float:
        """The share of zeros that is aimed at."""
        raise NotImplementedError

    @property
    def last_step(self) -> int:
        """The step at which the last zeros are made: training that ends before does not reach what is aimed at."""
        return 0

    def zeros_at(self, step: int, count: int, zeros: int) -> int:
        """How many of `count` weights are zero after the update at `step`; `zeros` are before it."""
        return round(count * self.sparsity_at(step))


class PeriodicSchedule(Schedule):
    """Updates at begin_step, begin_step + frequency, ... up to end_step, which may be one of them."""

    def __init__(self, begin_step: int, end_step: int, frequency: int):
        self.begin_step = integer(begin_step, "begin_step", 0)
        self.end_step = integer(end_step, "end_step")
        self.frequency = integer(frequency, "frequency")
        if self.frequency < 1:
            raise ValueError(f"`frequency` must be at least 1 step. Received: frequency={frequency!r}")

    def updates_at(self, step: int) -> bool:
        within = step >= self.begin_step and (self.end_step < 0 or step <= self.end_step)
        return within and (step - self.begin_step) % self.frequency == 0


@keras.saving.register_keras_serializable(package="keras_efficient")
class ConstantSparsity(PeriodicSchedule):
    """The same sparsity from the first update on: round(count x target_sparsity) zeros per kernel, exactly.

    Args:
        target_sparsity: Share of zeros, 0 to 1.
        begin_step: The first update comes before this batch, counted from 0.
        end_step: No update after this one; -1: never ends.
        frequency: Batches from update to update.

    Raises:
        ValueError: If an argument is no number, or out of range.

    `tfmot.sparsity.keras.ConstantSparsity` has the same arguments and the same steps.
    """

    def __init__(self, target_sparsity: float, begin_step: int = 0, end_step: int = -1, frequency: int = 100):
        self.target_sparsity = fraction(target_sparsity, "target_sparsity")
        super().__init__(begin_step, end_step, frequency)
        if 0 <= self.end_step < self.begin_step or self.end_step < -1:
            raise ValueError(f"`end_step` must be -1 or at least begin_step={begin_step}. Received: {end_step=}")

    @property
    def last_step(self) -> int:
        return self.begin_step

    def sparsity_at(self, step: int) -> float:
        return self.target_sparsity


@keras.saving.register_keras_serializable(package="keras_efficient")
class PolynomialDecay(PeriodicSchedule):
    """A sparsity that rises fast at first and slowly at the end.

        p = clip((step - begin_step) / (end_step - begin_step), 0, 1)
        sparsity = final_sparsity + (initial_sparsity - final_sparsity) (1 - p)^power

    Source: Zhu & Gupta, "To prune, or not to prune", 2017, who take power 3;
    `tfmot.sparsity.keras.PolynomialDecay` has the same arguments and the same steps, but for end_step, at which it
    prunes only if `frequency` divides the way: elsewhere it ends below final_sparsity.

    Args:
        initial_sparsity, final_sparsity: Shares of zeros, 0 to 1.
        begin_step, end_step: The first and the last update.
        power: Exponent, above 0.
        frequency: Batches from update to update.

    Raises:
        ValueError: If an argument is no number, or out of range.
    """

    def __init__(
        self,
        initial_sparsity: float,
        final_sparsity: float,
        begin_step: int,
        end_step: int,
        power: float = 3,
        frequency: int = 100,
    ):
        self.initial_sparsity = fraction(initial_sparsity, "initial_sparsity")
        self.final_sparsity = fraction(final_sparsity, "final_sparsity")
        super().__init__(begin_step, end_step, frequency)
        self.power = positive_number(power, "power")
        if self.end_step <= self.begin_step:
            raise ValueError(f"`end_step` must be larger than begin_step={begin_step}. Received: {end_step=}")

    def updates_at(self, step: int) -> bool:
        return step == self.end_step or super().updates_at(step)

    @property
    def last_step(self) -> int:
        return self.end_step

    def sparsity_at(self, step: int) -> float:
        p = min(1.0, max(0.0, (step - self.begin_step) / (self.end_step - self.begin_step)))
        return self.final_sparsity + (self.initial_sparsity - self.final_sparsity) * (1 - p) ** self.power


@keras.saving.register_keras_serializable(package="keras_efficient")
class StepSparsity(Schedule):
    """Single events, each of which removes a share of what is still alive: the "dynamic" schedule.

        zeros <- zeros + round(share x (count - zeros))       at each of the steps

    Two events of 0.17 leave 0.83^2 of the weights: 31.1 % are gone. The event of step n comes before
    batch n; that of the last batch's number + 1 comes after it, when training is over.

    Source: the seed study "Dynamic Pruning"; the count is that of `torch.nn.utils.prune`.

    Args:
        shares: {step: share of the alive weights that goes}, or pairs (step, share).

    Raises:
        ValueError: If there is no event, a step is negative or doubled, or a share is not in 0 to 1.
    """

    def __init__(self, shares: Mapping[int, float]):
        pairs = list(shares.items()) if isinstance(shares, Mapping) else [tuple(pair) for pair in _listed(shares)]
        self.shares = {integer(step, "shares", 0): fraction(share, "shares") for step, share in sorted(pairs)}
        if not pairs or len(self.shares) < len(pairs):
            raise ValueError(f"`shares` must hold at least one event, and each step once. Received: shares={shares!r}")

    def updates_at(self, step: int) -> bool:
        return step in self.shares

    @property
    def last_step(self) -> int:
        return max(self.shares)

    def sparsity_at(self, step: int) -> float:
        return 1 - prod(1 - share for event, share in self.shares.items() if event <= step)

    def zeros_at(self, step: int, count: int, zeros: int) -> int:
        return zeros + round(self.shares.get(step, 0.0) * (count - zeros))

    def get_config(self) -> Config:
        # JSON would turn the steps of a dictionary into texts.
        return {"shares": [list(pair) for pair in self.shares.items()]}


def check_schedule(schedule: object, name: str = "schedule") -> Schedule:
    """`schedule`, or a TypeError unless it is one."""
    if isinstance(schedule, Schedule):
        return schedule
    raise TypeError(
        f"`{name}` must be a ConstantSparsity, PolynomialDecay, StepSparsity or another Schedule. "
        f"Received: {name}={schedule!r}"
    )


def _listed(shares):
    if isinstance(shares, (list, tuple)) and all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in shares):
        return shares
    raise TypeError(f"`shares` must be a dictionary {{step: share}}. Received: shares={shares!r}")
