"""What the C of the chosen network takes, where it was exported and measured."""

import math

from keras_efficient.markup import Column, Html, paragraph, section, table
from keras_efficient.report import numbers

_ROWS = {
    "flash_bytes": "flash: code and constants",
    "weight_bytes": "weights",
    "arena_bytes": "arena, for all feature maps",
    "static_bytes": "other variables",
    "stack_bytes": "stack",
    "ram_bytes": "RAM in all",
}


def with_firmware(result: dict, report: dict) -> dict:
    """The result of a run with the figures of an export, the content of report.json, for the page.

    Raises:
        ValueError: The export is of another network: its maps take other bytes.
    """
    activations, predicted = result["best"].get("activation_bytes"), report.get("predicted_arena_bytes")
    if not numbers.is_number(activations) or math.ceil(activations) != predicted:
        raise ValueError(
            f"`--firmware` must hold the C of the run's network, whose feature maps take {numbers.size(activations)} "
            f"bytes. Received: that of one with {predicted}"
        )
    return {**result, "firmware": report}


def firmware(result: dict) -> Html:
    """The bytes of the C, and where they come from; nothing where there was no export."""
    found = result.get("firmware")
    if found is None:
        return Html("")
    measured = numbers.is_number(found.get("flash_bytes")) or numbers.is_number(found.get("stack_bytes"))
    source = (
        "measured by export --verify" if measured else "not measured yet: export --verify does (RAM allows a stack)"
    )
    rows = [{"what": what, "bytes": found.get(name)} for name, what in _ROWS.items()]
    columns = [Column("", lambda row: row["what"], "text"), Column("bytes", lambda row: numbers.size(row["bytes"]))]
    return section("Firmware", paragraph(f"C for the target {found.get('target')}, {source}."), table(columns, rows))
