"""Attacks on the package: hostile files, wrong arguments, kills, compilers and caches that are broken, full disks.

Each attack works in an empty folder of its own. The package holds where it refuses in one line, or goes on
as promised, and neither loses nor writes what it should not. results/attacks.json counts them.
Beside other work, ATTACK_PATIENCE=4 waits four times as long before a process counts as one that does not end.

    python scripts/attack.py [--quick] [--only files,kills] [--name ATTACK]
"""

import argparse
import importlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from attacks.shared import PATIENCE, NotHeldError
from measuring.results import earlier_figures, write_results

# Each area is a file attacks/AREA.py with a list ATTACKS.
AREAS = ("files", "arguments", "kills", "folders", "compilers", "disks")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few attacks of each area")
    parser.add_argument("--only", default=",".join(AREAS), help=f"areas, of {', '.join(AREAS)}")
    parser.add_argument("--name", help="only the attacks with this in their name; writes no results")
    options = parser.parse_args()
    not_held = []
    for area in options.only.split(","):
        attacks = importlib.import_module(f"attacks.{area}").ATTACKS
        chosen = [a for a in attacks if (a.is_quick or not options.quick) and (options.name or "") in a.name]
        figures = run_all(area, chosen)
        not_held += [f"{area}: {name}" for name in figures["not_held"]]
        if options.name is None:  # beside those of other areas
            found = {**(earlier_figures("attacks", options.quick) or {}), area: figures}
            write_results("attacks", found, quick=options.quick, continued=True)
    if not_held:
        sys.exit("Not held: " + "; ".join(not_held))


def run_all(area, attacks):
    """Run the attacks of an area; how many there were, and what was seen where the package did not hold."""
    not_held = {}
    for attack in attacks:
        started = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="attack-") as folder:
            try:
                attack.run(Path(folder))
            except NotHeldError as seen:
                not_held[attack.name] = str(seen).replace(folder, "FOLDER")
            except subprocess.TimeoutExpired as seen:  # its command names places of this machine
                not_held[attack.name] = f"no end after {seen.timeout:g} s"
        seen = not_held.get(attack.name, "held")
        print(f"{area}: {attack.name}: {seen} ({time.perf_counter() - started:.1f} s)", flush=True)
    return {"tried": len(attacks), "held": len(attacks) - len(not_held), "not_held": not_held, "patience": PATIENCE}


if __name__ == "__main__":
    main()
