"""Functions that take turns in one process, and how many times faster one is than another."""

import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import keras

SECONDS = 0.15  # that a turn takes at least


def one_core() -> None:
    """Keep the process on one core, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def in_new_process(function: Callable, *arguments):
    """The result of a function in a process that has computed nothing yet, on one core."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=one_core) as executor:
        return executor.submit(function, *arguments).result()


def forward_step(layer):
    """A function that runs the layer."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(layer)
    if keras.backend.backend() == "jax":
        import jax

        run = jax.jit(lambda weights, x: layer.stateless_call(weights, [], x)[0])
        return lambda x: run([w.value for w in layer.trainable_variables], x)
    return layer


def gradient_step(layer):
    """A function that runs the layer forward and backward, to its weights and its input."""
    return {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}[keras.backend.backend()](layer)


def _tensorflow(layer):
    import tensorflow as tf

    @tf.function
    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_mean(tf.square(layer(x)))
        return tape.gradient(loss, [x, *(w.value for w in layer.trainable_variables)])

    return step


def _jax(layer):
    import jax

    def loss(weights, x):
        return (layer.stateless_call(weights, [], x)[0] ** 2).mean()

    gradient = jax.jit(jax.grad(loss, (0, 1)))
    return lambda x: gradient([w.value for w in layer.trainable_variables], x)


def _torch(layer):
    def step(x):
        x = x.detach().requires_grad_(True)
        (layer(x) ** 2).mean().backward()
        return x.grad

    return step


def wait_for(result) -> None:
    """Block until the result is there."""
    first = result
    while isinstance(first, (list, tuple)):
        first = first[0]
    keras.ops.convert_to_numpy(first)


def seconds_of(step: Callable, x, clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds of one step by the clock, over as many as fill a turn."""
    count, started = 0, clock()
    while count == 0 or clock() - started < SECONDS:
        wait_for(step(x))
        count += 1
    return (clock() - started) / count


def compare(steps: Mapping[str, Callable], x, rounds: int, clock: Callable[[], float] = time.perf_counter) -> dict:
    """Milliseconds of each side, and how many times faster than the first side it is."""
    for step in steps.values():
        wait_for(step(x)), wait_for(step(x))
    taken = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            taken[name].append(seconds_of(step, x, clock))
    first = next(iter(taken.values()))
    return {name: summary(times, first) for name, times in taken.items()}


def summary(own: Sequence[float], other: Sequence[float]) -> dict:
    """The median in milliseconds, and how many times faster than the other side in the same round."""
    ratios = [a / b for a, b in zip(other, own, strict=True)]
    return {
        "milliseconds": round(1000 * statistics.median(own), 3),
        "times_faster": round(statistics.median(ratios), 3),
        "range": [round(min(ratios), 3), round(max(ratios), 3)],
    }
