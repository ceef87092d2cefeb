"""Where the bytes go, as bars: weight bytes and working bytes of each layer."""

from keras_efficient.report import numbers
from keras_efficient.report.markup import Html, paragraph, section, tag
from keras_efficient.report.storage import UNKNOWN, storage_rows

MOST_BARS = 24  # more layers than this, and only the largest are shown


def byte_bars(result: dict) -> Html:
    """Bars of weight bytes and of working bytes; the layer that needs most RAM stands out."""
    rows = [row for row in storage_rows(result) if _weights(row) or _working(row)]
    if not rows:
        return section("Where the bytes are", paragraph(UNKNOWN))
    largest, peak = max(map(_weights, rows)), max(map(_working, rows))
    shown = _most_important(rows, largest, peak)
    bars = [cell for row in shown for cell in _cells(row, largest, peak)]
    grid = tag("div", *_heads(result["storage"]), *bars, class_="bars")
    return section("Where the bytes are", _explanation(rows, peak), grid, _rest(rows, shown))


def _weights(row: dict) -> float:
    return row["weight_bytes"] if numbers.is_number(row.get("weight_bytes")) else 0


def _working(row: dict) -> float:
    return row["working_bytes"] if numbers.is_number(row.get("working_bytes")) else 0


def _most_important(rows: list[dict], largest: float, peak: float) -> list[dict]:
    """As many rows as a reader takes in, those that weigh most, in the order of the network."""
    shares = [max(_weights(row) / (largest or 1), _working(row) / (peak or 1)) for row in rows]
    ranked = sorted(range(len(rows)), key=lambda index: -shares[index])
    return [rows[index] for index in sorted(ranked[:MOST_BARS])]


def _explanation(rows: list[dict], peak: float) -> Html:
    first, *others = [row["title"] for row in rows if _working(row) == peak]
    alike = f" ({numbers.plural(len(others), 'other')} alike)" if others else ""
    return paragraph(f"Weights add up. Activations do not: the layer that needs most at once, {first}{alike}, decides.")


def _rest(rows: list[dict], shown: list[dict]) -> Html:
    hidden = len(rows) - len(shown)
    smaller = f"{numbers.plural(hidden, 'smaller layer')}: see the storage table."
    return paragraph(smaller) if hidden else Html()


def _heads(storage: dict) -> list[Html]:
    weights = f"weight bytes, {numbers.size(storage.get('weight_bytes'))} in total"
    working = f"working bytes, {numbers.size(storage.get('activation_bytes'))} at most"
    name = tag("div", "layer", class_="head name")
    return [name, *(tag("div", text, class_="head") for text in (weights, working))]


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
