"""The rows of the README's table about compact layers and options; see readme_tables.py."""

from _results import ROOT, figures


def structured_rows():
    """The figures of the layers with structure: those whose results are there."""
    makers = {
        "mnist_options": lambda: [option_row()],
        "benchmark_acdc_tensorflow": acdc_speed_rows,
        "acdc_mnist": acdc_mnist_rows,
        "acdc_approximation": approximation_rows,
        "acdc_cifar": acdc_cifar_rows,
        "acdc_litert": lambda: [acdc_litert_row()],
        "benchmark_kronecker": lambda: [kronecker_speed_row()],
        "benchmark_tinybig": lambda: [tinybig_row()],
        "mnist_lphm": lphm_rows,
    }
    for name, make in makers.items():
        if (ROOT / "results" / f"{name}.json").exists():
            yield from make()


def acdc_speed_rows():
    """ACDC against Dense."""
    found = {name: figures(f"benchmark_acdc_{name}") for name in ("tensorflow", "jax")}
    for kind, label in (("forward", "forward"), ("gradients", "forward and backward")):
        cells = []
        for size, batch in ((1024, 128), (4096, 1), (4096, 128), (8192, 128)):
            sides = [found[name][f"{kind}_{size}_batch_{batch}"] for name in found]
            numbers = ["/".join(f"{side[t]['times_dense']:.1f}" for t in ("dct", "dct2d")) for side in sides]
            cells.append(f"{size} (batch {batch}) {', '.join(numbers)}")
        yield (
            f"One ACDC layer against Dense of the same size, {label}, times faster by transform (dct/dct2d), on "
            "TensorFlow (XLA), JAX",
            "; ".join(cells),
            "benchmark_acdc.py",
        )
    twelve = [
        "/".join(f"{sides['forward_8192_batch_128'][f'stack_{t}']['times_dense']:.1f}" for t in ("dct", "dct2d"))
        for sides in found.values()
    ]
    yield (
        "12 ACDC layers against one Dense, size 8192, batch 128, forward, times faster (dct/dct2d), TensorFlow, JAX",
        ", ".join(twelve),
        "benchmark_acdc.py",
    )


def acdc_mnist_rows():
    """ACDC layers and nothing else."""
    for name, network in figures("acdc_mnist")["summary"].items():
        if "test" not in network:
            continue
        row = network["test"][network["chosen"]]
        yield (
            f"MNIST, {name.replace('_', ' ')} of ACDC and no dense layer, {network['parameters']:,} parameters: test "
            f"accuracy after the last epoch, mean ± standard deviation of {len(row['each'])} seeds",
            f"{row['mean']:.2%} ± {100 * row['sd']:.2f}",
            "acdc_mnist.py",
        )


def approximation_rows():
    """Section 6.1 of the ACDC paper."""
    found = figures("acdc_approximation")
    if "depths" in found:
        losses = (f"{k} {found['depths'][f'N(1, 0.06), random, K={k}']['median']:.4f}" for k in (1, 2, 4, 8, 16, 32))
        yield (
            "A random 32 x 32 matrix by K layers of ACDC with permutations: median loss of ten by K (research log: "
            ".0399 to .0098)",
            ", ".join(losses),
            "acdc_approximation.py",
        )
    if "long" in found:
        yield (
            "The same, K = 32, ten times the steps: median loss of ten",
            f"{found['long']['median']:.2g}",
            "acdc_approximation.py",
        )

    if "kinds" in found:
        half = {key: row["mean"] for key, row in found["kinds"].items() if row["parameters"] == 512 and "N=32" in key}
        losses = (f"{key.split(',')[0]} {half[key]:.4f}" for key in sorted(half, key=half.get))
        yield (
            "A random 32 x 32 matrix by 512 numbers (half of its own) in layers of each kind (layers, groups or rank): "
            "mean loss of ten",
            ", ".join(losses),
            "acdc_approximation.py",
        )


