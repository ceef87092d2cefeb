"""Collect all benchmarks of the package beside others: results/benchmarks.json and its plot, results/benchmarks.svg.

benchmarks.json is one list: subject, our side, the other side, ratio (the other side's time or bytes over ours), the
script and file that it comes from, their date and versions. Nothing is measured here; the scripts named there do that.

    python scripts/benchmarks.py           # writes both
    python scripts/benchmarks.py --check   # exit code 1 where they are not up to date
"""

import argparse
import dataclasses
import json
import re
import sys
from pathlib import Path

from keras_efficient.files import write_atomically
from measuring.results import ROOT
from pages.benchmark_plot import draw
from pages.benchmark_rows import Row, benchmark_rows

JSON, PLOT = "benchmarks.json", "benchmarks.svg"


def as_text(rows: list[Row]) -> str:
    """The list as JSON."""
    return json.dumps([dataclasses.asdict(row) for row in rows], indent=1, ensure_ascii=False) + "\n"


def outdated(directory: Path) -> list[str]:
    """The files that are missing or were made of other rows.

    The plot is compared by its texts: its curves depend on the version of matplotlib.
    """
    rows = benchmark_rows(directory)
    expected = {JSON: as_text(rows), PLOT: texts(draw(rows))}
    found = {JSON: read(directory / JSON), PLOT: texts(read(directory / PLOT))}
    return [name for name, content in expected.items() if found[name] != content]


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def texts(svg: str) -> list[str]:
    """What an SVG of matplotlib writes."""
    return re.findall(r"<text[^>]*>(.*?)</text>", svg, flags=re.DOTALL)


def write(directory: Path) -> None:
    """Both files, whole or not at all."""
    rows = benchmark_rows(directory)
    for name, content in {JSON: as_text(rows), PLOT: draw(rows)}.items():
        write_atomically(directory / name, lambda path, content=content: path.write_text(content, encoding="utf-8"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only say whether the files are up to date")
    directory = ROOT / "results"
    if not parser.parse_args().check:
        write(directory)
    elif names := outdated(directory):
        sys.exit(f"Not up to date: {', '.join(names)}. Run python scripts/benchmarks.py")


if __name__ == "__main__":
    main()
