"""The quantizers of the chosen network: saturated codes, parked scales, and what training did to the scales."""

from typing import Any

from keras_efficient.markup import Column, Html, paragraph, section, table
from keras_efficient.report import numbers
from keras_efficient.report.result import chosen_trial, named_stages

_SCALE_NAMES = [
    Column("layer", lambda row: row["name"][0], "text"),
    Column("scale", lambda row: row["name"][1], "text"),
]
SATURATED = 0.25  # more codes than this at the ends of their range are worth a look


def _is_saturated(row: dict) -> bool:
    """Are so many codes at the ends of their range that a larger scale may serve better?"""
    return numbers.is_number(row.get("saturated")) and row["saturated"] > SATURATED


def _is_parked(row: dict) -> bool:
    """Is the scale where the next rounding can double or halve it, as measured by `diagnose`?"""
    return row.get("parked") is True


def diagnostics(result: dict) -> Html:
    """A row for each quantized tensor, what deserves attention highlighted.

    Nothing for a network without quantizers.
    """
    rows = result.get("diagnostics") or []
    if not rows:
        return Html()
    return section(
        "Quantizers",
        paragraph(
            f"Parked: {sum(map(_is_parked, rows))} of {numbers.plural(len(rows), 'scale')}. "
            "The log2 of a parked scale is within 0.02 of n + ½, so training wavers between two powers "
            "of two, and a last small step can double or halve it; train on with frozen scales before "
            "trusting the network."
        ),
        paragraph(
            f"Saturated: {sum(map(_is_saturated, rows))} of {numbers.plural(len(rows), 'tensor')} with "
            f"more than {numbers.percent(SATURATED, 0)} of the codes at the ends of their range. "
            "Many of them mean that the scale clips; some are the price of finer steps."
        ),
        table(_columns(), rows),
    )


def _columns() -> list[Column]:
    return [
        Column("layer", lambda row: row.get("layer") or numbers.DASH, "text"),
        Column("tensor", lambda row: row.get("tensor") or numbers.DASH, "text"),
        Column("bits", _bits),
        Column("log2 scale", lambda row: numbers.signed(row.get("log2_scale"), 4), warns=_is_parked),
        Column("rounded", lambda row: numbers.signed(row.get("exponent"), 0)),
        Column("parked", lambda row: "yes" if _is_parked(row) else "", "text"),
        Column("saturated", lambda row: numbers.percent(row.get("saturated"), 1), warns=_is_saturated),
        Column("zeros", lambda row: numbers.percent(row.get("zeros"), 1)),
        Column(
            "codes used",
            lambda row: f"{numbers.count(row.get('used_codes'))} of {numbers.count(row.get('possible_codes'))}",
        ),
    ]


def _bits(row: dict) -> str:
    signs: dict[Any, str] = {True: " signed", False: " unsigned"}
    sign = signs.get(row.get("signed"), "")
    return f"{numbers.count(row.get('bits'))}{sign}"


def scale_paths(result: dict) -> Html:
    """A row for each scale of the chosen trials. Nothing when no stage had scales."""
    named = [(name, _scales(stage)) for name, stage in named_stages(result)]
    stages = [(name, scales) for name, scales in named if scales]
    if not stages:
        return Html()
    explanation = paragraph(
        "log2 of the scales in the chosen trials: after calibration (start), and after training "
        "(end). Frozen scales do not move."
    )
    columns = [column for index, (name, _) in enumerate(stages) for column in _pair(index, name)]
    names = dict.fromkeys(name for _, scales in stages for name in scales)  # a set keeps no order
    rows = [{"name": name, "stages": [scales.get(name, {}) for _, scales in stages]} for name in names]
    return section("Scales", explanation, table([*_SCALE_NAMES, *columns], rows))


def _scales(stage: dict) -> dict[tuple[str, str], dict]:
    scales = (chosen_trial(stage) or {}).get("scales") or []
    return {(str(scale.get("layer")), str(scale.get("weight"))): scale for scale in scales}


def _pair(index: int, name: str) -> list[Column]:
    stage = name.partition(":")[0].lower()
    return [
        Column(f"{stage} start", lambda row: numbers.signed(row["stages"][index].get("start"), 4)),
        Column(f"{stage} end", lambda row: numbers.signed(row["stages"][index].get("end"), 4)),
    ]
