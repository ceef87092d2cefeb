"""What the command `keras-efficient search` makes of its options."""

from pathlib import Path
from typing import Any

from keras_efficient.datasets import load_dataset
from keras_efficient.kinds.fields import check_number
from keras_efficient.layers.arguments import positive_integer
from keras_efficient.training.engines import check_engine
from keras_efficient.training.search.space import SearchSpace, read_space

# samples and epochs: the digits are so few that a step counts for less.
_DEFAULTS = {"digits": (12, (12, 8))}
_DEFAULT = (60, (5, 5))
_WIDE = Path("wide")  # in the place of a file: `SearchSpace.wide`


def search_arguments(
    max_bytes: float,
    dataset: str,
    data_dir: Path | None,
    space: Path | None,
    samples: int | None,
    epochs: str | None,
    batch_size: int | None,
    out: Path | None,
    seed: int,
    engine: str,
) -> dict[str, Any]:
    """The arguments of `search_networks`. A ValueError names a wrong option before data is loaded."""
    if check_number(max_bytes, "`--max-bytes`") <= 0:
        raise ValueError(f"`--max-bytes` must be positive. Received: {max_bytes:g}")
    for name, value in (("--samples", samples), ("--batch-size", batch_size)):
        if value is not None:
            positive_integer(value, name)
    if seed < 0:
        raise ValueError(f"`--seed` must be at least 0. Received: {seed}")
    check_engine(engine)
    default_samples, default_epochs = _DEFAULTS.get(dataset, _DEFAULT)
    lengths = default_epochs if epochs is None else _epoch_numbers(epochs)
    if space is not None and space != _WIDE:
        read_space(space)
    images = load_dataset(dataset, data_dir, seed=seed)
    shape = images.x_train.shape[1:]
    default = (SearchSpace.wide if space == _WIDE else SearchSpace.for_inputs)(shape)
    return {
        "data": images.arrays(),
        "max_bytes": max_bytes,
        "directory": out or Path("runs") / f"search-{dataset}",
        "space": default if space in (None, _WIDE) else read_space(space, default),
        "samples": samples or default_samples,
        "epochs": lengths,
        "batch_size": batch_size,
        "seed": seed,
        "engine": engine,
    }


def _epoch_numbers(epochs):
    """Float and quantized epochs."""
    parts = [part.strip() for part in epochs.split(",")]
    if len(parts) != 2 or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise ValueError(
            f"`--epochs` must be two positive whole numbers with a comma between, such as 5,5. Received: {epochs!r}"
        )
    return int(parts[0]), int(parts[1])
