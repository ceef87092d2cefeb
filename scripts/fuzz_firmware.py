"""Random networks with random weights: Keras, the integer model and the C code must agree bit for bit, and the arena of
the C must be the price.

Each network is exported, compiled with warnings as errors and with the address and undefined
behaviour sanitizers, and run on random images. Then once more with an arena one byte smaller, which
should be noticed. A share of the networks has extreme scales and wide activations, beyond what
float32 computes exactly; there Keras is compared only where it can be exact. With --graphs they are plain
Keras models of layers and functions of all kinds, with branches, several inputs and outputs, quantized. With
--structured their dense layers and convolutions are made of small factors.

The C for "dsp" is compiled and run as well. With --devices both also run on what they are for, simulated, two inputs
each: on a Cortex-M3 and, where there is room for it, an ATmega328P; on a Cortex-M4.

    python scripts/fuzz_firmware.py [--networks 500] [--workers 2] [--adversarial] [--graphs | --structured] [--devices]
        [--quick]
"""

import argparse
import itertools
import json
import tempfile
import warnings
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

from measuring.results import write_results

IMAGES, DEVICE_IMAGES = 16, 2
EXTREME_EVERY = 5


def random_layers(seed, adversarial):
    """A network of this package's layers, and the bytes that it gets."""
    from random_networks import RandomNetwork

    return with_images(RandomNetwork(seed, extreme=seed % EXTREME_EVERY == 0), adversarial)


def random_structured(seed, adversarial):
    """A network of layers made of small factors, and the bytes that it gets."""
    from random_structured import StructuredNetwork

    return with_images(StructuredNetwork(seed, extreme=seed % EXTREME_EVERY == 0), adversarial)


def with_images(network, adversarial):
    import numpy as np

    model = network.model()
    images = network.images(IMAGES, model.input_shape[1:])
    if adversarial:
        images = np.concatenate([network.adversarial_images(model.input_shape[1:]), images])
    return model, images


def random_graph(seed, adversarial):
    """A Keras model of layers of all kinds, quantized, and what it gets: samples, and the ends of its grids."""
    import numpy as np

    import keras_efficient as ke
    from random_graphs import RandomGraph

    graph = RandomGraph(seed)
    plain = graph.model()
    x = graph.samples(plain, IMAGES)
    settings = graph.settings(len(plain.inputs))
    model = ke.quantize_model(plain, x=x, mode="freeze_scales", **settings)
    try:
        integers = ke.export.IntegerModel(model)
    except ValueError as error:
        if "bits without a sign" not in str(error):  # an input of 16 bits that ends the network
            raise
        model = ke.quantize_model(plain, x=x, mode="freeze_scales", **{**settings, "input_bits": 8})
        integers = ke.export.IntegerModel(model)
    codes = integers.encode(x)
    generator, parts = np.random.default_rng(seed), []
    for part, each in zip(codes if isinstance(codes, list) else [codes], integers.inputs, strict=True):
        ends = generator.choice([each.codes.low, 0, each.codes.high], part.shape)
        parts.append(np.concatenate([part, ends]))
    return model, parts if len(parts) > 1 else parts[0]


def runs_equal(directory, images, expected, target, devices):
    """{machine: whether all logits are equal} of the C in a folder; no entry where it has no room or no tools."""
    from keras_efficient.export.verify import ToolFailedError, ToolMissingError, run_on_arm, run_on_avr
    from keras_efficient.export.verify.interface import one_after_another

    few, found = one_after_another(images)[:DEVICE_IMAGES], {}
    machines = {"dsp": {"cortex-m4": run_on_arm}, "host": {"cortex-m3": run_on_arm, "atmega328p": run_on_avr}}
    for machine, run in machines[target].items() if devices else ():
        options = {} if run is run_on_avr else {"core": machine, "ram_bytes": 4 << 20, "optimization": "-O2"}
        try:
            logits = run(directory, few, **options).logits
        except (ToolFailedError, ToolMissingError) as error:
            if "warning" in str(error) or "error:" in str(error):
                raise
            continue
        if logits is not None:
            found[machine] = bool((logits == expected[: len(few)]).all())
    return found


def check_dsp(model, images, expected, devices):
    """What became of the C for "dsp": whether its logits are equal, and its bytes the priced ones."""
    import math

    import keras_efficient as ke
    from keras_efficient.export.verify import run_on_host

    with tempfile.TemporaryDirectory() as directory:
        report, priced = ke.export_c(model, directory, target="dsp"), ke.estimate_storage(model, target="dsp")
        run = run_on_host(directory, images)
        equal = {"host": bool((run.logits == expected).all())} | runs_equal(directory, images, expected, "dsp", devices)
    bytes_ = report.weight_bytes, report.arena_bytes
    return {"equal": equal, "priced": bytes_ == (math.ceil(priced.weight_bytes), math.ceil(priced.activation_bytes))}


def check_network(seed, make=random_layers, adversarial=False, devices=False):
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
        on_devices = runs_equal(directory, images, expected, "host", devices)
    return {
        "devices": on_devices,
        "dsp": check_dsp(model, images, expected, devices),
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


def targets_of(row):
    """(target, [(machine, whether the logits are equal)]) of what ran beside the C for this machine."""
    return ("portable", row["devices"].items()), ("dsp", row["dsp"]["equal"].items())


def summary(rows):
    """The counts that matter, and the seeds of what went wrong."""
    exact = [row for row in rows if row["float32_is_exact"]]
    above = [row["above_prediction"] for row in rows]
    runs = [
        (f"{target} on {machine}", equal)
        for row in rows
        for target, found in targets_of(row)
        for machine, equal in found
    ]
    return {
        "other_runs": {name: sum(run == name for run, _ in runs) for name in sorted({name for name, _ in runs})},
        "other_runs_different": sorted({name for name, equal in runs if not equal}),
        "dsp_takes_what_is_priced": sum(row["dsp"]["priced"] for row in rows),
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
            row["seed"]
            for row in rows
            if not row["c_equal"]
            or (row["float32_is_exact"] and not row["keras_equal"])
            or not all(equal for _, found in targets_of(row) for _, equal in found)
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
    parser.add_argument("--structured", action="store_true", help="layers made of small factors")
    parser.add_argument("--devices", action="store_true", help="also on simulated microcontrollers")
    parser.add_argument("--quick", action="store_true", help="10 networks, one process")
    arguments = parser.parse_args()
    count = 10 if arguments.quick else arguments.networks
    workers = 1 if arguments.quick else arguments.workers
    seeds = list(itertools.islice(itertools.count(arguments.first_seed), count))
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as executor:
        plain = random_structured if arguments.structured else random_layers
        make = random_graph if arguments.graphs else plain
        check = partial(check_network, make=make, adversarial=arguments.adversarial, devices=arguments.devices)
        rows = list(executor.map(check, seeds, chunksize=5))
    figures = summary(rows)
    print(json.dumps(figures, indent=1))
    name = "fuzz_graphs" if arguments.graphs else "fuzz_structured" if arguments.structured else "fuzz_firmware"
    name += "_adversarial" if arguments.adversarial else ""
    name += "_devices" if arguments.devices else ""
    write_results(name, figures, seeds=[seeds[0], seeds[-1]], quick=arguments.quick)
    unpriced = min(figures["arena_equals_prediction"], figures["dsp_takes_what_is_priced"]) < figures["networks"]
    wrong = figures["different_seeds"] or unpriced
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
