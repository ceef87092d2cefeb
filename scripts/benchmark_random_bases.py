"""A step of `model.fit` with RandomBases against one with plain SGD: FC-MNIST, batch 32, d = 250.

Flatten, Dense 128 relu, Dense 10 on random images of the size of MNIST's; `jit_compile=True` and
`steps_per_execution=50` (torch: neither). All sides stand in one process and take turns, 500 steps each; a figure
is the median over the rounds of the ratio of neighbours. Beside them: the time for nothing but the products of the
gradient with a dense Gaussian basis of d vectors and of the coordinates with it, drawn anew for each of the two by the
backend's own generator, 50 vectors at a time. One backend a run:

    KERAS_BACKEND=jax python scripts/benchmark_random_bases.py [--quick]
"""

import argparse
import statistics
import time

import keras
import numpy as np

import keras_efficient as ke
from measuring.results import write_results
from measuring.sketches import SRHTBases

BATCH, STEPS, DIMENSIONS = 32, 500, 250
CHUNK = 50  # vectors of the Gaussian basis


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
        "rbd_srht": SRHTBases(inner(), DIMENSIONS),
    }


def gaussian_rows(size):
    """A function (seed, chunk) -> (CHUNK, size) normals of the backend's own generator."""
    if keras.backend.backend() == "jax":
        import jax

        return lambda seed, chunk: jax.random.normal(jax.random.fold_in(jax.random.key(0), seed + chunk), (CHUNK, size))
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return lambda seed, chunk: tf.random.stateless_normal((CHUNK, size), (seed, chunk))
    return lambda seed, chunk: keras.random.normal((CHUNK, size), seed=int(seed) + chunk)


def compiled(function):
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(function, jit_compile=True)
    return function


def gaussian_twice(size):
    """A function that projects a vector on a Gaussian basis and expands the coordinates again.

    Compiled as two, so that the normals of the first are not kept for the second; the seed is an
    argument, so that they are not constants.
    """
    rows, chunks = gaussian_rows(size), range(DIMENSIONS // CHUNK)

    def project(seed, vector):
        return [keras.ops.matmul(rows(seed, chunk), vector) for chunk in chunks]

    def expand(seed, coordinates):
        return sum(keras.ops.matmul(own, rows(seed, chunk)) for chunk, own in zip(chunks, coordinates, strict=True))

    project, expand = compiled(project), compiled(expand)
    return lambda seed, vector: expand(seed, project(seed, vector))


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
    size = models["sgd"].count_params()
    twice, vector = gaussian_twice(size), keras.ops.convert_to_tensor(random.normal(size=size).astype("float32"))

    def draw(number):
        seed = keras.ops.convert_to_tensor(number, "int32")
        started = time.perf_counter()
        keras.ops.convert_to_numpy(twice(seed, vector))
        return 1000 * (time.perf_counter() - started)

    draw(0)
    milliseconds = {name: [] for name in [*models, "gaussian_basis_twice"]}
    for number in range(rounds):
        for name, model in models.items():
            milliseconds[name].append(run(model))
        milliseconds["gaussian_basis_twice"].append(draw(1 + number))
    figures = {name: _figures(own, milliseconds["sgd"]) for name, own in milliseconds.items()}
    pairs = zip(milliseconds["gaussian_basis_twice"], milliseconds["rbd"], strict=True)
    figures["gaussian_basis_twice"]["times_rbd"] = statistics.median(a / b for a, b in pairs)
    return figures


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
    write_results(f"benchmark_random_bases_{backend}", figures, quick=arguments.quick)


if __name__ == "__main__":
    main()
