"""Table 1 of Gressmann et al. 2020 (random bases): NES, FPD, RBD, SGD, and SGD at the learning rate of RBD times d / D.

A step of RBD is one of SGD at d / D times the rate, plus noise: the last column says how much of RBD's result
that alone explains. Plain SGD steps, constant rate, batch 32, 100 epochs; 10,000 images of the training set validate
(here drawn, there a contiguous piece) and are the metric, as in the source; test accuracy beside it. NES: as many
steps as epochs, as in the source's code. Where the source is unclear, both ways can be run: `--dimensions 250` (its
configuration) or `D/400` (its text), with `--augment` and without.

Learning rates are the source's, or with `--search=-1,0,1` the best on validation data of these powers of two around
them (seed 0, `--search-epochs`, no test images). Every run is a process and a record in --out, so that a later call
goes on and adds; the table holds all records found there. Dense networks run on JAX, CNNs on TensorFlow (the faster
one for each; KERAS_BACKEND overrides), one thread each.

    python scripts/random_bases_table.py --out DIR [--data-dir DIR] [--rows fc-mnist,fc-fashion_mnist]
        [--methods sgd,sgd_matched,rbd,fpd,nes] [--dimensions 250,D/400] [--seeds 0,1,2] [--epochs 100] [--augment]
        [--search=-1,0,1] [--sweep] [--workers 1] [--summary] [--quick]

`--sweep` runs RBD and FPD on cnn-fashion_mnist with d = 50, 100 ... 500 instead. `--summary` runs nothing.
"""

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

from measuring.random_bases_run import BATCH, METHODS, Run
from measuring.trainings import integers
from peers.serving import import_path

HERE = Path(__file__).resolve().parent
WEIGHTS = {
    **{"fc-mnist": 101_770, "fc-fashion_mnist": 101_770, "fc-cifar10": 394_634},
    **{"cnn-mnist": 93_322, "cnn-fashion_mnist": 93_322, "cnn-cifar10": 122_570},
}
# Exponents of two of SGD and of the others; times the batch size they are learning rates.
RATES = {
    **{"fc-mnist": (-8, -5), "fc-fashion_mnist": (-7, -6), "fc-cifar10": (-12, -7)},
    **{"cnn-mnist": (-10, -9), "cnn-fashion_mnist": (-9, -8), "cnn-cifar10": (-11, -8)},
}
PUBLISHED = {  # validation accuracy in per cent: mean, spread
    "fc-mnist": {"nes": (22.5, 1.7), "fpd": (80, 0.4), "rbd": (93.893, 0.024), "sgd": (98.27, 0.09)},
    "fc-fashion_mnist": {"nes": (45, 6), "fpd": (77.3, 0.29), "rbd": (85.65, 0.2), "sgd": (87.32, 0.21)},
    "fc-cifar10": {"nes": (17.8, 0.5), "fpd": (21.4, 1.2), "rbd": (43.77, 0.22), "sgd": (52.09, 0.22)},
    "cnn-mnist": {"nes": (51, 6), "fpd": (88.9, 0.6), "rbd": (97.17, 0.1), "sgd": (99.41, 0.09)},
    "cnn-fashion_mnist": {"nes": (37, 4), "fpd": (77.8, 1.6), "rbd": (85.56, 0.1), "sgd": (91.95, 0.18)},
    "cnn-cifar10": {"nes": (20.3, 1), "fpd": (37.2, 0.8), "rbd": (54.64, 0.33), "sgd": (81.4, 0.4)},
}
SWEEP = [str(d) for d in range(50, 501, 50)]


def plan(arguments):
    """The runs at the source's rates, first seed first."""
    runs = [
        make_run(row, method, text, seed, arguments)
        for seed in arguments.seeds
        for row in arguments.rows
        for method in arguments.methods
        for text in arguments.dimensions
    ]
    return list(dict.fromkeys(runs))


def make_run(row, method, dimensions_text, seed, arguments):
    """A run; `dimensions_text` is a number or a fraction of D such as D/400."""
    network, dataset = row.split("-")
    weights = WEIGHTS[row]
    share = dimensions_text.removeprefix("D/")
    dimensions = int(share) if share == dimensions_text else round(weights / int(share))
    exponent = RATES[row][0 if method == "sgd" else 1]
    rate = BATCH * 2.0**exponent * (dimensions / weights if method == "sgd_matched" else 1)
    kept = dimensions if method in ("rbd", "fpd") else 0
    return Run(
        *(dataset, network, method, kept, rate, arguments.epochs, arguments.augment, seed), quick=arguments.quick
    )


def execute(runs, arguments):
    """Run what has no record yet; whether all went well."""
    missing = [run for run in runs if not record_path(run, arguments.out).exists()]
    print(f"{len(runs)} runs, {len(missing)} to do", flush=True)
    with ThreadPoolExecutor(arguments.workers) as pool:
        return all(list(pool.map(lambda run: execute_one(run, arguments), missing)))


