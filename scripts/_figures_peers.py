"""Tables of figures: quantized layers beside other packages, and pricing beside building."""

import json

from _results import ROOT
from _tables import Table


def peer_tables():
    found = json.loads((ROOT / "results" / "benchmarks.json").read_text(encoding="utf-8"))
    yield ratio_table(
        [row for row in found if row["subject"].startswith("The study's network")],
        "The study's network in our quantized layers, against the same in plain Keras layers and in other packages: the "
        "other side's time as a multiple of ours (1 is equal, below 1 the other side is faster), `fit` and `predict` as "
        "they come, one core, median and range of the rounds. HGQ2 has a bit width for each weight (or for each tensor); "
        "tfmot rounds to 8 bits in Keras 2",
    )
    yield ratio_table(
        [row for row in found if row["script"].endswith("benchmark_storage.py")],
        "Pricing networks, against building the Keras model and `count_params`: how many times faster",
    )


def ratio_table(rows, title):
    """The ratios of one subject or several, a line each."""
    script = rows[0]["script"].removeprefix("scripts/")
    lines = [
        [
            f"{row['case']}{batch(row)}",
            row["backend"],
            f"{row['ratio']:,.2f} ({span(row)})" if row["ratio"] else row["reason"],
        ]
        for row in rows
    ]
    return Table(title, script, ["against", "backend", "times"], lines)


def batch(row):
    """The batch, where the subject names one."""
    return f", {row['subject'].rpartition(', ')[2]}" if "batch" in row["subject"] else ""


def span(row):
    return " to ".join(f"{value:,.2f}" for value in row["range"])