def acdc_cifar_rows():
    """An ACDC network on CIFAR-10, from scratch and taught."""
    found = figures("acdc_cifar")
    if "distillation" not in found["summary"]:
        return
    settings = found["runs"]["distillation/scratch/0"]["settings"]
    cells = (
        f"{name} {row['mean']:.2%} ± {100 * row['sd']:.2f}" for name, row in found["summary"]["distillation"].items()
    )
    yield (
        f"CIFAR-10, WRN(10, 1), {settings['images']:,} images, {settings['epochs']} epochs: test accuracy, mean ± "
        "standard deviation of 3 seeds: dense convolutions; ACDC from scratch; ACDC with attention transfer",
        ", ".join(cells),
        "acdc_cifar.py",
    )


def acdc_litert_row():
    """ACDC layers as int8 files."""
    found = figures("acdc_litert")
    errors = {key: row["error"] for key, row in found.items()}
    cells = (
        f"{k} {errors[f'dct, {k} layers, linear']:.3f} ({errors[f'dct2d, {k} layers, linear']:.3f})"
        for k in (1, 2, 4, 12)
    )
    return (
        "LiteRT int8 of linear ACDC stacks, N = 64, unit variance, folded: root mean squared error by layers (dct2d, "
        "not folded)",
        ", ".join(cells),
        "measure_acdc_litert.py",
    )


def kronecker_speed_row():
    """Kronecker layers against Dense."""
    found = figures("benchmark_kronecker")["sizes"]
    names = {"lphm_rank_8": "LPHM rank 8", "dual_lphm_rank_8": "dual LPHM rank 8", "phm_8_terms": "8 terms"}
    cells = (
        f"{size} "
        + ", ".join(f"{label} {sides[name]['forward_backward']['times_faster']:.0f}" for name, label in names.items())
        for size, sides in found.items()
        if int(size) >= 4096
    )
    return (
        "Kronecker layers against Dense of the same size, batch 64, forward and backward, times faster (TensorFlow)",
        "; ".join(cells),
        "benchmark_kronecker.py",
    )


def option_row():
    """What options beyond the paper bring."""
    found = figures("mnist_options")["options"]
    gains = (
        f"{name} {100 * option['difference']['mean']:+.2f} ± {100 * option['difference']['sd']:.2f}"
        for name, option in found.items()
        if name != "plain"
    )
    return (
        "Options against the plain protocol in short, the study's network: points of MNIST test accuracy, mean ± "
        "standard deviation of the paired differences, 3 seeds",
        f"{', '.join(gains)} (plain {found['plain']['test_accuracy']['mean']:.2%})",
        "measure_options.py",
    )


def tinybig_row():
    """A training step against the package tinyBIG."""
    found = figures("benchmark_tinybig")
    times = {name: f"{side['times_faster']:.0f}" for name, side in found.items() if "times_faster" in side}
    memory = found["tinybig_package"]["added_megabytes"] / found["torch_tinybig"]["added_megabytes"]
    return (
        "A training step of tinyBIG's 9,330-parameter network, the same function, against tinyBIG: times faster on "
        "TensorFlow (XLA), JAX, PyTorch; memory that training adds, PyTorch",
        f"{times['tensorflow_tinybig']} ({times['tensorflow_tinybig_jit']}), {times['jax_tinybig_jit']}, "
        f"{times['torch_tinybig']}; 1/{memory:.0f}",
        "benchmark_tinybig.py",
    )


def lphm_rows():
    """Accuracies of the networks with Kronecker factors."""
    summary = figures("mnist_lphm")["summary"]
    for network, parameters in (("tinybig", 9330), ("kronecker_sum", 8778), ("kronecker_sum_inner_norm", 8778)):
        if "test" not in summary.get(network, {}):
            continue
        parts = (
            f"{name} {row['mean']:.2%} ± {100 * row['sd']:.2f}"
            for part, rows in summary[network].items()
            if part.startswith("test")
            for name, row in ((f"{name}{part[4:].replace('_', ' ')}", row) for name, row in rows.items())
        )
        yield (
            f"MNIST, network {network} of {parameters:,} parameters: test accuracy after the last epoch, mean ± "
            "standard deviation of the seeds, by recipe",
            ", ".join(parts),
            "mnist_lphm.py",
        )