def execute_one(run, arguments):
    """Run in a process of its own, one thread."""
    path = record_path(run, arguments.out)
    flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    threads = dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1")
    defaults = {"KERAS_BACKEND": "jax" if run.network == "fc" else "tensorflow", "XLA_FLAGS": flags}
    settings = json.dumps(asdict(run))
    folder = [] if arguments.data_dir is None else [arguments.data_dir]
    command = [sys.executable, "-m", "measuring.random_bases_run", settings, str(path), *folder]
    environment = {"TF_CPP_MIN_LOG_LEVEL": "3", **defaults, **os.environ, **threads, "PYTHONPATH": import_path(HERE)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        print(f"{run.name} failed:\n{done.stderr[-2000:]}", file=sys.stderr, flush=True)
        return False
    record = json.loads(path.read_text())
    figures = f"validation {record['validation'][-1]:.4f} test {record.get('test_accuracy', float('nan')):.4f}"
    print(f"{run.name} {figures} {record['seconds_per_epoch']:.2f} s an epoch", flush=True)
    return True


def record_path(run, out):
    return Path(out) / f"{run.name}.json"


def searched(runs, arguments):
    """The runs at the rates that are best on validation data, after a short search with the first seed."""
    tried = {}
    for run in dict.fromkeys(replace(run, seed=0, epochs=arguments.search_epochs, test=False) for run in runs):
        if run.method != "sgd_matched":
            rates = [run.learning_rate * 2.0**exponent for exponent in arguments.search]
            tried[run] = [replace(run, learning_rate=rate) for rate in rates]
    if not execute([run for candidates in tried.values() for run in candidates], arguments):
        sys.exit("a run of the search failed: call again")
    return list(dict.fromkeys(chosen_rate(run, tried, arguments) for run in runs))


def chosen_rate(run, tried, arguments):
    """The run at the best rate; SGD matched to RBD at RBD's."""
    shortened = replace(run, seed=0, epochs=arguments.search_epochs, test=False)
    if run.method == "sgd_matched":
        candidates = next((c for r, c in tried.items() if is_matched(shortened, r)), None)
        if candidates is None:
            return run
        best = max(candidates, key=lambda c: last_validation(c, arguments.out))
        weights = WEIGHTS[f"{run.network}-{run.dataset}"]
        return replace(run, learning_rate=best.learning_rate * best.dimensions / weights)
    best = max(tried[shortened], key=lambda c: last_validation(c, arguments.out))
    return replace(run, learning_rate=best.learning_rate)


def is_matched(matched, run):
    """Whether `run` is the RBD that `matched` is the control of."""
    weights = WEIGHTS[f"{run.network}-{run.dataset}"]
    same = (run.dataset, run.network, run.augment) == (matched.dataset, matched.network, matched.augment)
    return same and run.method == "rbd" and run.learning_rate * run.dimensions / weights == matched.learning_rate


def last_validation(run, out):
    return json.loads(record_path(run, out).read_text())["validation"][-1]


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words = {"type": lambda text: text.split(",")}
    numbers = {"type": integers}
    parser.add_argument("--out", required=True, help="folder of the records")
    parser.add_argument("--data-dir", help="folder of the data sets' files; without it they are downloaded")
    parser.add_argument("--rows", default=["fc-mnist", "fc-fashion_mnist"], help=f"of {', '.join(WEIGHTS)}", **words)
    parser.add_argument("--methods", default=list(METHODS[::-1]), help=f"of {', '.join(METHODS)}", **words)
    parser.add_argument("--dimensions", default=["250"], help="numbers, or D/400", **words)
    parser.add_argument("--seeds", default=[0, 1, 2], **numbers)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--augment", action="store_true")
    parser.add_argument("--search", help="exponents of two around the source's rates", **numbers)
    parser.add_argument("--search-epochs", type=int, default=10)
    parser.add_argument("--sweep", action="store_true", help="d = 50 ... 500, RBD and FPD, CNN on Fashion-MNIST")
    parser.add_argument("--workers", type=int, default=1, help="runs at a time")
    parser.add_argument("--summary", action="store_true", help="only write the table of the records that are there")
    parser.add_argument("--quick", action="store_true", help="3,000 images, two epochs, one seed")
    arguments = parser.parse_args()
    if arguments.sweep:
        arguments.rows, arguments.methods, arguments.dimensions = ["cnn-fashion_mnist"], ["rbd", "fpd"], SWEEP
    if arguments.quick:
        arguments.epochs, arguments.search_epochs, arguments.seeds = 2, 1, [0]
    for name, known in (("rows", WEIGHTS), ("methods", METHODS)):
        if wrong := set(getattr(arguments, name)) - set(known):
            parser.error(f"--{name} must be of {', '.join(known)}. Received: {', '.join(wrong)}")
    return arguments


def main():
    from measuring.random_bases_summary import summarize

    arguments = parse()
    runs = [] if arguments.summary else plan(arguments)
    if arguments.search and runs:
        runs = searched(runs, arguments)
    went_well = execute(runs, arguments)
    print(summarize(arguments.out, PUBLISHED, arguments.quick))
    if not went_well:
        sys.exit("some runs failed: call again")


if __name__ == "__main__":
    main()
