"""The architecture search: how fast it prices, and what it finds on MNIST.

Pricing: the study's 182,957 candidates on one core, each time in a new process (cold caches), beside
`estimate_storage` for each of a sample. Search: with the study's network among the candidates; validation accuracy
only, the test images are never looked at. Killed, it goes on where it was when the same `--out` is given.

    python scripts/measure_search.py --data-dir DIR --out DIR [--parts pricing search] [--space wide] [--samples 60]
        [--mutants N] [--epochs 2,2] [--halving 1] [--seeds N] [--max-bytes 4096] [--quick]
"""

import argparse
import json
import random
import statistics
import tempfile
import time
from pathlib import Path

import keras_efficient as ke
from keras_efficient.networks import DIGITS, MNIST_2KB
from keras_efficient.training.search import SearchSpace, candidates, price_network, price_space
from measuring.results import earlier_figures, write_results
from measuring.timing import in_new_process

_SHAPE = (28, 28, 1)
_PARTS = ("pricing", "search")
_SETTINGS = ("samples", "mutants", "epochs", "halving", "seeds", "seed", "engine")
_KEPT = ("network", "weight_bytes", "activation_bytes", "total_bytes", "parameters", "float_accuracy", "val_accuracy")
_KEPT += ("val_accuracies", "spread")


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


def measure_search(arguments, directory):
    """What a search finds with the study's network among its candidates, without the paths of its files."""
    data = ke.datasets.load_dataset(arguments.dataset, arguments.data_dir).arrays()
    shape = data[0].shape[1:]
    own = MNIST_2KB if shape == _SHAPE else DIGITS
    found = ke.training.search_networks(
        data,
        arguments.max_bytes,
        directory,
        space=SearchSpace.wide(shape) if arguments.space == "wide" else None,
        references={},
        network=own,
        **{name: getattr(arguments, name) for name in _SETTINGS},
    )
    result = json.loads((directory / "search.json").read_text())
    drawn = [each for each in result["candidates"] if each["status"] == "finished"]
    return {
        "dataset": arguments.dataset,
        "max_bytes": arguments.max_bytes,
        "space": arguments.space,
        **{name: getattr(arguments, name) for name in _SETTINGS if name != "engine"},
        "minutes": round(result["train_seconds"] / 60, 1),
        "counts": result["counts"],
        "batch_size": result["stages"][0]["batch_size"],
        "best_within": [
            {"bytes": limit, **({} if best is None else kept(best))} for limit, best in found.best_within.items()
        ],
        "front": list(map(kept, found.front)),
        "references": [{"name": "the study's", **kept(found.candidates[0])}],
        "better": [difference(each, found.candidates[0]) for each in found.candidates if is_better(each, found)],
        "candidates": [[c["total_bytes"], c["float_accuracy"], c["val_accuracy"], c["rung"]] for c in drawn],
    }


def is_better(candidate, found):
    study, best = found.candidates[0], found.best
    return candidate.rung == best.rung == study.rung and candidate.val_accuracy > study.val_accuracy


def difference(candidate, study):
    """How much better than the study's network under the same training; its standard error over the seeds."""
    pairs = zip(candidate.val_accuracies, study.val_accuracies, strict=True)
    each = [one - other for one, other in pairs] or [candidate.val_accuracy - study.val_accuracy]
    error = statistics.stdev(each) / len(each) ** 0.5 if len(each) > 1 else None
    return {"name": candidate.name, **kept(candidate), "difference": statistics.mean(each), "standard_error": error}


def kept(candidate):
    return {name: getattr(candidate, name) for name in _KEPT}


def arguments_of_command():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", help="folder with mnist.npz; without it the data is downloaded")
    parser.add_argument("--out", type=Path, help="folder of the search, which goes on there; default: a temporary one")
    parser.add_argument("--parts", nargs="+", choices=_PARTS, default=_PARTS, help="the others stay as they are")
    parser.add_argument("--space", choices=("study", "wide"), default="study")
    parser.add_argument("--samples", type=int, default=60, help="networks to draw")
    parser.add_argument("--mutants", type=int, default=0, help="networks that resemble the best so far")
    parser.add_argument("--epochs", default="2,2", help="float and quantized epochs of the last rung")
    parser.add_argument("--halving", type=int, help="epochs of the first rung")
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each finalist")
    parser.add_argument("--max-bytes", type=int, default=4096)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--engine", default="compiled", help="compiled or keras")
    parser.add_argument("--quick", action="store_true", help="one pricing, and few networks on the digits")
    arguments = parser.parse_args()
    arguments.dataset = "digits" if arguments.quick else "mnist"
    arguments.epochs = [int(epochs) for epochs in arguments.epochs.split(",")]
    if arguments.quick:
        arguments.samples, arguments.mutants, arguments.epochs = 3, 2, [4, 2]
        arguments.halving, arguments.seeds, arguments.data_dir = 1, 2, None
    return arguments


def main():
    arguments = arguments_of_command()
    figures = earlier_figures("search", arguments.quick) or {}
    if "pricing" in arguments.parts:
        figures["pricing"] = measure_pricing(1 if arguments.quick else 5)
        print(json.dumps(figures["pricing"], indent=1))
    if "search" in arguments.parts:
        with tempfile.TemporaryDirectory() as temporary:
            figures["search"] = measure_search(arguments, arguments.out or Path(temporary) / "search")
        print(json.dumps({key: figures["search"][key] for key in ("best_within", "references", "better")}, indent=1))
    write_results("search", figures, seeds=[arguments.seed], quick=arguments.quick, continued=True)


if __name__ == "__main__":
    main()
