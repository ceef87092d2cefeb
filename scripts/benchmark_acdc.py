"""How many times faster ACDC is than a Keras Dense layer of the same size, on the CPU.

Both layers compute in one process, in turn, compiled: XLA on TensorFlow, jit on JAX. A figure is the median over the
rounds of the ratio Dense time / ACDC time, with its range. "forward" is the layer's output, "gradients" the output and
the gradients of its sum of squares for the input and all weights. "stack" is twelve layers against one Dense.

    KERAS_BACKEND=tensorflow python scripts/benchmark_acdc.py [--quick]
    KERAS_BACKEND=jax python scripts/benchmark_acdc.py [--quick]
"""

import argparse
import statistics
import time

import keras
import numpy as np

import keras_efficient as ke
from measuring.results import write_results

_STACK_DEPTH = 12
# (size, batch)
_CASES = ((512, 128), (1024, 1), (1024, 128), (2048, 128), (4096, 1), (4096, 128), (8192, 1), (8192, 128))
_QUICK_CASES = ((512, 128), (1024, 128))


def layers_of(size):
    """The sides that take turns, the dense layer first."""
    sides = {
        "dense": keras.layers.Dense(size),
        "dct": ke.ACDC(),
        "dct_random": ke.ACDC(permutation="random"),
        "dct2d": ke.ACDC("dct2d"),
        "stack_dct": ke.ACDCDense(size, _STACK_DEPTH),
        "stack_dct2d": ke.ACDCDense(size, _STACK_DEPTH, "dct2d"),
    }
    for layer in sides.values():
        layer.build((None, size))
    return sides


def compiled(layer, with_gradients):
    """A function of an input that computes on the running backend, and waits for the result."""
    make = {"tensorflow": _compiled_tensorflow, "jax": _compiled_jax}[keras.backend.backend()]
    return make(layer, with_gradients)


def _compiled_tensorflow(layer, with_gradients):
    import tensorflow as tf

    variables = [variable.value for variable in layer.trainable_variables]

    @tf.function(jit_compile=True)
    def compute(x):
        if not with_gradients:
            return layer(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x) ** 2)
        return tape.gradient(loss, [x, *variables])

    def run(x):
        # Reading one number waits for the computation.
        tensors = compute(x)
        last = tensors[-1] if with_gradients else tensors
        return np.asarray(tf.reshape(last, [-1])[0])

    return run


def _compiled_jax(layer, with_gradients):
    import jax

    values = [variable.value for variable in layer.trainable_variables]

    def output(x, values):
        return layer.stateless_call(values, [], x)[0]

    def loss(x, values):
        return (output(x, values) ** 2).sum()

    compute = jax.jit(jax.grad(loss, argnums=(0, 1)) if with_gradients else output)
    return lambda x: jax.block_until_ready(compute(x, values))


def compare(size, batch, with_gradients, rounds):
    """Figures of each side: milliseconds (median), and times the speed of the dense layer."""
    x = keras.ops.convert_to_tensor(np.random.default_rng(0).normal(size=(batch, size)).astype("float32"))
    runs = {name: compiled(layer, with_gradients) for name, layer in layers_of(size).items()}
    for run in runs.values():
        run(x), run(x)
    seconds = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            started = time.perf_counter()
            run(x)
            seconds[name].append(time.perf_counter() - started)
    return {name: figures(seconds["dense"], own) for name, own in seconds.items()}


def figures(dense, own):
    """The median, and the ratios of neighbours."""
    ratios = [a / b for a, b in zip(dense, own, strict=True)]
    return {
        "milliseconds": 1000 * statistics.median(own),
        "times_dense": statistics.median(ratios),
        "times_dense_range": [min(ratios), max(ratios)],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer sizes and rounds")
    arguments = parser.parse_args()
    cases, rounds = (_QUICK_CASES, 3) if arguments.quick else (_CASES, 31)
    backend = keras.backend.backend()
    results = {}
    for size, batch in cases:
        for kind in ("forward", "gradients"):
            key = f"{kind}_{size}_batch_{batch}"
            results[key] = compare(size, batch, kind == "gradients", rounds)
            row = {name: round(values["times_dense"], 1) for name, values in results[key].items()}
            print(key, f"dense {results[key]['dense']['milliseconds']:.1f} ms, times dense:", row, flush=True)
    write_results(f"benchmark_acdc_{backend}", results, quick=arguments.quick)


if __name__ == "__main__":
    main()
