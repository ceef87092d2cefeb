"""The table of all records of `random_bases_table.py`."""

import json
import statistics
from pathlib import Path

from measuring.results import earlier_figures, write_results
from measuring.trainings import spread


def summarize(out, published, quick):
    """Write results/random_bases_table.json from the records in the folder, beside the cells that it has and the folder
    has not; the table as text."""
    records = [json.loads(path.read_text()) for path in sorted(Path(out).glob("*.json"))]
    finals = [r for r in records if r["settings"]["test"] and r["settings"]["quick"] == quick]
    groups = {}
    for record in finals:
        groups.setdefault(cell_of(record["settings"]), []).append(record)
    earlier = earlier_figures("random_bases_table", quick) or {"cells": [], "rate_search": []}
    cells = joined(earlier["cells"], [figures(dict(cell), members, published) for cell, members in groups.items()])
    add_ratios(cells)
    cells.sort(key=lambda cell: (cell["row"], cell["augment"], cell["epochs"], cell["method"], cell["dimensions"]))
    seeds = sorted({seed for cell in cells for seed in cell["seeds"]})
    searched = [r for r in records if not r["settings"]["test"] and r["settings"]["quick"] == quick]
    found = {"cells": cells, "rate_search": joined(earlier["rate_search"], list(map(attempt, searched)))}
    write_results("random_bases_table", found, seeds=seeds, quick=quick, continued=True)
    return "\n".join(map(line, cells))


def joined(earlier, new):
    """Rows of two calls, in order; of the same settings the new one."""
    keys = ("row", "method", "epochs", "dimensions", "learning_rate", "augment", "seed")
    rows = {tuple(row.get(key) for key in keys): row for row in (*earlier, *new)}
    return [rows[key] for key in sorted(rows, key=str)]


def attempt(record):
    """A learning rate that was tried, and its validation accuracy in per cent; the test images were not looked at."""
    settings = record["settings"]
    return {
        "row": f"{settings['network']}-{settings['dataset']}",
        **{key: settings[key] for key in ("method", "epochs", "dimensions", "learning_rate", "augment", "seed")},
        "validation": 100 * record["validation"][-1],
    }


def cell_of(settings):
    """All settings but the seed."""
    return tuple((name, value) for name, value in settings.items() if name not in ("seed", "test", "quick"))


def figures(cell, members, published):
    """One cell: mean and standard deviation over the seeds, in per cent."""
    validation = [100 * record["validation"][-1] for record in members]
    test = [100 * record["test_accuracy"] for record in members]
    row = f"{cell.pop('network')}-{cell.pop('dataset')}"
    known = published[row].get(cell["method"])
    return {
        "row": row,
        **cell,
        "seeds": [record["settings"]["seed"] for record in members],
        "validation": spread(validation),
        "best_epoch_validation": statistics.mean(100 * max(record["validation"]) for record in members),
        "test": spread(test),
        "published_validation": None if known is None else dict(zip(("mean", "sd"), known, strict=True)),
        "seconds_per_epoch": statistics.median(record["seconds_per_epoch"] for record in members),
        "backend": members[0]["backend"],
    }


def add_ratios(cells):
    """Validation accuracy as a share of the best SGD's of the same row, augmentation and number of epochs."""
    for cell in cells:
        keys = ("row", "augment", "epochs")
        same = [c for c in cells if c["method"] == "sgd" and all(c[key] == cell[key] for key in keys)]
        same = [c["validation"]["mean"] for c in same]
        cell["ratio_to_sgd"] = cell["validation"]["mean"] / max(same) if same else None


def line(cell):
    """A cell as a line of text."""
    known = cell["published_validation"]
    said = f"published {known['mean']} +- {known['sd']}" if known else ""
    ratio = f"({cell['ratio_to_sgd']:.2f})" if cell["ratio_to_sgd"] else ""
    validation, test, runs = cell["validation"], cell["test"], f"{cell['epochs']} x, {len(cell['seeds'])} seeds"
    return (
        f"{cell['row']:18s} {'augmented' if cell['augment'] else 'plain':9s} {cell['method']:12s} "
        f"d={cell['dimensions']:<4d} rate {cell['learning_rate']:<9.4g} {runs}: "
        f"{validation['mean']:.2f} +- {validation['sd']:.2f} {ratio} test {test['mean']:.2f} {said}"
    )
