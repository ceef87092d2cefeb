"""What training did to the scales: log2 before and after each quantized stage."""

from keras_efficient.report import numbers
from keras_efficient.report.markup import Column, Html, paragraph, section, table
from keras_efficient.report.result import chosen_trial, named_stages


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
    return section("Scales", explanation, table([*_names(), *columns], _rows(stages)))


def _scales(stage: dict) -> dict[tuple[str, str], dict]:
    scales = (chosen_trial(stage) or {}).get("scales") or []
    return {(str(scale.get("layer")), str(scale.get("weight"))): scale for scale in scales}


def _rows(stages: list[tuple[str, dict]]) -> list[dict]:
    names = dict.fromkeys(name for _, scales in stages for name in scales)  # a set keeps no order
    return [{"name": name, "stages": [scales.get(name, {}) for _, scales in stages]} for name in names]


def _names() -> list[Column]:
    return [
        Column("layer", lambda row: row["name"][0], "text"),
        Column("scale", lambda row: row["name"][1], "text"),
    ]


def _pair(index: int, name: str) -> list[Column]:
    stage = name.partition(":")[0].lower()
    return [
        Column(f"{stage} start", lambda row: numbers.signed(row["stages"][index].get("start"), 4)),
        Column(f"{stage} end", lambda row: numbers.signed(row["stages"][index].get("end"), 4)),
    ]
