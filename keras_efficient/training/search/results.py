"""What a search returns and leaves in search.json."""

from dataclasses import dataclass, field
from pathlib import Path

from keras_efficient.files import read_json


@dataclass(frozen=True)
class CandidateResult:
    """A network that a search trained.

    Attributes:
        name: "candidate 7" (the eighth that was drawn), or the name of a reference network.
        network: Its description.
        weight_bytes, activation_bytes, total_bytes, parameters, mult_adds: See `estimate_storage`.
        status: "finished" or "failed".
        reason: Why it failed.
        float_accuracy: Highest validation accuracy of the float epochs.
        val_accuracy: Highest validation accuracy of the quantized epochs: what ranks. Of finalists the mean over the
            seeds, as `float_accuracy` and `val_loss` are.
        val_loss: Validation loss at the epoch of `val_accuracy`.
        path: Checkpoint of that epoch (of finalists with the first of the seeds).
        train_seconds: Of both stages.
        rung: The last round that it was in, from 0. Only candidates of the last one of all rank.
        val_accuracies: Of finalists one for each seed.
        spread: Their standard deviation (n - 1).
    """

    name: str
    network: list
    weight_bytes: float
    activation_bytes: float
    total_bytes: float
    parameters: int
    mult_adds: int
    status: str = "finished"
    reason: str | None = None
    float_accuracy: float | None = None
    val_accuracy: float | None = None
    val_loss: float | None = None
    path: str | None = None
    train_seconds: float = 0.0
    rung: int = 0
    val_accuracies: list[float] = field(default_factory=list)
    spread: float | None = None

    @classmethod
    def read(cls, path: Path) -> "CandidateResult | None":
        """The record of a candidate that was trained; None where there is none."""
        return cls(**read_json(path)) if path.exists() else None


@dataclass(frozen=True)
class SearchResult:
    """The outcome of `search_networks`. Paths in it start with `directory`.

    Attributes:
        best: The highest validation accuracy (of equals the smallest).
        front: The candidates that no other one beats in bytes and accuracy, from small to large.
        best_within: By limit in bytes, the best candidate that fits; None where none does.
        candidates: All that were drawn, in the order of the draw.
        references: The reference networks, trained the same way; they take no part in the choice.
        counts: How many candidates the space has, and what became of them.
        network_path: File with the description of `best`, for `train --network`.
        directory: Where the files of the search are.
    """

    best: CandidateResult
    front: tuple[CandidateResult, ...]
    best_within: dict[float, CandidateResult | None]
    candidates: tuple[CandidateResult, ...]
    references: tuple[CandidateResult, ...]
    counts: dict[str, int]
    network_path: str
    directory: str

    @classmethod
    def from_json(cls, result: dict, directory: Path) -> "SearchResult":
        """From the content of search.json."""
        drawn = tuple(_with_path(record, directory) for record in result["candidates"])
        return cls(
            best=drawn[result["best"]],
            front=tuple(drawn[index] for index in result["front"]),
            best_within={
                entry["bytes"]: None if entry["candidate"] is None else drawn[entry["candidate"]]
                for entry in result["best_within"]
            },
            candidates=drawn,
            references=tuple(_with_path(record, directory) for record in result["references"]),
            counts=result["counts"],
            network_path=str(directory / result["network_path"]),
            directory=str(directory),
        )


def _with_path(record, directory):
    path = None if record["path"] is None else str(directory / record["path"])
    return CandidateResult(**{**record, "path": path})
