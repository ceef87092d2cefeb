"""Forward and backward passes of the layers with small factors against Dense, and tinyBIG's network.

Square layers d x d, batch 64, p = q = the power of two below the square root of d; then one training step of tinyBIG's
9,330-parameter network (exact layout, and aligned Kronecker) against a dense one 784-64-64-10. All sides are compiled,
live in one process and take turns; a figure is the median over the rounds of the ratio to Dense in the same round.
The backend is Keras's: set KERAS_BACKEND for JAX or torch (torch runs eagerly).

    python scripts/benchmark_kronecker.py [--quick]
"""

import argparse
import warnings

import keras
import numpy as np

import keras_efficient as ke
from measuring.results import write_results
from measuring.timing import compare, forward_step, gradient_step

BATCH, SEED = 64, 0
SIZES, QUICK_SIZES = (1024, 2048, 4096, 8192), (1024, 4096)


def layers_of(size):
    """The sides of one size, Dense first."""
    root = 2 ** (size.bit_length() // 2)
    sizes = {"p": root, "q": root}
    return {
        "dense": keras.layers.Dense(size),
        "phm_4_terms_square": ke.PHMDense(size, 4, 4, 4),
        "phm_8_terms": ke.PHMDense(size, 8, **sizes),
        "lphm_rank_8": ke.LPHMDense(size, 8, **sizes),
        "dual_lphm_rank_8": ke.DualLPHMDense(size, 8, **sizes),
        "low_rank_8": ke.LowRankDense(size, 8),
        "monarch": ke.MonarchDense(size),
    }


def networks():
    """tinyBIG's network, its aligned Kronecker form, and a plain one with as many units."""

    def taylor(layout):
        shift = layout == "kronecker"
        sizes = ((64, 8, 784 + shift, False), (64, 8, 64 + shift, True), (10, 2, 64 + shift, True))
        return [ke.TaylorDualLPHM(n, 5, p, q, layout=layout, normalize=norm) for n, p, q, norm in sizes]

    dense = [keras.layers.Dense(64, "relu"), keras.layers.Dense(64, "relu"), keras.layers.Dense(10)]
    kinds = {"dense": dense, "tinybig_layout": taylor("tinybig"), "kronecker_layout": taylor("kronecker")}
    return {name: keras.Sequential([keras.Input((784,)), *stack]) for name, stack in kinds.items()}


def compare_layers(size, rounds):
    """Forward, and forward and backward, of all layers of one size."""
    layers = layers_of(size)
    x = keras.random.normal((BATCH, size), seed=SEED)
    for layer in layers.values():
        layer.build((None, size))
    both = compare({name: gradient_step(layer) for name, layer in layers.items()}, x, rounds)
    forward = compare({name: forward_step(layer) for name, layer in layers.items()}, x, rounds)
    return {
        name: {"parameters": layer.count_params(), "forward_backward": both[name], "forward": forward[name]}
        for name, layer in layers.items()
    }


def compare_networks(rounds):
    """A training step (`train_on_batch`) of the networks."""
    random = np.random.default_rng(SEED)
    x, y = random.normal(size=(BATCH, 784)).astype("float32"), random.integers(0, 10, BATCH)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    models = networks()
    for model in models.values():
        model.compile(keras.optimizers.AdamW(2e-3), loss, jit_compile=keras.backend.backend() == "jax")
    steps = {name: lambda x, model=model: np.asarray(model.train_on_batch(x, y)) for name, model in models.items()}
    figures = compare(steps, x, rounds)
    return {name: {"parameters": models[name].count_params(), **figures[name]} for name in models}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two sizes, three rounds")
    quick = parser.parse_args().quick
    warnings.filterwarnings("ignore", message=".*is wasted on")
    keras.utils.set_random_seed(SEED)
    rounds, sizes, backend = (3 if quick else 11), (QUICK_SIZES if quick else SIZES), keras.backend.backend()
    figures = {"backend": backend, "batch": BATCH, "rounds": rounds, "sizes": {}}
    for size in sizes:
        figures["sizes"][str(size)] = compare_layers(size, rounds)
        print(size, {name: side["forward_backward"] for name, side in figures["sizes"][str(size)].items()})
    figures["networks"] = compare_networks(rounds)
    print(figures["networks"])
    name = "benchmark_kronecker" + ("" if backend == "tensorflow" else f"_{backend}")
    print(write_results(name, figures, seeds=[SEED], quick=quick).name)


if __name__ == "__main__":
    main()
