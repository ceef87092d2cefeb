"""How well stacks of ACDC layers and their kin approximate a dense matrix, and how large a stack is at the start.

Section 6.1 of the ACDC paper: inputs x of N numbers, uniform in [0, 1]; a target matrix W* with entries uniform in
[-1, 1] / sqrt(N); the loss is the mean of the squared error (x W - x W*)^2 over outputs and 10,000 inputs, computed
exactly through the second moments of the inputs. Linear layers without biases, Adam with a cosine rate, the gradient
clipped to norm 1. Every setting is fitted for several targets and starts at once (`jax.vmap` over Keras layers).

* depths: N = 32, K = 1 to 32 layers, for each initialization and permutation; the research log's values beside them.
* long: K = 32 with a random permutation, many steps.
* kinds: N = 32 and 64, every layer kind of the log, below and above N^2 parameters, mean of the replicates.
* start: deviation of the entries of the stack's matrix against Glorot's, N = 4 to 256, with and without the inner
  riffle, and a picture of the matrices.

    KERAS_BACKEND=jax python scripts/acdc_approximation.py [--parts depths,long,kinds,start] [--quick]

Leaves results/acdc_approximation.json and results/acdc_approximation_*.svg.
"""

import argparse
import functools
import os
import statistics

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import jax.numpy as jnp
import keras
import matplotlib.pyplot as plt
import numpy as np

import keras_efficient as ke
from measuring.results import RESULTS, earlier_figures, write_results

DEPTHS = (1, 2, 4, 8, 16, 32)
# Of the research log: the loss at N = 32 by depth, mean of ten.
LOG = {
    "random": (0.0399, 0.0220, 0.0166, 0.0130, 0.0120, 0.0098),
    "riffle": (0.0374, 0.0223, 0.0164, 0.0150, 0.0142, 0.0135),
    "none": (0.0427, 0.0219, 0.0164, 0.0167, 0.0192, 0.0216),
}
STARTS = {"N(1, 0.01)": (1.0, 0.01), "N(1, 0.06)": (1.0, 0.06), "N(1, 0.1)": (1.0, 0.1), "N(0, 0.1)": (0.0, 0.1)}
RATE, STEPS, LONG_STEPS = 0.01, 2_000, 20_000


def acdc(depth, permutation, mean, deviation, size=32):
    """A function from a replicate's number to a linear stack of ACDC layers."""

    def make(replicate):
        start = keras.initializers.RandomNormal(mean, deviation, seed=replicate)
        return ke.ACDCDense(
            size, depth, "dct", permutation, None, bias=None, seed=0, diagonal_initializer=start, algorithm="matmul"
        )

    return make


def fit(make, size, replicates, steps, rate=RATE):
    """The loss of each replicate after training, and the parameters of one."""
    layers = [make(replicate) for replicate in range(replicates)]
    for layer in layers:
        layer.build((None, size))
    layer = layers[0]
    random = np.random.default_rng(0)
    x = random.uniform(size=(10_000, size))
    moments = jnp.asarray(x.T @ x / len(x), "float32")
    targets = jnp.asarray(random.uniform(-1, 1, (replicates, size, size)) / np.sqrt(size), "float32")
    fixed = [variable.value for variable in layer.non_trainable_variables]
    values = [[variable.value for variable in one.trainable_variables] for one in layers]
    weights = [jnp.stack(each) for each in zip(*values, strict=True)]

    def loss(weights, target):
        matrix = layer.stateless_call(weights, fixed, jnp.eye(size))[0]
        return jnp.sum((moments @ (matrix - target)) * (matrix - target)) / size

    def clipped(weights, target):
        gradient = jax.grad(loss)(weights, target)
        norm = jnp.sqrt(sum(jnp.sum(part**2) for part in gradient))
        return [part / jnp.maximum(norm, 1.0) for part in gradient]

    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, steps))
    optimizer.build([keras.Variable(value) for value in weights])

    def step(state, _):
        weights, slots = state
        gradients = jax.vmap(clipped)(weights, targets)
        return optimizer.stateless_apply(slots, gradients, weights), None

    slots = [variable.value for variable in optimizer.variables]
    (weights, _), _ = jax.jit(lambda state: jax.lax.scan(step, state, None, length=steps))((weights, slots))
    return [float(value) for value in jax.vmap(loss)(weights, targets)], layer.count_params()


def figures_of(make, size, replicates, steps):
    """Median, mean and deviation of the losses."""
    losses, parameters = fit(make, size, replicates, steps)
    return {
        "parameters": parameters,
        "median": statistics.median(losses),
        "mean": statistics.mean(losses),
        "sd": statistics.pstdev(losses),
        "losses": losses,
    }


def measure_depths(replicates, steps, quick):
    """The figure of section 6.1."""
    found = {}
    for name, start in starts(quick).items():
        for permutation in (None, "riffle", "random"):
            for depth in depths(quick):
                key = f"{name}, {permutation or 'none'}, K={depth}"
                found[key] = figures_of(acdc(depth, permutation, *start), 32, replicates, steps)
                print(key, found[key]["median"], flush=True)
    draw_depths(found, quick)
    return found


