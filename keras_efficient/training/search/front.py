"""Which candidates are worth their bytes."""

from collections.abc import Sequence


def pareto_front(total_bytes: Sequence[float], accuracies: Sequence[float]) -> list[int]:
    """Indices of the candidates that no other one dominates, from few bytes to many.

    One dominates another with at most its bytes and at least its accuracy, one of them strictly better. Of
    equals, all are on the front.
    """
    order = sorted(range(len(total_bytes)), key=lambda i: (total_bytes[i], -accuracies[i], i))
    front: list[int] = []
    for index in order:
        last = front[-1] if front else None
        if last is None or accuracies[index] > accuracies[last] or _equal(index, last, total_bytes, accuracies):
            front.append(index)
    return front


def best_within(limit: float, total_bytes: Sequence[float], accuracies: Sequence[float]) -> int | None:
    """Index of the highest accuracy within a limit; ties go to fewer bytes, then to the lower index."""
    fitting = [index for index, size in enumerate(total_bytes) if size <= limit]
    return min(fitting, key=lambda i: (-accuracies[i], total_bytes[i], i), default=None)


def _equal(first, second, total_bytes, accuracies):
    return total_bytes[first] == total_bytes[second] and accuracies[first] == accuracies[second]
