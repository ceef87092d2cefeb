"""How long docs/tour.md takes: its very commands, one after the other, in a fresh clone.

The clone lies in a temporary directory and sets up its own virtual environment, so that downloads count. Files that the
page shows with a title are written where they stand. Seconds are those of the clock; processor seconds are those of all
cores together, and do not depend on what else the machine does. Standard output is kept: the page shows it.

    python scripts/measure_tour.py [--quick [--installation DIR]]
"""

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from measuring.results import ROOT, write_results

PAGE = ROOT / "docs/tour.md"
BLOCK = re.compile(r'^```(sh|json)(?: title="([\w.]+)")?\n(.*?)^```', flags=re.DOTALL | re.MULTILINE)
IN_A_CLONE = ".venv/bin/"


class Step(NamedTuple):
    """Something that the page asks for: a file of this name, or, without a name, a command."""

    text: str
    name: str = ""


def steps() -> list[Step]:
    """What the page asks for, in order."""
    found = []
    for language, name, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        if language == "json":
            found.append(Step(text, name))
        else:
            found += [Step(line) for line in text.splitlines()]
    return found


def follow(directory, installation=None):
    """Do all of it in a directory. With the folder of an installation, no `make`, and its programs in place of the
    clone's; the figures of each command."""
    figures = []
    for step in steps():
        if step.name:
            (directory / step.name).write_text(step.text, encoding="utf-8")
        elif installation is None:
            figures.append(run(step.text, step.text, directory))
        elif not step.text.startswith("make "):
            figures.append(run(step.text, step.text.replace(IN_A_CLONE, f"{installation}/bin/"), directory))
    return figures


def run(shown, command, directory):
    """The figures of one command, as `shown` in the page."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    started, before = time.perf_counter(), processor_seconds()
    done = subprocess.run(command, shell=True, cwd=directory, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{command}\n{done.stdout}\n{done.stderr}")
    figures = {
        "command": shown,
        "seconds": round(time.perf_counter() - started, 1),
        "processor_seconds": round(processor_seconds() - before, 1),
        "output": done.stdout.splitlines(),
    }
    print(shown, figures["seconds"], figures["processor_seconds"], flush=True)
    return figures


def processor_seconds():
    """Of all commands so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="no clone, no `make`: only the commands that it runs")
    parser.add_argument("--installation", default=sys.prefix, help="of --quick: a virtual environment with the package")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        clone = Path(directory) / "clone"
        if arguments.quick:
            clone.mkdir()
        else:
            subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
        taken = follow(clone, arguments.installation if arguments.quick else None)
    figures = {
        "seconds": round(sum(step["seconds"] for step in taken), 1),
        "processor_seconds": round(sum(step["processor_seconds"] for step in taken), 1),
        "steps": taken,
    }
    print(write_results("tour", figures, seeds=[0], quick=arguments.quick).name)


if __name__ == "__main__":
    main()
