"""Tables of figures: quantized layers beside other packages, and pricing beside building."""

from _results import record
from _tables import Table


def peer_tables():
    found = record("benchmarks")
    yield ratio_table(
        [row for row in found if row["subject"].startswith("The study's") and "batch 256" in row["subject"]],
        "The study's network in our quantized layers, against the same in plain Keras layers and in other packages "
        "(there in mode learn_scales): the other side's time as a multiple of ours (below 1 the other side is faster), "
        "`fit` and `predict` as they come, batch 256, one core, median and range of the rounds",
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
            row["case"],
            row["backend"],
            f"{row['ratio']:,.2f} ({span(row)})" if row["ratio"] else row["reason"],
        ]
        for row in rows
    ]
    return Table(title, script, ["against", "backend", "times"], lines)


def span(row):
    return " to ".join(f"{value:,.2f}" for value in row["range"])
