"""The quantizers of the chosen network: saturated codes and parked scales."""

from typing import Any

from keras_efficient.report import numbers
from keras_efficient.report.markup import Column, Html, paragraph, section, table

SATURATED = 0.25  # more codes than this at the ends of their range are worth a look


def is_saturated(row: dict) -> bool:
    """Are so many codes at the ends of their range that a larger scale may serve better?"""
    return numbers.is_number(row.get("saturated")) and row["saturated"] > SATURATED


def is_parked(row: dict) -> bool:
    """Is the scale where the next rounding can double or halve it, as measured by `diagnose`?"""
    return row.get("parked") is True


def diagnostics(result: dict) -> Html:
    """A row for each quantized tensor, what deserves attention highlighted.

    Nothing for a network without quantizers.
    """
    rows = result.get("diagnostics") or []
    if not rows:
        return Html()
    return section("Quantizers", _parking(rows), _saturation(rows), table(_columns(), rows))


def _parking(rows: list[dict]) -> Html:
    return paragraph(
        f"Parked: {sum(map(is_parked, rows))} of {numbers.plural(len(rows), 'scale')}. "
        "The log2 of a parked scale is within 0.02 of n + ½, so training wavers between two powers "
        "of two, and a last small step can double or halve it; train on with frozen scales before "
        "trusting the network."
    )


def _saturation(rows: list[dict]) -> Html:
    return paragraph(
        f"Saturated: {sum(map(is_saturated, rows))} of {numbers.plural(len(rows), 'tensor')} with "
        f"more than {numbers.percent(SATURATED, 0)} of the codes at the ends of their range. "
        "Many of them mean that the scale clips; some are the price of finer steps."
    )


def _columns() -> list[Column]:
    return [
        Column("layer", lambda row: row.get("layer") or numbers.DASH, "text"),
        Column("tensor", lambda row: row.get("tensor") or numbers.DASH, "text"),
        Column("bits", _bits),
        Column("log2 scale", lambda row: numbers.signed(row.get("log2_scale"), 4), warns=is_parked),
        Column("rounded", lambda row: numbers.signed(row.get("exponent"), 0)),
        Column("parked", lambda row: "yes" if is_parked(row) else "", "text"),
        Column("saturated", lambda row: numbers.percent(row.get("saturated"), 1), warns=is_saturated),
        Column("zeros", lambda row: numbers.percent(row.get("zeros"), 1)),
        Column("codes used", _codes),
    ]


def _bits(row: dict) -> str:
    signs: dict[Any, str] = {True: " signed", False: " unsigned"}
    sign = signs.get(row.get("signed"), "")
    return f"{numbers.count(row.get('bits'))}{sign}"


def _codes(row: dict) -> str:
    return f"{numbers.count(row.get('used_codes'))} of {numbers.count(row.get('possible_codes'))}"
