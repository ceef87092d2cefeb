"""Write REPRODUCTION.md: what each of the five sources claims, and what came of it here, from results/*.json.

python scripts/reproduction_page.py           # writes REPRODUCTION.md
python scripts/reproduction_page.py --check   # exit code 1 where it is not up to date
"""

import argparse
import json

from measuring.results import ROOT
from pages.conditions import JPEG
from pages.reproduction_claims import SOURCES
from pages.tables import markdown_table, write_or_check

HEAD = f"""# Reproduction

What each of the five sources claims, and what was measured here. Every figure of ours comes from a file in `results/`,
which says the command, the date, the machine, the versions and the seeds; the script is named beside it (each has
`--help`, and `--quick` for a run of minutes). Written by `scripts/reproduction_page.py`.

"Reproduced" means within the scatter that the source or our seeds show (random bases: within two standard errors of the
difference, from the standard deviations of three seeds on both sides); "not reproduced" that a real try did not
reach it; "disproved" that the measurement says otherwise. {JPEG}
"""
COLUMNS = ("claim", "there", "here", "difference", "verdict", "script")
WRONG = """## Claims of the sources that are wrong

- tinyBIG's "Kronecker" layers compute no Kronecker product: the product of the flattened factors, axes (p, q, s, t), is
  viewed as a matrix (p s, q t) without exchanging q and s. `TaylorDualLPHM(layout="tinybig" | "kronecker")` has both,
  and the tests hold golden values of both.
- Three operators of the ACDC research log go under one name, and its "12 layers" are 11, because one is dropped where
  they are multiplied together; strides are not counted either. `architecture_cost(name, "log")` gives all 24 numbers of
  its table, and `"corrected"` the true ones beside them.
- The random-bases paper explains RBD by its fresh directions. Plain SGD at RBD's learning rate times d / D, without any
  basis, does as well in the rows of 100 epochs above.
- Dynamic pruning is not the best recipe for the penguins: over 32 paired seeds it loses to the unpruned network, as it
  is written and as it was run. The published differences lie within the scatter of one initialization.
"""
MISSING = """## What was not attempted

- The ACDC log's networks at full size (WRN(40, 2), WRN(28, 10), 200 epochs of CIFAR-10), its ImageNet and DARTS parts.
- The random-bases paper's networks beyond its first table, its runs on IPUs and the sharding of a model over them;
  machinable, with which it described its experiments (studies here are YAML files).
- The flowers of the pruning study at 180 x 180 pixels and 600 epochs; CIFAR-10 trained until its recipes can be told
  apart.
"""


def page():
    """The page as Markdown."""
    parts = [HEAD]
    for title, claims in SOURCES.items():
        rows = [claim.cells() for claim in claims]
        parts.append(section(title, COLUMNS, [row for row in rows if row is not None]))
    parts.append(section("Commands", ("command", "writes", "date", "minutes"), commands()))
    return "\n".join([*parts, WRONG, MISSING])


def section(title, headings, rows):
    return "\n".join([f"## {title}", "", markdown_table(headings, rows), ""])


def commands():
    """What to type for each record, and how long it took here."""
    for path in sorted((ROOT / "results").glob("*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        if "command" in record and not path.stem.endswith("_quick"):  # benchmarks.json is made of the others
            yield [f"`{record['command']}`", f"`{path.name}`", record["date"][:10], minutes(record)]


def minutes(record):
    """Of a record: of its trainings where they are kept, else of the call that wrote it."""
    seconds = trained_seconds(record["name"], record["figures"]) or record.get("seconds", 0)
    return f"{seconds / 60:.1f}" if seconds else "not kept"


def trained_seconds(name, found):
    """What the trainings of a record took, one after the other; 0 where it is not kept."""
    if "train_minutes" in found:
        return 60 * found["train_minutes"]
    if name == "search":
        return 60 * found["search"]["minutes"]
    if name == "random_bases_table":
        return sum(cell["seconds_per_epoch"] * cell["epochs"] * len(cell["seeds"]) for cell in found["cells"])
    if name == "random_bases_small":
        return found["seconds"] * len(found["test"]["each"])
    if name.startswith("pruning_"):
        comparisons = [each for title, each in found.items() if title != "training"]
        return sum(row["seconds_per_training"] * len(each["seeds"]) for each in comparisons for row in each["rows"])
    runs = found.get("runs", [])
    runs = runs.values() if isinstance(runs, dict) else runs
    return sum(run.get("seconds", run.get("cpu_seconds", 60 * run.get("minutes", 0))) for run in runs)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only say whether REPRODUCTION.md is up to date")
    check, path = parser.parse_args().check, ROOT / "REPRODUCTION.md"
    write_or_check(path, page(), check, "python scripts/reproduction_page.py")


if __name__ == "__main__":
    main()
