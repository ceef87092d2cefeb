"""Tables of figures: layers with structure."""

import itertools

from measuring.results import figures
from pages.conditions import data_name
from pages.figures_compact import compact_table
from pages.tables import Table, mean_and_sd

TRANSFORMS = ("dct", "dct2d")
KINDS = {"forward": "forward", "gradients": "forward and backward"}


def structured_tables():
    yield acdc_speed_table()
    yield kronecker_speed_table()
    yield tinybig_table()
    yield accuracy_table()
    yield depth_table()
    yield kinds_table()
    yield cifar_table()
    yield litert_table()
    yield compact_table()


def acdc_speed_table():
    sides = {name: figures(f"benchmark_acdc_{key}") for name, key in (("TensorFlow", "tensorflow"), ("JAX", "jax"))}
    rows = [
        [
            size,
            batch,
            KINDS[kind],
            *cells(sides, kind, size, batch),
        ]
        for size, batch in (("1024", "128"), ("4096", "1"), ("4096", "128"), ("8192", "128"))
        for kind in KINDS
    ]
    for size, (kind, label) in itertools.product(("4096", "8192"), KINDS.items()):
        rows.append([size, "128", f"12 layers, {label}", *cells(sides, kind, size, "128", "stack_")])
    headings = ["size", "batch", "what", *(f"{name}, {transform}" for name in sides for transform in TRANSFORMS)]
    title = (
        "One `ACDC` layer, or twelve (`ACDCDense`), against one `Dense` of its size: times faster (below 1: slower); "
        "`dct` is the default"
    )
    return Table(title, "benchmark_acdc.py", headings, rows)


def cells(sides, kind, size, batch, of=""):
    """Both transforms on both backends, of one layer or of a stack."""
    return [
        cell(found[f"{kind}_{size}_batch_{batch}"], f"{of}{name}") for found in sides.values() for name in TRANSFORMS
    ]


def cell(sides, name):
    return f"{sides[name]['times_dense']:.1f}"


def kronecker_speed_table():
    names = {
        **{"phm_8_terms": "`PHMDense`, 8 terms", "low_rank_8": "`LowRankDense`, rank 8"},
        **{"lphm_rank_8": "`LPHMDense`, rank 8", "dual_lphm_rank_8": "`DualLPHMDense`, rank 8"},
        "monarch": "`MonarchDense`, 32 to 64 blocks",
    }
    sizes = figures("benchmark_kronecker")["sizes"]
    rows = [
        [label, *(f"{sides[name]['forward_backward']['times_faster']:.1f}" for sides in sizes.values())]
        for name, label in names.items()
        if all(name in sides for sides in sizes.values())  # a layer that is newer than the record has no row yet
    ]
    title = (
        "Kronecker, low-rank and Monarch layers against `Dense` of their size, batch 64, forward and backward: times "
        "faster (TensorFlow)"
    )
    return Table(title, "benchmark_kronecker.py", ["layer", *sizes], rows, "benchmark_kronecker")


def tinybig_table():
    found = figures("benchmark_tinybig")
    theirs = found["tinybig_package"]["added_megabytes"]
    rows = [
        [
            name.replace("_tinybig", "").replace("_", ", "),
            f"{found[name]['times_faster']:.0f}",
            f"{theirs / found[name]['added_megabytes']:.0f}",
        ]
        for name in ("tensorflow_tinybig", "tensorflow_tinybig_jit", "jax_tinybig_jit", "torch_tinybig")
    ]
    title = "A training step of tinyBIG's 9,330-parameter network, the same function, against the package tinyBIG"
    return Table(title, "benchmark_tinybig.py", ["backend", "times faster", "times less memory added"], rows)


def accuracy_table():
    rows = []
    for name, network in figures("acdc_mnist")["summary"].items():
        if "test" in network:
            row = network["test"][network["chosen"]]
            label = f"ACDC alone, {name.replace('_', ' ')}"
            rows.append([label, f"{network['parameters']:,}", network["chosen"], mean_and_sd(row)])
    summary = figures("mnist_lphm")["summary"]
    for network, parameters in (("tinybig", 9330), ("kronecker_sum", 8778), ("kronecker_sum_inner_norm", 8778)):
        for part, tested in summary.get(network, {}).items():
            if part.startswith("test"):
                width = part.removeprefix("test").replace("_", " ")
                rows += [
                    [network, f"{parameters:,}", f"{recipe}{width}", mean_and_sd(row)] for recipe, row in tested.items()
                ]
    title = "MNIST by structured layers alone, test accuracy after the last epoch in %, 3 seeds"
    return Table(title, "acdc_mnist.py`, `mnist_lphm.py", ["network", "parameters", "recipe", "accuracy"], rows)


def depth_table():
    found = figures("acdc_approximation")
    log = {1: "0.0399", 32: "0.0098"}
    rows = [
        [str(k), f"{found['depths'][f'N(1, 0.06), random, K={k}']['median']:.4f}", log.get(k, "")]
        for k in (1, 2, 4, 8, 16, 32)
    ]
    rows.append(["32, ten times the steps", f"{found['long']['median']:.2g}", ""])
    title = "A random 32 x 32 matrix by K layers of ACDC with permutations: median loss of ten"
    return Table(title, "acdc_approximation.py", ["K", "here", "research log"], rows)


def kinds_table():
    found = figures("acdc_approximation")["kinds"]
    half = {key: row["mean"] for key, row in found.items() if row["parameters"] == 512 and "N=32" in key}
    rows = [[key.split(",")[0].replace("_", " "), f"{half[key]:.4f}"] for key in sorted(half, key=half.get)]
    title = "A random 32 x 32 matrix by 512 numbers, half of its own: mean loss of ten by kind (layers, groups or rank)"
    return Table(title, "acdc_approximation.py", ["layers", "loss"], rows)


def cifar_table():
    found = figures("acdc_cifar")
    settings = found["runs"]["distillation/scratch/0"]["settings"]
    rows = [[name, mean_and_sd(row)] for name, row in found["summary"]["distillation"].items()]
    title = (
        f"{data_name('CIFAR-10')}, WRN(10, 1), {settings['images']:,} images, {settings['epochs']} epochs, 3 seeds: "
        "test accuracy in % of dense convolutions, of ACDC from scratch, and of ACDC with attention transfer"
    )
    return Table(title, "acdc_cifar.py", ["network", "accuracy"], rows)


def litert_table():
    found = figures("acdc_litert")
    rows = [
        [str(k), *(f"{found[f'{transform}, {k} layers, linear']['error']:.3f}" for transform in TRANSFORMS)]
        for k in (1, 2, 4, 12)
    ]
    title = "LiteRT int8 of linear ACDC stacks, N = 64, unit variance: root mean squared error"
    return Table(title, "measure_acdc_litert.py", ["layers", "dct, folded", "dct2d, not folded"], rows)
