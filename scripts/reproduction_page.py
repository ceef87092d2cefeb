"""Write REPRODUCTION.md: what each of the five sources claims, and what came of it here, from results/*.json.

python scripts/reproduction_page.py           # writes REPRODUCTION.md
python scripts/reproduction_page.py --check   # exit code 1 where it is not up to date
"""

import argparse
import sys

from _reproduction_claims import SOURCES
from _results import ROOT

HEAD = """# Reproduction

What each of the five sources claims, and what was measured here. Every figure of ours comes from a file in `results/`,
which says the command, the date, the machine, the versions and the seeds; the script is named beside it (each has
`--help`, and `--quick` for a run of minutes). Written by `scripts/reproduction_page.py`.

"Reproduced" means within the scatter that the source or our seeds show; "not reproduced" that a real try did not reach
it; "disproved" that the measurement says otherwise.
"""
MISSING = """## What was not attempted

- The ACDC log's networks at full size (WRN(40, 2), WRN(28, 10), 200 epochs of CIFAR-10), its ImageNet and DARTS parts.
- The random-bases paper's networks beyond its first table, and its distributed runs on accelerators.
- The flowers of the pruning study at 180 x 180 pixels and 600 epochs.
"""


def page():
    """The page as Markdown."""
    parts = [HEAD]
    for title, claims in SOURCES.items():
        lines = [f"## {title}", "", "| claim | there | here | verdict | script |", "|---|---|---|---|---|"]
        for claim in claims:
            found = claim.found()
            if found is not None:
                lines.append(f"| {claim.text} | {claim.there} | {found} | {claim.verdict} | `{claim.script}` |")
        parts.append("\n".join(lines) + "\n")
    return "\n".join([*parts, MISSING])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only say whether REPRODUCTION.md is up to date")
    check, path = parser.parse_args().check, ROOT / "REPRODUCTION.md"
    if not check:
        path.write_text(page(), encoding="utf-8")
    elif not path.exists() or path.read_text(encoding="utf-8") != page():
        sys.exit("REPRODUCTION.md is not up to date: run python scripts/reproduction_page.py")


if __name__ == "__main__":
    main()
