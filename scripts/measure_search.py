"""The architecture search: how fast it prices, and what it finds on MNIST.

Pricing: the study's 182,957 candidates on one core, each time in a new process (cold caches), beside
`estimate_storage` for each of a sample. Search: the command, with every network trained briefly; validation accuracy
only, the test images are never looked at.

    python scripts/measure_search.py --data-dir DIR [--samples 60] [--epochs 2,2] [--engine compiled]
        [--workers N] [--quick]
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _results import write_results
from _timing import in_new_process

import keras_efficient as ke
from keras_efficient.training.search import SearchSpace, candidates, price_network, price_space

_SHAPE = (28, 28, 1)
_KEPT = ("network", "weight_bytes", "activation_bytes", "total_bytes", "parameters", "float_accuracy", "val_accuracy")


def price_all():
    """Enumerate and price the study's space; candidates a second."""
    started = time.perf_counter()
    priced = price_space(candidates(SearchSpace(), 10), _SHAPE, 2048)
    seconds = time.perf_counter() - started
    count = len(priced.networks) + priced.invalid + priced.too_large
    return {
        "candidates": count,
        "invalid": priced.invalid,
        "within_2048_bytes": len(priced.networks),
        "seconds": seconds,
        "candidates_a_second": count / seconds,
    }


def price_one_by_one():
    """`estimate_storage` for each of a sample, candidates a second, and whether the prices are the same."""
    networks = random.Random(0).sample(list(candidates(SearchSpace(), 10)), 2000)
    started = time.perf_counter()
    totals = list(map(estimated_bytes, networks))
    seconds = time.perf_counter() - started
    prices = [price_network(network, _SHAPE) for network in networks]
    equal = sum(total == (price and price.total_bytes) for total, price in zip(totals, prices, strict=True))
    return {"networks": len(networks), "equal": equal, "candidates_a_second": len(networks) / seconds}


def estimated_bytes(network):
    try:
        return ke.estimate_storage(network, _SHAPE).total_bytes
    except ValueError:
        return None


def measure_pricing(repeats):
    runs = [in_new_process(price_all) for _ in range(repeats)]
    speeds = [run["candidates_a_second"] for run in runs]
    counts = {key: runs[0][key] for key in ("candidates", "invalid", "within_2048_bytes")}
    return {
        **counts,
        "candidates_a_second": round(statistics.median(speeds)),
        "candidates_a_second_range": [round(min(speeds)), round(max(speeds))],
        "one_by_one": in_new_process(price_one_by_one),
    }


def measure_search(options):
    """What the command finds, without the paths of its files."""
    with tempfile.TemporaryDirectory() as directory:
        command = [Path(sys.executable).parent / "keras-efficient", "search", *options, "--out", f"{directory}/search"]
        started = time.perf_counter()
        subprocess.run([*map(str, command)], check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - started
        result = json.loads((Path(directory) / "search" / "search.json").read_text())
    drawn = result["candidates"]
    return {
        "minutes": round(seconds / 60, 1),
        "counts": result["counts"],
        "epochs": [stage["epochs"] for stage in result["stages"]],
        "batch_size": result["stages"][0]["batch_size"],
        "best_within": [
            {"bytes": entry["bytes"], **(kept(drawn[entry["candidate"]]) if entry["candidate"] is not None else {})}
            for entry in result["best_within"]
        ],
        "front": [kept(drawn[index]) for index in result["front"]],
        "references": [{"name": reference["name"], **kept(reference)} for reference in result["references"]],
        "candidates": [[c["total_bytes"], c["float_accuracy"], c["val_accuracy"]] for c in drawn],
    }


def kept(candidate):
    return {key: candidate[key] for key in _KEPT}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", help="folder with mnist.npz; without it the data is downloaded")
    parser.add_argument("--samples", type=int, default=60, help="networks to train")
    parser.add_argument("--epochs", default="2,2", help="float and quantized epochs of each")
    parser.add_argument("--max-bytes", type=int, default=4096)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, help="processes that train; default: one")
    parser.add_argument("--engine", default="compiled", help="compiled or keras")
    parser.add_argument("--quick", action="store_true", help="one pricing, and 3 networks on the digits")
    arguments = parser.parse_args()
    figures = {"pricing": measure_pricing(1 if arguments.quick else 5)}
    print(json.dumps(figures["pricing"], indent=1))
    samples, epochs, dataset = arguments.samples, arguments.epochs, "mnist"
    if arguments.quick:
        samples, epochs, dataset = 3, "2,1", "digits"
    options = ["--max-bytes", str(arguments.max_bytes), "--dataset", dataset, "--samples", str(samples)]
    options += ["--epochs", epochs, "--seed", str(arguments.seed), "--engine", arguments.engine]
    options += ["--data-dir", arguments.data_dir] if arguments.data_dir and dataset == "mnist" else []
    options += ["--workers", str(arguments.workers)] if arguments.workers else []
    figures["search"] = {"dataset": dataset, "max_bytes": arguments.max_bytes, **measure_search(options)}
    print(json.dumps(figures["search"]["best_within"], indent=1))
    command = f"python scripts/measure_search.py --data-dir DIR --samples {samples} --epochs {epochs}"
    write_results("search", figures, seeds=[arguments.seed], command=command, quick=arguments.quick)


if __name__ == "__main__":
    main()
