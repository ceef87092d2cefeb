"""One of two processes of `test_coordinate_workers.py`: trains with the other and prints what it sees as JSON."""

import json
import os
import re
import sys
import zlib

os.environ["KERAS_BACKEND"] = "jax"

import jax
import keras
import numpy as np

import keras_efficient as ke

DIMENSIONS, STEPS, BATCH = 40, 4, 8


def build():
    keras.utils.set_random_seed(1)
    layers = [keras.layers.Dense(128, activation="relu"), keras.layers.Dense(10)]
    return keras.Sequential([keras.Input((64,)), *layers])


def weights(model):
    return np.concatenate([w.ravel() for w in model.get_weights()])


def batches():
    """(x, y) of both workers together."""
    random = np.random.default_rng(0)
    for _ in range(STEPS):
        yield random.normal(size=(2 * BATCH, 64)).astype("float32"), random.integers(0, 10, 2 * BATCH)


def together(rank, redraw, independent):
    """Weights after training with the other process, and the compiled step."""
    model = build()
    if rank:  # the first process's weights are those that count
        model.set_weights([w + 1 for w in model.get_weights()])
    optimizer = ke.RandomBases(keras.optimizers.SGD(1.0), DIMENSIONS, seed=3, redraw=redraw)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    group = ke.training.CoordinateWorkers(model, optimizer, loss, independent)
    for x, y in batches():
        own = slice(rank * BATCH, (rank + 1) * BATCH)
        group.step(x[own], y[own])
    group.update_model()
    arrays = (group._divided(x[own]), group._divided(y[own]))
    return weights(model), group._step.lower(group._state, *arrays).compile().as_text()


def alone(redraw):
    """Weights after training in this process with the whole batches."""
    model = build()
    optimizer = ke.RandomBases(keras.optimizers.SGD(1.0), DIMENSIONS, seed=3, redraw=redraw)
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False)
    for x, y in batches():
        model.train_on_batch(x, y)
    return weights(model)


def received_bytes(text):
    """Bytes of the results of all operations that exchange something."""
    pattern = re.compile(r"= \(?(\w\d+)\[([\d,]*)\]\S* (all-reduce|all-gather|all-to-all|collective-permute|reduce-sc)")
    found = pattern.findall(text)
    return sum(int(kind[1:]) // 8 * int(np.prod([int(n) for n in shape.split(",") if n])) for kind, shape, _ in found)


def main():
    rank, port = int(sys.argv[1]), sys.argv[2]
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(f"localhost:{port}", num_processes=2, process_id=rank)
    figures = {}
    for way, redraw, independent in (("shared", 1, False), ("fixed", 0, False), ("independent", 1, True)):
        theta, text = together(rank, redraw, independent)
        figures[way] = {"checksum": zlib.crc32(theta.tobytes()), "bytes": received_bytes(text), "weights": len(theta)}
        if not independent:
            figures[way]["difference"] = float(np.abs(theta - alone(redraw)).max())
    sys.stdout.write(json.dumps(figures))


if __name__ == "__main__":
    main()
