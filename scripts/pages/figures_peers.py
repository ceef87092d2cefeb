"""Tables of figures: quantized layers beside other packages, and pricing beside building."""

from measuring.results import ROOT, figures, record
from pages.conditions import data_name
from pages.tables import Table, mean_and_sd

SIDES = {
    "ours": "ours, a scale a tensor",
    "ours_per_channel": "ours, a scale for each filter",
    "hgq2": "HGQ2, fixed widths",
    "hgq2_learned": "HGQ2, a learned width for each weight",
    "qkeras": "QKeras (qkeras-v3), power-of-two scales",
    "qkeras_float_scales": "QKeras (qkeras-v3), float scales",
    "tfmot": "tfmot, float scales",
}
TRAINED = {"mnist": "The study's network on MNIST", "resnet8": f"ResNet-8 on {data_name('CIFAR-10')}"}


def peer_tables():
    if (ROOT / "results/compare_qat.json").exists():
        measured = figures("compare_qat")
        yield from (qat_table(network, found, measured["runs"]) for network, found in measured["summary"].items())
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


def qat_table(network, found, runs):
    """Test accuracies after quantization-aware training, a side a line, a width a column."""
    failed, floating = found["failed"], found["32"]["float"]["test"]
    widths = sorted((key for key in found if key.isdigit() and key != "32"), key=int)
    rows = [
        [label, *(qat_cell(found[width].get(side), failed.get(side, "not run")) for width in widths)]
        for side, label in SIDES.items()
    ]
    rates = sorted(
        {name.rpartition("/")[2] for name in runs if name.startswith(f"{network}/float/")} - {"test", "time"}
    )
    lengths = next(run["settings"] for name, run in runs.items() if name.startswith(f"{network}/ours/"))
    title = (
        f"{TRAINED[network]}: all sides train on from the same float weights, for {lengths['epochs']} epochs of "
        f"{lengths['images']:,} images, with the same batches, rate {rates} (of several the best by validation); "
        f"weights and maps of so many bits. Test accuracy in %, mean ± sd of {len(floating['each'])} seeds, and the "
        f"bytes of the weights; in float, trained as long: {mean_and_sd(floating)}"
    )
    return Table(title, "compare_qat.py", ["", *(f"{width} bits" for width in widths)], rows)


def qat_cell(row, reason):
    return f"{mean_and_sd(row['test'])}, {row['weight_bytes']:,.0f} B" if row else reason


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
