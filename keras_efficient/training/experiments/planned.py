"""One run of a plan."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_efficient.training.experiments.resolve import settings_hash


@dataclass(frozen=True)
class PlannedRun:
    """One training: a point and a seed. Or a search among many: a point, a space and a seed.

    Attributes:
        settings: What decides its result, the seed included.
        sha256: Hash of the settings.
        folder: Where its files go.
        modules: Where the module of a builder may lie.
        search: The `PlannedSearch`; None: one training.
    """

    settings: dict
    sha256: str
    folder: Path
    modules: Path
    search: Any = None


def plan_run(resolved: dict, seed: int, folder: Path, storage: Path, search: Any = None) -> PlannedRun:
    """The run of resolved settings with a seed; `folder` is that of the file."""
    complete = {**resolved, "seed": seed}
    sha256 = settings_hash(complete)
    return PlannedRun(complete, sha256, storage / "runs" / sha256[:16], folder, search)
