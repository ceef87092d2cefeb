"""Draw the pictures of docs/figures.md from results/*.json, into docs/pictures/figures/.

The same numbers give the same bytes with the same Matplotlib.

    python scripts/draw_figures.py [NAME ...]
"""

import argparse

import matplotlib.pyplot as plt

from measuring.results import ROOT, figures
from pages.figures_training import BITNETMCU, ours_by_weights

PICTURES = ROOT / "docs" / "pictures" / "figures"
WIDTHS = {None: "float", 8: "int8", 4: "int4"}


def search(axis):
    """Accuracy against bytes, and what is better than all that is smaller."""
    found = figures("search")["search"]
    size, _, accuracy, *_ = zip(*found["candidates"], strict=True)
    axis.plot(size, [100 * value for value in accuracy], ".", color="silver", label="drawn and trained shortly")
    front = sorted(found["front"], key=lambda each: each["total_bytes"])
    places, best = [each["total_bytes"] for each in front], [100 * each["val_accuracy"] for each in front]
    axis.step(places, best, "C0-", where="post")
    axis.errorbar(places, best, [100 * each["spread"] for each in front], fmt="C0o", markersize=4, label="the front")
    study = found["references"][0]
    axis.plot(study["total_bytes"], 100 * study["val_accuracy"], "k*", markersize=11, label="the study's network")
    byte_axis(axis, (250, 500, 1_000, 2_000), "bytes of weights and maps")
    axis.set_ylim(75, 100)


def mnist_weights(axis):
    """Test accuracy against bytes of weights, beside a peer's."""
    sides = {"keras_efficient": [(size, accuracy) for _, size, _, accuracy, _ in ours_by_weights()]}
    sides |= {"BitNetMCU, published": list(BITNETMCU.values())}
    for label, points in sides.items():
        size, accuracy = zip(*sorted(points), strict=True)
        axis.plot(size, [100 * value for value in accuracy], "o-", label=label)
    byte_axis(axis, (700, 1_500, 3_000, 6_000, 12_000), "bytes of weights")
    axis.set(ylabel="test accuracy in %")


def random_bases_bytes_fc(axis):
    """Accuracy against stored bytes, by width of the coordinates."""
    rows = figures("random_bases_bytes_fc")["rows"]
    for bits, label in WIDTHS.items():
        mine = [row for row in rows if row["bits"] == bits]
        accuracy = [100 * row["validation"]["mean"] for row in mine]
        axis.plot([row["stored_bytes"] for row in mine], accuracy, "o-", label=label)
    byte_axis(axis, (300, 1_000, 3_000, 10_000), "stored bytes in all")


def byte_axis(axis, ticks, label):
    """Bytes on a logarithmic axis, accuracy on the other."""
    axis.set(xscale="log", xlabel=label, ylabel="validation accuracy in %")
    axis.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axis.minorticks_off()


def random_bases_table(axis):
    """Ours against the paper's, and the control."""
    methods = {"fpd": "FPD", "rbd": "RBD", "sgd_matched": "SGD at RBD's\nrate x d / D", "sgd": "SGD"}
    cells = [
        cell for cell in figures("random_bases_table")["cells"] if cell["epochs"] == 100 and cell["row"] == "fc-mnist"
    ]
    cells = sorted(cells, key=lambda cell: len(cell["seeds"]))  # of two, the one of more seeds
    found = {cell["method"]: cell for cell in cells if cell["dimensions"] in (0, 250)}
    for place, method in enumerate(methods):
        cell = found[method]
        for side, color, shift in (("validation", "C0", -0.08), ("published_validation", "C1", 0.08)):
            if cell[side]:
                axis.errorbar(place + shift, cell[side]["mean"], cell[side]["sd"], fmt="o", color=color, capsize=3)
    axis.plot([], "o", color="C0", label="here, 3 seeds")
    axis.plot([], "o", color="C1", label="published")
    axis.set(ylabel="validation accuracy in %")
    axis.set_xticks(range(len(methods)), methods.values())


