"""The end of a search: rank, and write search.json, network.json and search.html."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

import keras

from keras_efficient.files import write_json
from keras_efficient.report.search_page import write_search_page
from keras_efficient.training.manifest import package_versions
from keras_efficient.training.search.pricing import PricedSpace
from keras_efficient.training.search.results import CandidateResult
from keras_efficient.training.search.settings import Search


def pareto_front(total_bytes: Sequence[float], accuracies: Sequence[float]) -> list[int]:
    """Indices of the candidates that no other one dominates, from few bytes to many.

    One dominates another with at most its bytes and at least its accuracy, one of them strictly better. Of
    equals, all are on the front.
    """
    order = sorted(range(len(total_bytes)), key=lambda i: (total_bytes[i], -accuracies[i], i))
    front: list[int] = []
    for index in order:
        last = front[-1] if front else None
        equal = last is not None and (total_bytes[index], accuracies[index]) == (total_bytes[last], accuracies[last])
        if last is None or accuracies[index] > accuracies[last] or equal:
            front.append(index)
    return front


def best_within(limit: float, total_bytes: Sequence[float], accuracies: Sequence[float]) -> int | None:
    """Index of the highest accuracy within a limit; ties go to fewer bytes, then to the lower index."""
    fitting = [index for index, size in enumerate(total_bytes) if size <= limit]
    return min(fitting, key=lambda i: (-accuracies[i], total_bytes[i], i), default=None)


RESULT, NETWORK, PAGE = "search.json", "network.json", "search.html"
LIMITS = (512, 1024, 2048, 4096)


def is_complete(search: Search) -> bool:
    """Whether all files of the finished search are there."""
    return all((search.directory / name).exists() for name in (RESULT, NETWORK, PAGE))


def write_outcome(
    search: Search,
    priced: PricedSpace,
    candidates: Sequence[CandidateResult],
    references: Sequence[CandidateResult],
    price_seconds: float,
    left_out: int = 0,
) -> None:
    """Write the three files; search.json comes last and says that all is there."""
    result = {
        "format": "keras_efficient search 1",
        **search.settings(),
        "dataset": {"train": len(search.data.x_train), "validation": len(search.data.x_val)},
        "counts": {**_counts(search, priced, candidates), **({} if search.limits is None else {"left_out": left_out})},
        **_ranking(search, candidates),
        "network_path": NETWORK,
        "candidates": [asdict(candidate) for candidate in candidates],
        "references": [asdict(reference) for reference in references],
        "price_seconds": price_seconds,
        "train_seconds": sum(each.train_seconds for each in (*candidates, *references)),
        "backend": keras.backend.backend(),
        "versions": package_versions(),
        "finished_date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    winner = {"network": candidates[result["best"]].network, "input_shape": list(search.data.input_shape)}
    write_json(search.directory / NETWORK, winner)
    write_search_page(result, search.directory / PAGE)
    write_json(search.directory / RESULT, result)


def _counts(search, priced, candidates):
    failed = sum(candidate.status == "failed" for candidate in candidates)
    return {
        "candidates": search.space.size(),
        "invalid": priced.invalid,
        "too_large": priced.too_large,
        "fitting": len(priced.networks),
        "drawn": len(candidates),
        "finished": len(candidates) - failed,
        "failed": failed,
    }


def _ranking(search, candidates):
    """`best`, `front` and `best_within`, as indices into the candidates."""
    finished = [index for index, candidate in enumerate(candidates) if candidate.status == "finished"]
    last = max((candidates[index].rung for index in finished), default=0)
    finished = [index for index in finished if candidates[index].rung == last]
    if not finished:
        raise ValueError(f"All {len(candidates)} candidates failed; the first: {candidates[0].reason}")
    sizes = [candidates[index].total_bytes for index in finished]
    accuracies = [candidates[index].val_accuracy for index in finished]

    def within(limit):
        best = best_within(limit, sizes, accuracies)
        return None if best is None else finished[best]

    limits = sorted({*(limit for limit in LIMITS if limit < search.max_bytes), search.max_bytes})
    return {
        "best": within(search.max_bytes),
        "front": [finished[index] for index in pareto_front(sizes, accuracies)],
        "best_within": [{"bytes": limit, "candidate": within(limit)} for limit in limits],
    }
