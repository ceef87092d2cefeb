"""What a search prints at its end, and the few words that its page shares with it."""

from keras_efficient.markup import align
from keras_efficient.report import numbers

WORDS = ("at most", "network")  # columns aligned to the left
HEADINGS = ("bytes", "weights", "activations", "parameters", "float", "quantized", "network")


def search_summary(result: dict) -> str:
    """The Pareto front, the best network within each limit and the references, as lines of plain text."""
    front = [result["candidates"][index] for index in result["front"]]
    limits = [_limit_row(result, entry) for entry in result["best_within"]]
    return "\n".join(
        [
            counts_line(result),
            "",
            *align([HEADINGS, *map(cells, front)], WORDS),
            "",
            *align([("at most", *HEADINGS), *limits], WORDS),
            *(f"{reference['name']}: {in_words(reference)}" for reference in result["references"]),
        ]
    )


def cells(candidate: dict) -> tuple[str, ...]:
    """A candidate in the columns of `HEADINGS`."""
    sizes = (numbers.size(candidate[f"{part}_bytes"]) for part in ("total", "weight", "activation"))
    accuracies = numbers.percent(candidate["float_accuracy"]), _quantized(candidate)
    return (*sizes, numbers.count(candidate["parameters"]), *accuracies, _network_text(candidate["network"]))


def _quantized(candidate):
    return numbers.percent_over_seeds(candidate["val_accuracy"], candidate.get("spread"))


def counts_line(result: dict) -> str:
    """How many candidates there were, and what became of them."""
    counts = result["counts"]
    failed = f", {counts['failed']:,} failed" if counts["failed"] else ""
    priced = counts["invalid"] + counts["too_large"] + counts["fitting"]
    drawn = "" if priced == counts["candidates"] else f"{priced:,} of "
    return (
        f"{drawn}{counts['candidates']:,} candidates: {counts['invalid']:,} with impossible shapes, "
        f"{counts['too_large']:,} above {numbers.size(result['max_bytes'])} bytes, {counts['fitting']:,} fit; "
        f"{_left_out(result)}{counts['drawn']:,} trained{_longer(result)}{failed}"
    )


def _longer(result: dict) -> str:
    """How many of them later rounds trained anew."""
    rungs = [candidate.get("rung", 0) for candidate in result["candidates"]]
    went_on = [f"{sum(rung >= number for rung in rungs):,}" for number in range(1, max(rungs) + 1)]
    finalists = f"{went_on.pop()} with {result['seeds']} other seeds" if went_on and "seeds" in result else ""
    longer = f"{', then '.join(went_on)} of them for longer" if went_on else ""
    return "".join(f", {words}" for words in (longer, finalists) if words)


def _left_out(result: dict) -> str:
    """How many were not trained for the sake of a chip."""
    if "limits" not in result:
        return ""
    limits = {**result["limits"]}
    chip = limits.pop("chip")
    words = ", ".join(f"{name.removeprefix('max_')} {most:,}" for name, most in limits.items())
    return f"{result['counts']['left_out']:,} drawn and left out by the limits of the {chip} ({words}); "


def in_words(candidate: dict) -> str:
    """Bytes and accuracy of a candidate, or why it has none."""
    if candidate["status"] == "failed":
        return f"{numbers.size(candidate['total_bytes'])} bytes, failed ({candidate['reason']})"
    accuracy = _quantized(candidate)
    return f"{numbers.size(candidate['total_bytes'])} bytes, {accuracy}, {_network_text(candidate['network'])}"


def _network_text(network: list) -> str:
    """A description in brief: its letters with their outputs, and the kernel of a window.

    [["C", 8, 3, 3, 1, 1, 4, 8, 4], ["M", 2, 4], ["S", 10, 4, 8, 16]] -> 'C8/3 M2 S10'
    """
    return " ".join(_item_text(item) for item in network)


def _item_text(item: dict | list) -> str:
    if isinstance(item, dict):
        return str(item.get("class_name"))
    letter, *values = item
    if letter in ("C", "CN", "DSC", "T"):
        kernel = f"{values[1]}" if len(values) < 6 or values[1] == values[2] else f"{values[1]}x{values[2]}"
        return f"{letter}{values[0]}/{kernel}"
    return letter if letter in ("D", "R", "N") else f"{letter}{values[0]}"


def _limit_row(result: dict, entry: dict) -> tuple[str, ...]:
    limit, index = numbers.size(entry["bytes"]), entry["candidate"]
    if index is None:
        return (limit, *[numbers.DASH] * len(HEADINGS))
    return (limit, *cells(result["candidates"][index]))
