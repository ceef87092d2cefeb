"""What the command `keras-efficient search` does between its options and its output."""

from dataclasses import dataclass
from pathlib import Path

from keras_efficient.datasets import load_dataset
from keras_efficient.files import read_json
from keras_efficient.kinds.fields import check_number
from keras_efficient.layers.arguments import positive_integer
from keras_efficient.training.engines import DEFAULT_ENGINE, check_engine
from keras_efficient.training.executors.tasks import Executor
from keras_efficient.training.search.driver import search_networks
from keras_efficient.training.search.outcome import NETWORK, PAGE, RESULT
from keras_efficient.training.search.settings import NetworkLimits
from keras_efficient.training.search.space import SearchSpace, read_space

# samples and epochs: the digits are so few that a step counts for less.
_DEFAULTS = {"digits": (12, (12, 8))}
_DEFAULT = (60, (5, 5))


@dataclass(frozen=True)
class SearchArguments:
    """The options of the command, as they were typed."""

    max_bytes: float
    dataset: str
    data_dir: Path | None
    space: Path | None
    samples: int | None
    epochs: str | None
    batch_size: int | None
    out: Path | None
    seed: int
    engine: str = DEFAULT_ENGINE
    limits: NetworkLimits | None = None

    def check(self) -> None:
        """Raise a ValueError that names a wrong option."""
        if check_number(self.max_bytes, "`--max-bytes`") <= 0:
            raise ValueError(f"`--max-bytes` must be positive. Received: {self.max_bytes:g}")
        for name, value in (("--samples", self.samples), ("--batch-size", self.batch_size)):
            if value is not None:
                positive_integer(value, name)
        if self.seed < 0:
            raise ValueError(f"`--seed` must be at least 0. Received: {self.seed}")
        check_engine(self.engine)
        self.epoch_numbers()
        if self.space is not None:
            read_space(self.space)

    def epoch_numbers(self) -> tuple[int, int]:
        """Float and quantized epochs."""
        if self.epochs is None:
            return _DEFAULTS.get(self.dataset, _DEFAULT)[1]
        parts = [part.strip() for part in self.epochs.split(",")]
        if len(parts) != 2 or not all(part.isdecimal() and int(part) > 0 for part in parts):
            raise ValueError(
                f"`--epochs` must be two positive whole numbers with a comma between, such as 5,5. "
                f"Received: {self.epochs!r}"
            )
        return int(parts[0]), int(parts[1])

    def directory(self) -> Path:
        """The folder of the search."""
        return self.out or Path("runs") / f"search-{self.dataset}"

    def files(self) -> str:
        """The files that it leaves, for people."""
        return ", ".join(str(self.directory() / name) for name in (NETWORK, RESULT, PAGE))


def run_search(arguments: SearchArguments, executor: Executor | None, verbose: bool) -> dict:
    """Run, or continue, the search; the content of its search.json."""
    images = load_dataset(arguments.dataset, arguments.data_dir, seed=arguments.seed)
    default = SearchSpace.for_inputs(images.x_train.shape[1:])
    search_networks(
        images.arrays(),
        arguments.max_bytes,
        arguments.directory(),
        space=default if arguments.space is None else read_space(arguments.space, default),
        samples=arguments.samples or _DEFAULTS.get(arguments.dataset, _DEFAULT)[0],
        epochs=arguments.epoch_numbers(),
        batch_size=arguments.batch_size,
        executor=executor,
        seed=arguments.seed,
        verbose=verbose,
        engine=arguments.engine,
        limits=arguments.limits,
    )
    return read_json(arguments.directory() / RESULT)
