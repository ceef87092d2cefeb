"""A step of `model.fit` with RandomBases against one with plain SGD: FC-MNIST, batch 32, d = 250.

Flatten, Dense 128 relu, Dense 10 on random images of the size of MNIST's; `jit_compile=True` and
`steps_per_execution=50` (torch: neither). All sides stand in one process and take turns, 500 steps each; a figure
is the median over the rounds of the ratio of neighbours. One backend a run:

    KERAS_BACKEND=jax python scripts/benchmark_random_bases.py [--quick]
"""

import argparse
import statistics
import time

import keras
import numpy as np
from _results import write_results

import keras_efficient as ke

BATCH, STEPS, DIMENSIONS = 32, 500, 250


def make(optimizer):
    """The compiled network, past its first (tracing) steps."""
    keras.utils.set_random_seed(0)
    network = [keras.layers.Dense(128, activation="relu"), keras.layers.Dense(10)]
    model = keras.Sequential([keras.Input((784,)), *network])
    fast = {} if keras.backend.backend() == "torch" else {"jit_compile": True, "steps_per_execution": 50}
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, **({"jit_compile": False} | fast))
    return model


def sides():
    """The optimizers; small learning rates, as the data is noise and the weights shall stay where they are."""
    rate = 1e-4

    def inner():
        return keras.optimizers.SGD(rate)

    return {
        "sgd": inner(),
        "rbd": ke.RandomBases(inner(), DIMENSIONS),
        "rbd_around_adam": ke.RandomBases(keras.optimizers.Adam(rate), DIMENSIONS),
        "fpd": ke.RandomBases(inner(), DIMENSIONS, redraw=0),
        "fpd_adam": ke.RandomBases(keras.optimizers.Adam(rate), DIMENSIONS, redraw=0),
        "rbd_srht": ke.RandomBases(inner(), DIMENSIONS, basis="srht"),
    }


def measure(rounds):
    """Milliseconds per step and ratios to SGD."""
    random = np.random.default_rng(0)
    x = random.random((BATCH * STEPS, 784), "float32")
    y = random.integers(0, 10, BATCH * STEPS)
    models = {name: make(optimizer) for name, optimizer in sides().items()}

    def run(model):
        started = time.perf_counter()
        model.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0)
        return 1000 * (time.perf_counter() - started) / STEPS

    for model in models.values():
        run(model)
    milliseconds = {name: [] for name in models}
    for _ in range(rounds):
        for name, model in models.items():
            milliseconds[name].append(run(model))
    return {name: _figures(own, milliseconds["sgd"]) for name, own in milliseconds.items()}


def _figures(own, sgd):
    ratios = [a / b for a, b in zip(own, sgd, strict=True)]
    return {
        "milliseconds_per_step": statistics.median(own),
        "times_sgd": statistics.median(ratios),
        "times_sgd_range": [min(ratios), max(ratios)],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="three rounds")
    arguments = parser.parse_args()
    figures = measure(3 if arguments.quick else 15)
    backend = keras.backend.backend()
    for name, values in figures.items():
        print(f"{backend:10s} {name:16s} {values}")
    command = f"KERAS_BACKEND={backend} python scripts/benchmark_random_bases.py"
    write_results(f"benchmark_random_bases_{backend}", figures, command=command, quick=arguments.quick)


if __name__ == "__main__":
    main()
