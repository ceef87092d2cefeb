"""What `make demo` reaches: the same run with five seeds.

The seed decides initial weights, shuffles, dropout and the validation split; the test split of
the digits (360 images) is always the same and is looked at once for each run, at its end.

    python scripts/measure_demo.py [--quick]
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measuring.results import write_results


def run(seed, directory, arguments=()):
    """The `best` part of one run's result, and its seconds."""
    command = [Path(sys.executable).parent / "keras-efficient", "train", "--seed", str(seed), "--out", directory]
    started = time.perf_counter()
    subprocess.run([*map(str, command), *arguments], check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - started
    best = json.loads((directory / "result.json").read_text())["best"]
    return {"seed": seed, "seconds": round(seconds, 1), **best}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one seed, a few epochs")
    quick = parser.parse_args().quick
    seeds = [0] if quick else [0, 1, 2, 3, 4]
    with tempfile.TemporaryDirectory() as directory:
        short = ["--epochs", "3,2,2"] if quick else []
        runs = [run(seed, Path(directory) / str(seed), short) for seed in seeds]
    accuracies = [best["test_accuracy"] for best in runs]
    figures = {
        "test_accuracy_mean": statistics.mean(accuracies),
        "test_accuracy_sd": statistics.stdev(accuracies) if len(accuracies) > 1 else 0.0,
        "test_accuracy_min": min(accuracies),
        "total_bytes": runs[0]["total_bytes"],
        "runs": runs,
    }
    print(json.dumps(figures, indent=1))
    write_results("demo", figures, seeds=seeds, quick=quick)


if __name__ == "__main__":
    main()
