"""Random networks with random weights: Keras, the integer model and the C code must agree bit for bit, and the arena of
the C must be the price.

Each network is exported, compiled with warnings as errors and with the address and undefined
behaviour sanitizers, and run on random images. Then once more with an arena one byte smaller, which
should be noticed. A share of the networks has extreme scales and wide activations, beyond what
float32 computes exactly; there Keras is compared only where it can be exact. With --graphs they are plain
Keras models of layers and functions of all kinds, with branches, several inputs and outputs, quantized.

    python scripts/fuzz_firmware.py [--networks 500] [--workers 2] [--adversarial] [--graphs] [--quick]
"""

import argparse
import itertools
import json
import tempfile
import warnings
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

from _results import write_results

IMAGES = 16
EXTREME_EVERY = 5


def random_layers(seed, adversarial):
    """A network of this package's layers, and the bytes that it gets."""
    import numpy as np
    from random_networks import RandomNetwork

    network = RandomNetwork(seed, extreme=seed % EXTREME_EVERY == 0)
    model = network.model()
    images = network.images(IMAGES, model.input_shape[1:])
    if adversarial:
        images = np.concatenate([network.adversarial_images(model.input_shape[1:]), images])
    return model, images


def random_graph(seed, adversarial):
    """A Keras model of layers of all kinds, quantized, and what it gets: samples, and the ends of its grids."""
    import numpy as np
    from random_graphs import RandomGraph

    import keras_efficient as ke

    graph = RandomGraph(seed)
    plain = graph.model()
    x = graph.samples(plain, IMAGES)
    model = ke.quantize_model(plain, x=x, mode="freeze_scales", **graph.settings(len(plain.inputs)))
    integers = ke.export.IntegerModel(model)
    codes = integers.encode(x)
    generator, parts = np.random.default_rng(seed), []
    for part, each in zip(codes if isinstance(codes, list) else [codes], integers.inputs, strict=True):
        ends = generator.choice([each.codes.low, 0, each.codes.high], part.shape)
        parts.append(np.concatenate([part, ends]))
    return model, parts if len(parts) > 1 else parts[0]


def check_network(seed, make=random_layers, adversarial=False):
    """What became of one network, as a dict of numbers."""
    import numpy as np

    import keras_efficient as ke
    from keras_efficient.export.reference import keras_logits
    from keras_efficient.export.verify import ToolFailedError, run_on_host

    warnings.simplefilter("ignore")
    model, images = make(seed, adversarial)
    integers = ke.export.IntegerModel(model)
    expected = integers.predict(images)
    with tempfile.TemporaryDirectory() as directory:
        report = ke.export_c(model, directory)
        run = run_on_host(directory, images)
        less = (f"-DNETWORK_ARENA_BYTES={report.arena_bytes - 1}",)
        try:
            smaller_is_noticed = not np.array_equal(run_on_host(directory, images, flags=less).logits, expected)
        except ToolFailedError:
            smaller_is_noticed = True
    return {
        "seed": seed,
        "images": len(expected),
        "float32_is_exact": not integers.inexact_layers,
        "keras_equal": bool(np.array_equal(keras_logits(model, integers, images), expected)),
        "c_equal": bool(np.array_equal(run.logits, expected)),
        "sanitized": run.sanitized,
        "arena_bytes": report.arena_bytes,
        "above_prediction": report.arena_bytes - report.predicted_arena_bytes,
        "smaller_is_noticed": smaller_is_noticed,
    }


def summary(rows):
    """The counts that matter, and the seeds of what went wrong."""
    exact = [row for row in rows if row["float32_is_exact"]]
    above = [row["above_prediction"] for row in rows]
    return {
        "networks": len(rows),
        "images_each": rows[0]["images"],
        "sanitized": all(row["sanitized"] for row in rows),
        "c_equals_integer_model": sum(row["c_equal"] for row in rows),
        "float32_is_exact": len(exact),
        "keras_equals_integer_model_there": sum(row["keras_equal"] for row in exact),
        "arena_equals_prediction": above.count(0),
        "arena_below_prediction": sum(bytes_ < 0 for bytes_ in above),
        "most_bytes_above_prediction": max(above),
        "one_byte_less_is_noticed": sum(row["smaller_is_noticed"] for row in rows),
        "different_seeds": [
            row["seed"] for row in rows if not row["c_equal"] or (row["float32_is_exact"] and not row["keras_equal"])
        ],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=500)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--adversarial", action="store_true", help="also black, white and alternating images, as they are"
    )
    parser.add_argument("--graphs", action="store_true", help="Keras models of all kinds of layers, with branches")
    parser.add_argument("--quick", action="store_true", help="10 networks, one process")
    arguments = parser.parse_args()
    count = 10 if arguments.quick else arguments.networks
    workers = 1 if arguments.quick else arguments.workers
    seeds = list(itertools.islice(itertools.count(arguments.first_seed), count))
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as executor:
        make = random_graph if arguments.graphs else random_layers
        check = partial(check_network, make=make, adversarial=arguments.adversarial)
        rows = list(executor.map(check, seeds, chunksize=5))
    figures = summary(rows)
    print(json.dumps(figures, indent=1))
    name = "fuzz_graphs" if arguments.graphs else "fuzz_firmware"
    name += "_adversarial" if arguments.adversarial else ""
    write_results(name, figures, seeds=[seeds[0], seeds[-1]], quick=arguments.quick)
    wrong = figures["different_seeds"] or figures["arena_equals_prediction"] < figures["networks"]
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