def pruning_fashion_mnist_sparsities(axis):
    """Differences to unpruned training of equal budget."""
    found = figures("pruning_fashion_mnist_sparsities")
    found = {title: each for title, each in found.items() if title != "training"}
    sparsities = [float(title.split()[1]) for title in found]
    for variant in ("one-shot", "one-shot, trained on", "lottery ticket", "dynamic"):
        rows = [next(row for row in each["rows"] if row["variant"] == variant) for each in found.values()]
        against = [row[[key for key in row if key.startswith("against")][-1]] for row in rows]
        errors = [each["standard_error"] for each in against]
        axis.errorbar(sparsities, [each["mean"] for each in against], errors, fmt="o-", capsize=3, label=variant)
    axis.axhline(0, color="black", linewidth=0.8)
    axis.set(xlabel="sparsity", ylabel="test loss against unpruned\ntraining of equal budget (lower is better)")


def pruned_firmware(axis):
    """Bytes and cycles of sparse weights against dense ones."""
    networks = figures("pruned_firmware")["networks"]
    zeros = [100 * network["sparsity"] for network in networks]
    axis.plot(zeros, [network["weights_ratio"] for network in networks], "o-", label="bytes of weights")
    cycles = [network["sparse"]["mean_cycles"] / network["dense"]["mean_cycles"] for network in networks]
    axis.plot(zeros, cycles, "s-", label="cycles")
    axis.axhline(1, color="black", linewidth=0.8)
    axis.set(yscale="log", xlabel="zeros in %", ylabel="times the dense export's")
    axis.set_yticks([0.25, 0.5, 1, 2, 4, 8], ["0.25", "0.5", "1", "2", "4", "8"])
    axis.minorticks_off()


def benchmark_kronecker(axis):
    """Times faster than Dense, by size."""
    sizes = figures("benchmark_kronecker")["sizes"]
    labels = {"phm_8_terms": "PHM, 8 terms", "low_rank_8": "low rank, 8", "lphm_rank_8": "LPHM, rank 8"}
    labels |= {"dual_lphm_rank_8": "dual LPHM, rank 8", "monarch": "Monarch, √n blocks"}
    for name, label in labels.items():
        if not all(name in sides for sides in sizes.values()):
            continue  # newer than the record
        times = [sides[name]["forward_backward"]["times_faster"] for sides in sizes.values()]
        axis.plot([int(size) for size in sizes], times, "o-", label=label)
    acdc = figures("benchmark_acdc_tensorflow")
    keys = {size: f"gradients_{size}_batch_128" for size in (1024, 2048, 4096, 8192)}
    times = [acdc[key]["dct2d"]["times_dense"] for key in keys.values()]
    axis.plot(list(keys), times, "s--", label="one ACDC (dct2d), batch 128")
    axis.set(xscale="log", yscale="log", xlabel="inputs and outputs", ylabel="times faster than Dense")
    axis.set_xticks([int(size) for size in sizes], sizes)
    axis.set_yticks([1, 3, 10, 30, 100], ["1", "3", "10", "30", "100"])
    axis.minorticks_off()


DRAWN = (
    mnist_weights,
    search,
    random_bases_bytes_fc,
    random_bases_table,
    pruning_fashion_mnist_sparsities,
    pruned_firmware,
    benchmark_kronecker,
)


def draw(picture):
    """docs/pictures/figures/NAME.svg."""
    name = picture.__name__
    settings = {"svg.hashsalt": name, "svg.fonttype": "none", "axes.spines.top": False, "axes.spines.right": False}
    with plt.rc_context({**settings, "font.size": 9}):
        figure, axis = plt.subplots(figsize=(6, 3.4), layout="constrained")
        picture(axis)
        axis.legend(frameon=False)
        figure.savefig(PICTURES / f"{name}.svg", metadata={"Date": None})
        plt.close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = {picture.__name__: picture for picture in DRAWN}
    parser.add_argument("names", nargs="*", help=f"of {', '.join(known)}; without, all")
    names = parser.parse_args().names or list(known)
    if unknown := set(names) - known.keys():
        parser.error(f"names must be of {', '.join(known)}. Received: {', '.join(unknown)}")
    PICTURES.mkdir(parents=True, exist_ok=True)
    for name in names:
        draw(known[name])


if __name__ == "__main__":
    main()