def draw_depths(found, quick):
    """Loss against depth; lines of the log are dashed."""
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.6), sharey=True)
    for axis, permutation in zip(axes, ("none", "riffle", "random"), strict=True):
        for name in starts(quick):
            losses = [found[f"{name}, {permutation}, K={depth}"]["median"] for depth in depths(quick)]
            axis.loglog(depths(quick), losses, "o-", label=name)
        axis.loglog(DEPTHS, LOG[permutation], "k--", label="research log")
        axis.set(title=f"permutation: {permutation}", xlabel="layers")
    axes[0].set_ylabel("loss")
    axes[0].legend()
    save(figure, "depths", quick)


def depths(quick):
    return DEPTHS[:2] if quick else DEPTHS


def starts(quick):
    return {name: start for name, start in STARTS.items() if not quick or name == "N(1, 0.06)"}


def measure_kinds(replicates, steps, quick):
    """Every layer kind that the log compares, by its name there."""
    found = {}
    for size in (32,) if quick else (32, 64):
        made = kinds(size, depths(quick))
        for name, make in list(made.items())[:: 4 if quick else 1]:
            found[f"{name}, N={size}"] = figures_of(make, size, replicates, steps)
            print(name, size, found[f"{name}, N={size}"]["parameters"], found[f"{name}, N={size}"]["mean"], flush=True)
    return found


def kinds(size, depths):
    """Functions from a replicate's number to a stack of linear layers."""
    found = {f"ACDC_{depth}": acdc(depth, "random", 1.0, 0.06, size) for depth in depths}
    for depth in depths[:5]:
        found[f"AFDF_{depth}"] = functools.partial(stack, depth, ke.AFDF)
    for depth in (1, 2):
        for groups in (2, 4, 8, 16):
            shuffle = functools.partial(ke.GroupedShuffleDense, size, groups=groups)
            found[f"shuffle_{depth}_{groups}"] = functools.partial(stack, depth, shuffle)
        for groups in (size // 4, size // 2):
            for name, layer in (("block_ACDC", ke.BlockACDC), ("block_AFDF", ke.BlockAFDF)):
                found[f"{name}_{depth}_{groups}"] = functools.partial(
                    stack, depth, functools.partial(layer, groups=groups)
                )
    for rank in (1, 4, 8):
        found[f"low_rank_{rank}"] = functools.partial(stack, 1, functools.partial(ke.LowRankDense, size, rank))
    for terms in (1, 4, 8):
        found[f"phm_{terms}"] = functools.partial(stack, 1, functools.partial(ke.PHMDense, size, terms))
    return found


def stack(depth, make_layer, replicate):
    """`depth` layers one after the other, without biases."""
    keras.utils.set_random_seed(replicate)
    layers = [make_layer(use_bias=False) for _ in range(depth)]
    return keras.Sequential(layers)


def measure_start(replicates, quick):
    """Deviation of the entries of a 16-layer stack at the start, and pictures of single matrices."""
    found, pictures = {}, {}
    for size in (4, 64) if quick else (4, 8, 16, 32, 64, 128, 256):
        for order in ("paper", "inner_riffle"):
            matrices = [np.asarray(start_matrix(size, order, replicate)) for replicate in range(replicates)]
            deviation = statistics.mean(float(matrix.std()) for matrix in matrices)
            mean = statistics.mean(float(matrix.mean()) for matrix in matrices)
            found[f"{order}, N={size}"] = {"deviation": deviation, "mean": mean, "glorot": size**-0.5}
            pictures[order, size] = matrices[0]
    figure, axes = plt.subplots(1, 2, figsize=(8, 4))
    for axis, order in zip(axes, ("paper", "inner_riffle"), strict=True):
        axis.imshow(np.abs(pictures[order, 64]), cmap="magma")
        axis.set(title=f"|W|, 16 layers, N = 64, {order}", xticks=[], yticks=[])
    save(figure, "start", quick)
    return found


def start_matrix(size, order, replicate):
    """x -> y of 16 layers with diagonals N(1, 0.06) and riffles between, as a matrix."""
    x = np.eye(size, dtype="float32")
    for number in range(16):
        start = keras.initializers.RandomNormal(1.0, 0.06, seed=1000 * replicate + number)
        permutation = "riffle" if order == "paper" else None
        layer = ke.ACDC(permutation=permutation, order=order, bias=None, diagonal_initializer=start)
        x = layer(x)
    return x


def save(figure, name, quick):
    """results/acdc_approximation_NAME.svg, the same bytes for the same numbers."""
    plt.rcParams["svg.hashsalt"] = "acdc"
    figure.tight_layout()
    figure.savefig(RESULTS / f"acdc_approximation_{name}{'_quick' * quick}.svg", metadata={"Date": None})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default="depths,long,kinds,start", help="comma-separated")
    parser.add_argument("--replicates", type=int, default=10)
    parser.add_argument("--quick", action="store_true", help="two replicates, 20 steps, one or two layers, some kinds")
    arguments = parser.parse_args()
    replicates, steps, long = (2, 20, 40) if arguments.quick else (arguments.replicates, STEPS, LONG_STEPS)
    parts = {
        "depths": lambda: measure_depths(replicates, steps, arguments.quick),
        "long": lambda: figures_of(acdc(32, "random", 1.0, 0.06), 32, replicates, long),
        "kinds": lambda: measure_kinds(replicates, steps, arguments.quick),
        "start": lambda: measure_start(replicates, arguments.quick),
    }
    figures = earlier_figures("acdc_approximation", arguments.quick) or {}
    for part in arguments.parts.split(","):
        figures[part] = parts[part]()
        write_results("acdc_approximation", figures, list(range(replicates)), arguments.quick, continued=True)


if __name__ == "__main__":
    main()
