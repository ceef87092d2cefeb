"""The setting `search`: the space that Optuna draws configurations from, and how far it trains them."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

from keras_efficient.checks import is_integer, non_negative_number, one_of, positive_integer
from keras_efficient.training.experiments.keys import SETTINGS, check_keys
from keras_efficient.training.experiments.resolve import PlannedRun, plan_run, resolve, resolve_seeds
from keras_efficient.training.experiments.updates import merge_all, nested
from keras_efficient.training.halving import Halving

_FORM = "{configurations: 40, max_epochs: 27, space: {learning_rate: {log_uniform: [1e-4, 1e-1]}}}"
_MOST_CHOICES = 1_000  # each of them is tried for being right
_RANGES = ("uniform", "log_uniform", "integers")
_DOMAIN = "a list of choices, {uniform: [low, high]}, {log_uniform: [low, high]} or {integers: [low, high]}"


@dataclass(frozen=True)
class SearchSettings:
    """What stands beside `space`.

    Attributes:
        configurations: How many are drawn.
        max_epochs: Epochs of the first stage of a configuration that goes to the end.
        first_epochs, factor, measure: After first_epochs, first_epochs factor, first_epochs factor^2 ... epochs,
            `optuna.pruners.HyperbandPruner` stops the worse ones, by "val_loss" or "val_accuracy".
        sampler: "tpe", which learns from what was trained, or "random".
        max_bytes: Limit of weights and activations together; what is above it is not trained. None: no limit.
        parallel: So many are drawn together, and trained by as many workers, before the next ones are.
    """

    configurations: int
    max_epochs: int
    first_epochs: int = 1
    factor: int = 3
    measure: str = "val_loss"
    sampler: str = "tpe"
    max_bytes: float | None = None
    parallel: int = 1

    def __post_init__(self):
        for name in ("configurations", "max_epochs", "parallel"):
            positive_integer(getattr(self, name), name)
        if self.halving.first_epochs > self.max_epochs:
            raise ValueError(
                "`first_epochs` must not be above `max_epochs`. "
                f"Received: first_epochs={self.first_epochs}, max_epochs={self.max_epochs}"
            )
        one_of(self.sampler, "sampler", ("tpe", "random"))
        if self.max_bytes is not None:
            non_negative_number(self.max_bytes, "max_bytes")

    @property
    def halving(self) -> Halving:
        """When configurations are compared."""
        return Halving(self.first_epochs, self.factor, self.measure)


@dataclass(frozen=True)
class PlannedSearch:
    """What a search will do.

    `space` is {dotted setting: list of choices or range}, as the file has them, in alphabetical order; `base` are the
    settings of the point; `seed`, `folder` and `storage` are as in `plan_run`.
    """

    settings: SearchSettings
    space: dict
    base: dict
    seed: int
    folder: Path
    storage: Path

    def run(self, values: dict) -> PlannedRun:
        """The training with these values of the space; it is found again by its hash, in other searches too."""
        updates = [*({name: value} for name, value in values.items()), {"stages.0.epochs": self.settings.max_epochs}]
        settings = merge_all(self.base, map(nested, updates))
        return plan_run(resolve(settings, self.folder), self.seed, self.folder, self.storage)

    def ends(self) -> Iterator[PlannedRun]:
        """The trainings at one corner of the space, and at all choices and ends of ranges beside it."""
        corner = {name: values[0] for name, values in self._ends().items()}
        for name, values in self._ends().items():
            yield from (self.run({**corner, name: value}) for value in values)

    def check_space(self) -> dict:
        """The settings at one corner of the space. Each setting of the space must be right, and change something."""
        found, settings = self.ends(), []
        for name, values in self._ends().items():
            runs = list(islice(found, len(values)))
            settings.append(runs[0].settings)
            if len({run.sha256 for run in runs}) == 1 and any(value != values[0] for value in values):
                raise ValueError(
                    f"`search.space.{name}` changes nothing: the stages, or the rungs, state it themselves"
                )
        if "halving" in settings[0]["stages"][0]:
            raise ValueError(
                "`search` stops configurations early by itself; `halving` of the first stage goes without it"
            )
        return settings[0]

    def _ends(self):
        """The choices of each setting of the space, or the ends of its range."""
        return {
            name: item if isinstance(item, list) else next(iter(item.values())) for name, item in self.space.items()
        }


def plan_searches(settings: dict, folder: Path, storage: Path) -> list[PlannedRun]:
    """The searches of a point, one per seed.

    An ImportError if Optuna is not installed, a ValueError for a wrong setting, choice or end of a range in the space.
    """
    beside, space = _read_search(settings["search"])
    seeds = resolve_seeds(settings.get("seeds"))
    searches = [PlannedSearch(beside, space, settings, seed, folder, storage) for seed in seeds]
    point = {**searches[0].check_space(), "search": {**asdict(beside), "space": space}}
    return [plan_run(point, search.seed, folder, storage, search) for search in searches]


def import_optuna() -> ModuleType:
    """Optuna, or an ImportError that says how to get it."""
    try:
        import optuna
    except ImportError as error:
        raise ImportError("`search` needs Optuna: pip install 'keras_efficient[optuna]'") from error
    return optuna


def distribution(name: str, domain: Any) -> Any:
    """Optuna's distribution for a range, or for the indices of a list of choices."""
    known = import_optuna().distributions
    try:
        if isinstance(domain, list):
            return known.CategoricalDistribution(range(len(domain)))
        ((kind, (low, high)),) = domain.items()
        if kind == "integers" and is_integer(low) and is_integer(high):
            return known.IntDistribution(low, high)
        return known.FloatDistribution(low, high, log={"uniform": False, "log_uniform": True}[kind])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        place = f"search.space.{name}".removesuffix(".")
        raise ValueError(f"`{place}` must be {_DOMAIN}, the lower first. Received: {domain!r}") from error


def _read_search(search):
    if not isinstance(search, dict) or None in (search.get("configurations"), search.get("max_epochs")):
        raise ValueError(f"`search` must be settings such as {_FORM}. Received: search={search!r}")
    given = {name: value for name, value in search.items() if value is not None}
    space = dict(sorted(_domains(given.pop("space", None))))
    for name, domain in space.items():
        distribution(name, domain)
    choices = sum(len(domain) for domain in space.values() if isinstance(domain, list))
    if choices > _MOST_CHOICES:
        raise ValueError(f"`search.space` must list at most {_MOST_CHOICES:,} choices. Received: {choices:,}")
    known = {name: within for name, within in SETTINGS.items() if name not in ("search", "seeds")}
    check_keys(nested(dict.fromkeys(space)), "search.space", known)
    try:
        return SearchSettings(**given), space
    except ValueError as error:
        raise ValueError(f"`search`: {error}") from None


def _domains(space, place=()):
    if not isinstance(space, dict) or not space or (len(space) == 1 and next(iter(space)) in _RANGES):
        yield ".".join(place), space
    else:
        for key, value in space.items():
            yield from _domains(value, (*place, key))
