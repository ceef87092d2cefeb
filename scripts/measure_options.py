"""What each option beyond the paper brings at equal bytes, against the plain protocol, with the same seeds.

Runs scripts/experiments/mnist_options.yaml (cosine rates, affine distortions, distillation from the
float trials, all together) and keeps, for each of them, the test accuracy over the seeds and the paired difference to
the plain protocol. Every choice within a run is made on validation data. Runs that are there are not repeated.

    python scripts/measure_options.py --data-dir DIR --out DIR [--workers 2] [--quick]

Shorter than the published protocol; the study's own epochs, say, for one option, into results/mnist_options_long.json:

    python scripts/measure_options.py --data-dir DIR --out DIR --name mnist_options_long --methods plain affine \
        --seeds 0 1 2 3 4 --trials 1 1 1 --epochs 200 100 200
"""

import argparse
import statistics
from contextlib import nullcontext
from pathlib import Path

import yaml

import keras_efficient as ke
from measuring.results import ROOT, write_results

STUDY = ROOT / "scripts" / "experiments" / "mnist_options.yaml"


def read_study(arguments):
    """The file as a mapping, with the place of the data and what was asked for instead of its own numbers."""
    study = yaml.safe_load(STUDY.read_text(encoding="utf-8"))
    if arguments.data_dir is not None:
        study["data"]["data_dir"] = str(Path(arguments.data_dir).resolve())
    for key in ("trials", "epochs"):
        if getattr(arguments, key):
            values = zip(study["stages"], getattr(arguments, key), strict=True)
            study["stages"] = [{**stage, key: value} for stage, value in values]
    if arguments.seeds:
        study["seeds"] = arguments.seeds
    if arguments.methods:
        study["methods"] = {name: study["methods"][name] for name in arguments.methods}
    if arguments.quick:
        study["seeds"], study["samples_per_epoch"] = [0], 2000
        study["stages"] = [{**stage, "trials": 1, "epochs": 1} for stage in study["stages"]]
    return study


def compare(row, plain):
    """Mean and spread of an option's test accuracy, and of its paired difference to the plain protocol."""
    own, other = ({run["seed"]: run["test_accuracy"] for run in each["runs"]} for each in (row, plain))
    return {"test_accuracy": spread(list(own.values())), "difference": spread([own[s] - other[s] for s in own])}


def spread(values):
    """Values of the seeds, their mean and standard deviation."""
    return {"values": values, "mean": statistics.mean(values), "sd": statistics.stdev(values) if values[1:] else None}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", help="folder with mnist.npz; without it the data is downloaded")
    parser.add_argument("--out", required=True, help="folder of the runs")
    parser.add_argument("--workers", type=int, help="processes that take the runs; default: only this one")
    parser.add_argument("--name", default="mnist_options", help="of the record in results/")
    parser.add_argument("--methods", nargs="+", help="of the file, plain among them; default: all")
    parser.add_argument("--seeds", nargs="+", type=int, help="instead of the file's")
    parser.add_argument("--trials", nargs=3, type=int, help="of the three stages, instead of the file's")
    parser.add_argument("--epochs", nargs=3, type=int, help="of the three stages, instead of the file's")
    parser.add_argument("--quick", action="store_true", help="one seed, trial and epoch, few images")
    arguments = parser.parse_args()
    study = read_study(arguments)
    with ke.training.process_pool(arguments.workers) if arguments.workers else nullcontext() as executor:
        found = ke.training.run_experiment(study, arguments.out, executor, verbose=False)
    print(found)
    rows = {row["method"]: row for row in found.rows}
    figures = {
        "total_bytes": rows["plain"]["total_bytes"],
        "stages": study["stages"],
        "options": {name: compare(row, rows["plain"]) for name, row in rows.items()},
    }
    write_results(arguments.name, figures, study["seeds"], arguments.quick)


if __name__ == "__main__":
    main()
