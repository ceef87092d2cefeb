"""Write the figures in the pages of docs/ from results/*.json: all between `<!-- figures: NAME -->` and its end.

python scripts/docs_tables.py           # writes the pages
python scripts/docs_tables.py --check   # exit code 1 where a page is not up to date
"""

import argparse
import re

from measuring.results import ROOT, figures
from pages.conditions import arena_sentence, demo_picture
from pages.figures_compact import ratios
from pages.firmware_tables import BLOCKS as FIRMWARE
from pages.layer_tables import BLOCKS as LAYERS
from pages.tables import accuracy, filled, markdown_table, write_or_check

SIZES = ("1024", "4096", "8192")
KRONECKER = {
    "low_rank_8": "`LowRankDense(rank=8)`",
    "lphm_rank_8": "`LPHMDense(rank=8)`",
    "dual_lphm_rank_8": "`DualLPHMDense(rank=8)`",
    "phm_8_terms": "`PHMDense(terms=8)`",
    "monarch": "`MonarchDense`, 32 to 64 blocks",
}
ACDC = {"dct2d": '`ACDC(transform="dct2d")`', "stack_dct2d": '`ACDCDense(depth=12, transform="dct2d")`'}


def forms_table():
    """The same network with its large layer in many forms, largest first."""
    forms = sorted(figures("choosing_a_layer")["forms"].items(), key=lambda item: -item[1]["bytes"])
    rows = [
        [name, f"{form['bytes']:,.0f}", f"{form['forward_time']:.1f}", *map(accuracy, _accuracies(form))]
        for name, form in forms
    ]
    return markdown_table(["the layer", "bytes", "forward time", "validation accuracy", "test accuracy"], rows, "--:")


def _accuracies(form):
    return form["validation_accuracy"], form["test_accuracy"]


def sizes_table():
    """How many times faster than Dense layers are, by size."""
    kronecker, acdc = figures("benchmark_kronecker")["sizes"], figures("benchmark_acdc_tensorflow")
    rows = [
        [name, *(f"{kronecker[size][side]['forward']['times_faster']:.1f}" for size in SIZES)]
        for side, name in KRONECKER.items()
        if side in kronecker[SIZES[0]]  # a layer that is newer than the record has no row yet
    ]
    for side, name in ACDC.items():
        times = [acdc[f"forward_{size}_batch_128"][side]["times_dense"] for size in SIZES]
        rows.append([name, *(f"{time:.1f}" for time in times)])
    return markdown_table(["inputs and outputs", *(f"{int(size):,}" for size in SIZES)], rows, "--:")


def tour_total():
    """What the tour took."""
    tour = figures("tour")
    first, *others = tour["steps"]
    rest = sum(step["seconds"] for step in others)
    return (
        f"Measured in a fresh clone, on a machine with other work: {tour['seconds'] / 60:.0f} minutes in all, "
        f"{tour['processor_seconds'] / 60:.0f} of them on a processor. `make demo`, which downloads and installs "
        f"TensorFlow, took {first['seconds'] / 60:.1f}, the other commands {rest / 60:.1f}."
    )


def tour_output(number):
    """What the command of this number printed."""
    return "\n".join(["```text", *figures("tour")["steps"][number - 1]["output"], "```"])


def block(name):
    """The figures of a name."""
    if output := re.fullmatch(r"tour output (\d+)", name):
        return tour_output(int(output[1]))
    makers = {
        "forms of a layer": forms_table,
        "sizes of a layer": sizes_table,
        "compact layers in C": ratios,
        "tour total": tour_total,
        "arena of random networks": arena_sentence,
        "picture of the demo": lambda: demo_picture("report.png"),
        **FIRMWARE,
        **LAYERS,
    }
    return makers[name]()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only say whether the pages are up to date")
    check = parser.parse_args().check
    for path in sorted((ROOT / "docs").glob("*.md")):
        page = filled(path.read_text(encoding="utf-8"), block)
        write_or_check(path, page, check, "python scripts/docs_tables.py")


if __name__ == "__main__":
    main()
