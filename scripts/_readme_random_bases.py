"""The rows of the README's table about random bases; see readme_tables.py."""

from _results import ROOT, figures


def random_basis_rows():
    """The figures of random bases: those whose results are there."""
    makers = {
        "random_bases_table": table_rows,
        "random_bases_small": lambda: [small_row()],
        "random_bases_bytes_fc": lambda: [bytes_row()],
        "benchmark_random_bases_tensorflow": lambda: [speed_row()],
        "random_bases_workers": lambda: [workers_row()],
    }
    for name, make in makers.items():
        if (ROOT / "results" / f"{name}.json").exists():
            yield from make()


def table_rows():
    """Table 1 of the random-bases paper, as far as it was run."""
    groups = {}
    for cell in figures("random_bases_table")["cells"]:
        groups.setdefault((cell["row"], cell["augment"], cell["epochs"]), []).append(cell)
    for (row, augment, epochs), cells in groups.items():
        seeds = len(cells[0]["seeds"])
        yield (
            f"{row}{', augmented' * augment}, {epochs} epochs, {seeds} seed{'s' * (seeds > 1)}, d = 250 if not "
            "said: validation accuracy in % by method; sgd_matched is plain SGD at RBD's rate times d / D",
            ", ".join(cell_text(cell) for cell in cells),
            "random_bases_table.py",
        )


def cell_text(cell):
    """The method, our accuracy, and what is published for 100 epochs."""
    published, own = cell["published_validation"], cell["validation"]
    said = f" (published {published['mean']:g} ± {published['sd']:g})" if published and cell["epochs"] == 100 else ""
    size = f", d = {cell['dimensions']}" if cell["dimensions"] not in (0, 250) else ""
    spread = f" ± {own['sd']:.2f}" if len(cell["seeds"]) > 1 else ""
    return f"{cell['method']}{size} {own['mean']:.2f}{spread}{said}"


def small_row():
    """A network of coordinates."""
    found = figures("random_bases_small")
    test = found["test"]
    return (
        f"MNIST in fixed random bases, {found['stored_bytes']:,} stored bytes in all: test accuracy, mean ± standard "
        f"deviation of {len(test['each'])} seeds",
        f"{test['mean']:.2%} ± {100 * test['sd']:.2f}",
        "random_bases_bytes.py",
    )


def bytes_row():
    """Accuracy against bytes."""
    rows = figures("random_bases_bytes_fc")["rows"]
    cells = (
        f"{row['coordinates']:,} {'float' if row['bits'] is None else 'int' + str(row['bits'])} "
        f"{row['stored_bytes']:,} bytes {row['validation']['mean']:.1%}"
        for row in rows
    )
    seeds = len(rows[0]["validation"]["each"])
    return (
        f"FC-MNIST in a fixed basis, {rows[0]['epochs']} epochs, {seeds} seeds: coordinates, their width, stored "
        "bytes in all, validation accuracy",
        ", ".join(cells),
        "random_bases_bytes.py",
    )


def speed_row():
    """A step inside fit."""
    found = [figures(f"benchmark_random_bases_{name}") for name in ("tensorflow", "jax")]
    steps = ", ".join(f"{each['rbd']['times_sgd']:.2f}" for each in found)
    gaussian = ", ".join(f"{each['gaussian_basis_twice']['times_rbd']:,.0f}" for each in found)
    return (
        "A step of `fit` with `RandomBases` (a new basis each step) as a multiple of one with SGD, FC-MNIST, d = 250, "
        "TensorFlow, JAX; times faster than drawing a Gaussian basis twice",
        f"{steps}; {gaussian}",
        "benchmark_random_bases.py",
    )


def workers_row():
    """Bytes between processes."""
    ways = figures("random_bases_workers")["ways"]
    return (
        "Two processes that exchange coordinates (shared basis, independent bases): times fewer bytes a step than the "
        "full gradient",
        ", ".join(f"{ways[way]['times_fewer_bytes']:.0f}" for way in ("shared", "independent")),
        "random_bases_workers.py",
    )
