"""The storage table, one row per layer, and the same bytes as bars: weight bytes and working bytes of each layer."""

from functools import partial
from typing import Any

from keras_efficient.markup import Column, Html, details, paragraph, section, table, tag
from keras_efficient.report import numbers

MANY = 40  # a table of more layers is folded


def _unknown(result: dict) -> str:
    reason = result["best"].get("storage_reason")
    if reason:
        return f"There is no table of bytes: {reason}"
    return "The model has layers without a known price, so there is no table of bytes."


def _storage_rows(result: dict) -> list[dict]:
    """The rows of the storage report, each with a `title` of its own; none without a report.

    The layers of a description have no names but their kinds, so those are numbered.
    """
    layers = (result.get("storage") or {}).get("layers") or []
    names = [str(layer.get("name") or layer.get("kind") or "layer") for layer in layers]
    if len(set(names)) < len(names):
        names = [f"{number} {name}" for number, name in enumerate(names, 1)]
    return [{**layer, "title": name} for layer, name in zip(layers, names, strict=True)]


def storage_table(result: dict) -> Html:
    """One row per layer, the totals in the last one."""
    rows = _storage_rows(result)
    if not rows:
        return section("Storage", paragraph(_unknown(result)))
    storage = result["storage"]
    total = {key: storage.get(key) for key in ("parameters", "weight_bytes", "mult_adds")}
    total |= {"title": "total", "working_bytes": storage.get("activation_bytes"), "is_total": True}
    written = table(_columns(rows), [*rows, total], row_class=lambda row: "total" if "is_total" in row else "")
    if len(rows) > MANY:
        written = details(f"Show all {len(rows)} layers", written)
    return section("Storage", _explanation(storage), written)


def _explanation(storage: dict) -> Html:
    inputs: dict[Any, str] = {True: "The input comes pixel by pixel. ", False: "The input is stored first. "}
    return paragraph(
        "Sub-byte weights are packed. Working bytes are what a layer holds at once while it runs; "
        "their maximum is the RAM. ",
        inputs.get(storage.get("streaming"), ""),
        f"One input takes {numbers.count(storage.get('mult_adds'))} multiply-adds.",
    )


def _columns(rows: list[dict]) -> list[Column]:
    optional = [
        Column("kind", lambda row: "" if row.get("name") == row.get("kind") else row.get("kind") or "", "text"),
        Column("order", lambda row: row.get("order") or "", "text"),
        Column("input", lambda row: _shape(row.get("input_shape"))),
        Column("output", lambda row: _shape(row.get("output_shape"))),
    ]
    known = [column for column in optional if any(map(column.cell, rows))]
    return [Column("layer", lambda row: row["title"], "text"), *known, *_counts(rows)]


def _counts(rows: list[dict]) -> list[Column]:
    peak = max(filter(numbers.is_number, (row.get("working_bytes") for row in rows)), default=None)

    def is_peak(row: dict) -> bool:
        return bool(peak) and "is_total" not in row and row.get("working_bytes") == peak

    return [
        Column("parameters", lambda row: numbers.count(row.get("parameters"))),
        Column("weight bytes", lambda row: numbers.size(row.get("weight_bytes"))),
        Column("working bytes", lambda row: numbers.size(row.get("working_bytes")), warns=is_peak),
        Column("multiply-adds", lambda row: numbers.count(row.get("mult_adds"))),
    ]


def _shape(shape: list[int] | None) -> str:
    return " × ".join(map(str, shape)) if shape else ""


MOST_BARS = 24  # more layers than this, and only the largest are shown


def byte_bars(result: dict) -> Html:
    """Bars of weight bytes and of working bytes; the layer that needs most RAM stands out."""
    rows = [row for row in _storage_rows(result) if _weights(row) or _working(row)]
    if not rows:
        return section("Where the bytes are", paragraph(_unknown(result)))
    largest, peak = max(map(_weights, rows)), max(map(_working, rows))
    # As many rows as a reader takes in, those that weigh most, in the order of the network.
    shares = [max(_weights(row) / (largest or 1), _working(row) / (peak or 1)) for row in rows]
    ranked = sorted(range(len(rows)), key=lambda index: -shares[index])
    shown = [rows[index] for index in sorted(ranked[:MOST_BARS])]
    bars = [cell for row in shown for cell in _cells(row, largest, peak)]
    storage = result["storage"]
    weights = f"weight bytes, {numbers.size(storage.get('weight_bytes'))} in total"
    working = f"working bytes, {numbers.size(storage.get('activation_bytes'))} at most"
    heads = (tag("div", text, class_="head") for text in (weights, working))
    grid = tag("div", tag("div", "layer", class_="head name"), *heads, *bars, class_="bars")
    hidden = len(rows) - len(shown)
    smaller = f"{numbers.plural(hidden, 'smaller layer')}: see the storage table."
    first, *others = [row["title"] for row in rows if _working(row) == peak]
    alike = f" ({numbers.plural(len(others), 'other')} alike)" if others else ""
    return section(
        "Where the bytes are",
        paragraph(f"Weights add up. Activations do not: the layer that needs most at once, {first}{alike}, decides."),
        grid,
        paragraph(smaller) if hidden else Html(),
    )


def _bytes(row: dict, key: str) -> float:
    return row[key] if numbers.is_number(row.get(key)) else 0


_weights, _working = partial(_bytes, key="weight_bytes"), partial(_bytes, key="working_bytes")


def _cells(row: dict, largest: float, peak: float) -> list[Html]:
    is_peak = 0 < _working(row) == peak
    return [
        tag("div", row["title"], class_="name"),
        _bar(_weights(row), largest, "bar"),
        _bar(_working(row), peak, "bar peak" if is_peak else "bar"),
    ]


def _bar(value: float, largest: float, class_: str) -> Html:
    filled = tag("i", style=f"width: {100 * value / largest:.1f}%") if value else ""
    track = tag("div", filled, class_="track")
    return tag("div", track, tag("em", numbers.size(value)), class_=class_)
