"""How many networks a second are priced, against building the plain Keras model and its `count_params`, on one core.

    chains         networks of the search space for MNIST: `estimate_storage` of the description, and of the quantized
                   model once it is built ("model")
    resnet8        ResNet-8 on images of different sizes, its model quantized: `estimate_storage`, with the best order
                   of its layers and the one arena of its branches
    architectures  the reference architectures by name: `architecture_cost` (numbers and multiply-adds, no bytes)

The other side knows the numbers of the weights alone; ours also the bytes of the activations and the multiply-adds.
Every network comes once, its sides in turn, in a process that has priced nothing yet. Times are processor times; a
ratio is the median over the networks.

    python scripts/benchmark_storage.py [--quick]
"""

import argparse
import random
import statistics
import time

import keras

import keras_efficient as ke
from keras_efficient.training.search import SearchSpace, candidates, price_network
from measuring.results import write_results
from measuring.timing import in_new_process, summary

SHAPE, SEED = (28, 28, 1), 0
ARCHITECTURES = ("tiny_convnet", "resnet18", "wrn_40_2", "wrn_28_10", "mobilenet", "mobilenet_v2")


def seconds_of(function, *arguments):
    """Processor seconds of a call, and its result. Names and graphs of earlier models must not pile up."""
    keras.backend.clear_session()
    started = time.process_time()
    result = function(*arguments)
    return time.process_time() - started, result


def count_params(build, *arguments):
    """Build a model and count its weights."""
    return build(*arguments).count_params()


def plain_network(description):
    """The network of a description in Keras's own layers."""
    layers = keras.layers
    stack = [keras.Input(SHAPE)]
    for letter, size, *rest in description:
        if letter in ("A", "M"):
            stack.append({"A": layers.AveragePooling2D, "M": layers.MaxPooling2D}[letter](size))
        elif letter in ("C", "DSC"):
            kind = {"C": layers.Conv2D, "DSC": layers.SeparableConv2D}[letter]
            stack.append(kind(size, rest[:2], rest[2:4], activation="relu"))
        elif letter == "D":
            stack.append(layers.Dropout(size))
        else:
            stack += [layers.Flatten(), layers.Dense(size, "softmax" if letter == "S" else "relu")]
    return keras.Sequential(stack)


def valid_chains(count):
    """Networks of the search space that can be built."""
    drawn = random.Random(SEED).sample(list(candidates(SearchSpace(), 10)), 4 * count)
    return [network for network in drawn if price_network(network, SHAPE)][:count]


def measure_chains(networks):
    """Description and model of the same networks."""
    taken = {"build": [], "description": [], "model": []}
    count_params(plain_network, networks[0])
    for network in networks:
        seconds, report = seconds_of(ke.estimate_storage, network, SHAPE)
        taken["description"].append(seconds)
        taken["build"].append(seconds_of(count_params, plain_network, network)[0])
        model = ke.build_network(network, SHAPE)
        seconds, same = seconds_of(ke.estimate_storage, model)
        taken["model"].append(seconds)
        assert same.total_bytes == report.total_bytes
    return figures(taken)


def measure_resnet8(count):
    """A graph at input sizes from 16 on."""
    taken = {"build": [], "model": []}
    count_params(ke.networks.resnet8)
    for size in range(16, 16 + count):
        taken["build"].append(seconds_of(count_params, ke.networks.resnet8, (size, size, 3))[0])
        quantized = ke.quantize_model(ke.networks.resnet8((size, size, 3)), kernel_bits=4, activation_bits=4)
        taken["model"].append(seconds_of(ke.estimate_storage, quantized)[0])
    return figures(taken)


def measure_architectures(names):
    """Counted from the drawing, and by Keras."""
    taken = {"build": [], "name": []}
    count_params(ke.networks.build_architecture, names[0])
    for name in names:
        taken["name"].append(seconds_of(ke.storage.architecture_cost, name)[0])
        taken["build"].append(seconds_of(count_params, ke.networks.build_architecture, name)[0])
    return figures(taken) | {"names": list(names)}


def figures(taken):
    """Networks a second, and how many times faster than building."""
    build = taken.pop("build")
    found = {"networks": len(build), "build_a_second": round(1 / statistics.median(build), 1)}
    for side, times in taken.items():
        found[side] = {"a_second": round(1 / statistics.median(times), 1), **summary(times, build)}
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few networks")
    quick = parser.parse_args().quick
    parts = {
        # The chains are priced elsewhere first, to leave out those that fit no image: no warm caches here.
        "chains": (measure_chains, in_new_process(valid_chains, 5 if quick else 100)),
        "resnet8": (measure_resnet8, 2 if quick else 17),
        "architectures": (measure_architectures, ARCHITECTURES[:1] if quick else ARCHITECTURES),
    }
    results = {}
    for part, arguments in parts.items():
        results[part] = in_new_process(*arguments)
        print(part, results[part], flush=True)
    write_results("benchmark_storage", results, [SEED], quick)


if __name__ == "__main__":
    main()
