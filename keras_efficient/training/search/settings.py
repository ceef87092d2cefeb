"""The settings of a search, checked."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import keras

from keras_efficient.checks import integer, positive_integer
from keras_efficient.files import json_value
from keras_efficient.kinds.fields import check_number
from keras_efficient.networks import DIGITS, MNIST_2KB
from keras_efficient.storage import StorageReport, estimate_storage
from keras_efficient.training.data import TrainingData
from keras_efficient.training.data_forms import read_parts
from keras_efficient.training.engine_choice import choose_engine
from keras_efficient.training.engines import KERAS_ENGINE, check_engine
from keras_efficient.training.halving import Halving
from keras_efficient.training.labels import count_classes
from keras_efficient.training.manifest import package_versions
from keras_efficient.training.prefix import PrefixCache
from keras_efficient.training.preparation import Prepared, prepare
from keras_efficient.training.run import Run
from keras_efficient.training.search.candidates import (
    MOST_CANDIDATES,
    candidates,
    draw,
    log_uniform_weights,
    some_candidates,
)
from keras_efficient.training.search.pricing import PricedSpace, price_space
from keras_efficient.training.search.space import SearchSpace
from keras_efficient.training.stage import Stage

_FORMAT = "keras_efficient search 1"
_MODES = ("float", "learn_scales")
# What makes a search of several rounds, with the values that leave it at one.
_ROUNDS = {"mutants": 0, "halving": None, "seeds": 1}
# Known networks by what they were made for: input shape and number of classes.
_REFERENCES: dict[tuple[tuple[int, ...], int], Mapping[str, Sequence]] = {
    ((28, 28, 1), 10): {"MNIST_2KB": MNIST_2KB},
    ((8, 8, 1), 10): {"DIGITS": DIGITS},
}
# The study's; sets so small that it would leave less than 32 steps an epoch take smaller ones.
_BATCH_SIZE, _STEPS = 128, 32
FACTOR = 4  # of successive halving
_MOST_LOOKED_AT = 10  # candidates for each one to train: to look at limits takes about a second


class NetworkLimits(Protocol):
    """What candidates must keep besides their bytes, such as `export.FirmwareLimits`."""

    def check_tools(self) -> None:
        """A ValueError where it cannot be checked here."""

    def admits(self, network: Any, input_shape: Sequence[int]) -> bool:
        """Whether a network keeps them."""

    def describe(self) -> dict[str, Any]:
        """As JSON has it."""


class Drawn(NamedTuple):
    """Indices of the candidates to train, and how many were left out before the last of them."""

    indices: list[int]
    left_out: int


@dataclass(frozen=True)
class Search:
    """Everything that decides the result of a search. Can be sent to a worker process."""

    prepared: Prepared
    classes: int
    max_bytes: float
    directory: Path
    space: SearchSpace
    samples: int
    references: Mapping[str, Sequence]
    seed: int
    engine: str = KERAS_ENGINE
    limits: NetworkLimits | None = None
    network: Sequence | None = None
    mutants: int = 0
    halving: int | None = None
    seeds: int = 1
    # Tells the searches apart that a worker has seen.
    token: str = field(default_factory=lambda: uuid.uuid4().hex, compare=False)

    @classmethod
    def prepare(
        cls,
        data: Sequence,
        max_bytes: float,
        directory: str | Path,
        space: SearchSpace | None,
        samples: int,
        epochs: Sequence[int],
        batch_size: int | None,
        references: Mapping[str, Sequence] | None,
        seed: int,
        engine: str,
        limits: NetworkLimits | None = None,
        network: Sequence | None = None,
        mutants: int = 0,
        halving: int | None = None,
        seeds: int = 1,
    ) -> "Search":
        """Check the arguments of `search_networks`; no file is touched."""
        check_engine(engine)
        if space is not None and not isinstance(space, SearchSpace):
            raise TypeError(f"`space` must be a SearchSpace or None. Received: space={space!r}")
        # A search chooses, so it never sees test data.
        parts = read_parts(data)[:2]
        classes = count_classes([y for _, y, _ in parts])
        # The smallest network with the ends of all candidates.
        smallest = [("S", classes, 8, 8, 8)]
        prepared = prepare(smallest, parts, _stages(epochs, batch_size, parts), None, None, "val_accuracy")
        search = cls(
            prepared=prepared,
            classes=classes,
            max_bytes=_check_bytes(max_bytes),
            directory=Path(directory),
            space=space or SearchSpace.for_inputs(prepared.data.input_shape),
            samples=positive_integer(samples, "samples"),
            references={},
            seed=integer(seed, "seed", 0),
            engine=engine,
            limits=limits,
            network=network,
            mutants=integer(mutants, "mutants", 0),
            halving=None if halving is None else positive_integer(halving, "halving"),
            seeds=positive_integer(seeds, "seeds"),
        )
        reason_against = partial(prepared.reason_against_compiled, engine)
        engine = choose_engine(engine, search.directory, reason_against, stacklevel=4)
        search = replace(search, engine=engine)
        return replace(search, references=search.known_references() if references is None else dict(references))

    @property
    def data(self) -> TrainingData:
        """The samples."""
        return self.prepared.data

    @property
    def rungs(self) -> tuple[tuple[Stage, ...], ...]:
        """The stages of each rung; the last are those with all epochs."""
        stages = self.prepared.stages
        most = max(stage.epochs for stage in stages)
        lengths = (most,) if self.halving is None else Halving(self.halving, FACTOR).rungs(most)
        return tuple(tuple(replace(stage, epochs=min(epochs, stage.epochs)) for stage in stages) for epochs in lengths)

    def run(self, network: Sequence, stages: Sequence[Stage], directory: Path, seed: int, prefixes: PrefixCache) -> Run:
        """The training of a network."""
        source = replace(self.prepared.source, config=list(network))
        found = replace(self.prepared, source=source, stages=tuple(stages))
        return Run(**vars(found), directory=directory, seed=seed, engine=self.engine, prefixes=prefixes)

    def known_references(self) -> Mapping[str, Sequence]:
        """The networks of this package that were made for such data."""
        return _REFERENCES.get((self.data.input_shape, self.classes), {})

    def priced_references(self) -> dict:
        """The storage report of each reference network; ValueError where one does not fit the data."""
        return {name: estimate_storage(network, self.data.input_shape) for name, network in self.references.items()}

    def priced_network(self) -> StorageReport | None:
        """The storage report of the network that was given; ValueError where it does not fit."""
        if self.network is None:
            return None
        report = estimate_storage(self.network, self.data.input_shape)
        if report.total_bytes > self.max_bytes:
            raise ValueError(
                f"`network` must take at most max_bytes={self.max_bytes:g}. Received: {report.total_bytes:g} bytes"
            )
        return report

    def priced(self) -> PricedSpace:
        """All candidates that fit; ValueError where none does."""
        if self.space.size() > MOST_CANDIDATES:
            networks = some_candidates(self.space, self.classes, self.seed)
        else:
            networks = candidates(self.space, self.classes)
        priced = price_space(networks, self.data.input_shape, self.max_bytes)
        if not priced.networks:
            smallest = priced.smallest_bytes
            found = "none has valid shapes" if smallest is None else f"the smallest needs {smallest:g} bytes"
            raise ValueError(
                f"no network of the search space fits inputs of {self.data.input_shape} and the limit: {found}. "
                f"Received: max_bytes={self.max_bytes:g}"
            )
        return priced

    def drawn(self, priced: PricedSpace) -> Drawn:
        """The candidates to train. With limits those that keep them, looked at in the order of the draw until there
        are enough; ValueError where none does."""
        weights = log_uniform_weights([price.total_bytes for price in priced.prices])
        if self.limits is None:
            return Drawn([int(index) for index in draw(weights, self.samples, self.seed)], 0)
        self.limits.check_tools()
        kept: list[int] = []
        left_out = 0
        for index in draw(weights, _MOST_LOOKED_AT * self.samples, self.seed):
            if self.limits.admits(priced.networks[index], self.data.input_shape):
                kept.append(int(index))
            else:
                left_out += 1
            if len(kept) == self.samples:
                break
        if not kept:
            raise ValueError(f"none of {left_out} candidates keeps the limits. Received: {self.limits.describe()}")
        return Drawn(kept, left_out)

    def manifest(self) -> dict:
        """What must be equal for two searches to be the same search."""
        return json_value(
            {
                "format": _FORMAT,
                **self.settings(),
                "data_sha256": self.data.digest(),
                "backend": keras.backend.backend(),
                "engine": self.engine,
                "precision": keras.config.dtype_policy().name,
                "versions": package_versions(),
            }
        )

    def settings(self) -> dict:
        """The settings as JSON values."""
        return json_value(
            {
                "max_bytes": self.max_bytes,
                "samples": self.samples,
                "seed": self.seed,
                "input_shape": self.data.input_shape,
                "classes": self.classes,
                **({} if self.prepared.labels is None else {"labels": self.prepared.labels}),
                "space": asdict(self.space),
                "references": self.references,
                "stages": [stage.describe() for stage in self.prepared.stages],
                **({} if self.limits is None else {"limits": self.limits.describe()}),
                **({} if self.network is None else {"network": self.network}),
                **{name: value for name in _ROUNDS if (value := getattr(self, name)) != _ROUNDS[name]},
            }
        )


def _check_bytes(max_bytes: Any) -> float:
    if check_number(max_bytes, "max_bytes") <= 0:
        raise ValueError(f"max_bytes must be positive. Received: {max_bytes!r}")
    return int(max_bytes) if int(max_bytes) == max_bytes else float(max_bytes)


def _stages(epochs: Any, batch_size: int | None, parts: Sequence) -> tuple[Stage, Stage]:
    if not isinstance(epochs, (list, tuple)) or len(epochs) != len(_MODES):
        raise ValueError(f"`epochs` must be two numbers, for {' and '.join(_MODES)}. Received: epochs={epochs!r}")
    if batch_size is None:
        batch_size = max(1, min(_BATCH_SIZE, len(parts[0][0]) // _STEPS))
    first, second = (Stage(mode, 1, count, batch_size=batch_size) for mode, count in zip(_MODES, epochs, strict=True))
    return first, second
