"""Tables of figures: random bases."""

from measuring.results import figures
from pages.conditions import data_name
from pages.tables import Table, mean_and_sd

METHODS = {"nes": "NES", "fpd": "FPD", "rbd": "RBD", "sgd_matched": "SGD, matched", "sgd": "SGD"}


def random_basis_tables():
    yield published_table()
    yield search_table()
    yield sweep_table()
    yield bytes_table()
    yield speed_table()
    yield workers_table()


def published_table():
    """Table 1 of the paper, as far as it was run."""
    rows = [
        [
            data_name(row),
            str(epochs),
            str(seeds),
            "yes" if augment else "no",
            *(texts.get(method, "") for method in METHODS),
        ]
        for (row, epochs, seeds, augment), texts in grouped().items()
    ]
    title = (
        "Validation accuracy in % (published for 100 epochs in parentheses), d = 250 if not said; matched is plain SGD "
        "at RBD's learning rate times d / D"
    )
    headings = ["network and data", "epochs", "seeds", "augmented", *METHODS.values()]
    return Table(title, "random_bases_table.py", headings, rows, "random_bases_table")


def search_table():
    """The rates around the source's, smallest first."""
    tried = {}
    for row in figures("random_bases_table")["rate_search"]:
        key = (row["row"], row["method"], row["epochs"])
        tried.setdefault(key, []).append((row["learning_rate"], row["validation"]))
    rows = [
        [name, METHODS[method], str(epochs), "; ".join(f"{rate:g}: {value:.2f}" for rate, value in sorted(values))]
        for (name, method, epochs), values in tried.items()
    ]
    title = "Learning rates of half, once and twice the source's: validation accuracy in %, one seed"
    headings = ["network and data", "method", "epochs", "rate: accuracy"]
    return Table(title, "random_bases_table.py --search=-1,0,1", headings, rows)


def grouped():
    """The texts of the cells by network, epochs, seeds and augmentation, then method."""
    groups = {}
    for cell in figures("random_bases_table")["cells"]:
        if cell["dimensions"] in SWEPT:
            continue
        key = (cell["row"], cell["epochs"], len(cell["seeds"]), cell["augment"])
        texts = groups.setdefault(key, {})
        texts[cell["method"]] = "; ".join(filter(None, [texts.get(cell["method"]), text(cell)]))
    return dict(sorted(groups.items(), key=lambda item: (item[0][0], -item[0][1], item[0][3])))


SWEPT = {d for d in range(50, 501, 50) if d != 250}


def text(cell):
    """Our accuracy, and what is published for 100 epochs."""
    published = cell["published_validation"] if cell["epochs"] == 100 else None
    said = f" ({published['mean']:g} ± {published['sd']:g})" if published else ""
    size = f", d = {cell['dimensions']}" if cell["dimensions"] not in {0, 250} | SWEPT else ""
    return f"{mean_and_sd(cell['validation'], percent=False)}{size}{other_rate(cell)}{said}"


def other_rate(cell):
    """How a control's learning rate differs from that of the control with the most seeds."""
    alike = ("row", "method", "augment", "epochs")
    cells = figures("random_bases_table")["cells"]
    same = [each for each in cells if all(each[key] == cell[key] for key in alike)]
    times = cell["learning_rate"] / max(same, key=lambda each: len(each["seeds"]))["learning_rate"]
    return f", {times:g} times that rate" if cell["method"] == "sgd_matched" and times != 1 else ""


def sweep_table():
    """Accuracy against d."""
    cells = [cell for cell in figures("random_bases_table")["cells"] if cell["row"] == "cnn-fashion_mnist"]
    swept = {cell["epochs"] for cell in cells if cell["dimensions"] in SWEPT}
    cells = [cell for cell in cells if cell["epochs"] in swept and cell["method"] in ("rbd", "fpd")]
    found = {(cell["epochs"], cell["dimensions"], cell["method"]): text(cell) for cell in cells}
    rows = [
        [str(d), str(epochs), *(found.get((epochs, d, method), "") for method in ("fpd", "rbd"))]
        for epochs, d in sorted({key[:2] for key in found})
    ]
    title = "CNN on Fashion-MNIST by the number of directions d, one seed: validation accuracy in %"
    return Table(title, "random_bases_table.py --sweep", ["d", "epochs", "FPD", "RBD"], rows)


def bytes_table():
    found = figures("random_bases_bytes_fc")["rows"]
    widths = {None: "float", 8: "int8", 4: "int4"}
    rows = []
    for coordinates in dict.fromkeys(row["coordinates"] for row in found):
        each = {row["bits"]: row for row in found if row["coordinates"] == coordinates}
        cells = (f"{row['validation']['mean']:.1%} in {row['stored_bytes']:,}" for row in map(each.get, widths))
        rows.append([f"{coordinates:,}", *cells])
    small = figures("random_bases_small")
    title = (
        f"FC-MNIST in a fixed basis, {found[0]['epochs']} epochs, {len(found[0]['validation']['each'])} seeds: "
        f"validation accuracy in so many stored bytes; a network chosen and trained longer reaches "
        f"{mean_and_sd(small['test'])} % of the test images in {small['stored_bytes']:,} bytes (3 seeds), and "
        f"{mean_and_sd(small['quantized']['test'])} % quantized, in {small['firmware']['weight_bytes']:,} bytes of C"
    )
    return Table(title, "random_bases_bytes.py", ["coordinates", *widths.values()], rows, "random_bases_bytes_fc")


def speed_table():
    sides = {
        name: figures(f"benchmark_random_bases_{key}") for name, key in (("TensorFlow", "tensorflow"), ("JAX", "jax"))
    }
    labels = {
        "rbd": "RBD, a new basis each step",
        "fpd": "FPD, one basis",
        "fpd_adam": "FPD, Adam in the coordinates",
        "rbd_srht": "RBD, SRHT basis",
        "gaussian_basis_twice": "drawing a Gaussian basis twice",
    }
    rows = [
        [label, *(f"{found[name]['times_sgd']:,.2f}" for found in sides.values())] for name, label in labels.items()
    ]
    title = "A step of `fit`, FC-MNIST, batch 32, d = 250, XLA: as a multiple of one of plain SGD"
    return Table(title, "benchmark_random_bases.py", ["step", *sides], rows)


def workers_table():
    ways = figures("random_bases_workers")["ways"]
    rows = [
        [way, f"{ways[way]['loopback_bytes_per_step']:,.0f}", f"{ways[way].get('times_fewer_bytes', 1):.0f}"]
        for way in ("full", "shared", "independent")
    ]
    title = "Two processes that train together: bytes per step on the wire, of full gradients and of coordinates"
    return Table(title, "random_bases_workers.py", ["what travels", "bytes per step", "times fewer"], rows)
