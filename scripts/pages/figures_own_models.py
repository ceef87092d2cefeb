"""Tables of figures: models of one's own."""

from measuring.results import figures
from pages.conditions import data_name
from pages.tables import Table, mean_and_sd

CALIBRATED = {
    "mnist_cnn": "CNN with batch normalization, MNIST",
    "speech": "1-D separable convolutions, spoken digits",
    "autoencoder": "autoencoder with skips, noisy Fashion-MNIST (dB)",
    "mobile_v3": f"hard swish and squeeze-and-excite, {data_name('CIFAR-10')}",
}
LABELS = {
    "batch_norm_cnn": "CNN with batch normalization, MNIST",
    "small_residual": "residual network, MNIST",
    "depthwise_separable": "depthwise-separable network, MNIST",
    "signal_cnn": "1-D network, made-up spoken commands",
    "resnet8": f"ResNet-8 of MLPerf Tiny, {data_name('CIFAR-10')}",
}

TINY = {
    "resnet8": f"ResNet-8, {data_name('CIFAR-10')}",
    "speech_number": "spoken digits, raw samples; split by number, as its authors do",
    "speech_speaker": "the same; the speaker of the test was not heard before",
}


def own_model_tables():
    found = figures("own_models")
    summary = found["summary"]
    rows = [
        [
            f"{LABELS.get(name, name)}{amount(found['runs'][f'{name}/0/float'])}",
            f"{mean_and_sd(row['float'])} ({mean_and_sd(row['float_longer'])})",
            *(mean_and_sd(row[f"int{bits}"]) for bits in (8, 4)),
            *(memory(row[f"int{bits}"]) for bits in (8, 4)),
        ]
        for name, row in summary.items()
    ]
    headings = ["network", "float", "8 bits", "4 bits", "bytes at 8 bits", "bytes at 4 bits"]
    widths = [row[f"int{bits}"] for row in summary.values() for bits in (8, 4)]
    equal, samples = (sum(width[key] for width in widths) for key in ("samples_equal_in_c", "samples_in_c"))
    title = (
        "`quantize_model`, one seed: test accuracy in % (float in parentheses: trained as long as the quantized ones); "
        f"bytes of weights + arena, and the arena of a greedy planner; {equal:,} of {samples:,} outputs of the C equal "
        "the integer model's"
    )
    yield Table(title, "own_models.py", headings, rows)
    yield litert_table(summary["resnet8"])
    yield tiny_table(figures("mlperf_tiny")["summary"])
    yield calibration_table(figures("compare_calibration")["summary"])


def amount(run):
    """What a network was trained on."""
    return f", {run['settings']['images']:,} images, {run['settings']['epochs']} epochs"


def memory(width):
    """Bytes of weights and arena."""
    return f"{width['weight_bytes']:,} + {width['arena_bytes']:,} (greedy {width['greedy_bytes']:,})"


def litert_table(row):
    ours, litert = row["int8"], row["litert"]
    rows = [
        ["the C of this package", f"{ours['arena_bytes']:,}", mean_and_sd(ours)],
        ["LiteRT", f"{litert['arena_activation_bytes']:,}", f"{100 * litert['accuracy']:.2f}"],
    ]
    data = data_name("CIFAR-10")
    title = f"ResNet-8, 8 bits on both sides, {data}, barely trained: RAM of the maps, and test accuracy in %"
    return Table(title, "own_models.py", ["", "bytes", "accuracy"], rows)


def tiny_table(summary):
    """Networks that were trained in full."""
    rows = [
        [
            f"{TINY[name]}, {seeds_of(row['float']['accuracy'])}",
            *(percent(row[kind]["accuracy"]) for kind in ("float", "float_litert", "int8", "int4")),
            *(f"{row[f'int{bits}']['weight_bytes']:,} + {row[f'int{bits}']['arena_bytes']:,}" for bits in (8, 4)),
            " / ".join(f"{row[f'int{bits}_cortex_m4']['instructions'] / 1e6:.2f}" for bits in (8, 4)),
        ]
        for name, row in summary.items()
    ]
    headings = ["network", "float", "LiteRT int8, calibrated", "8 bits", "4 bits", "bytes at 8 bits", "bytes at 4 bits"]
    equal, samples = (
        sum(row[f"int{bits}_c"][key] for row in summary.values() for bits in (8, 4))
        for key in ("samples_equal_in_c", "samples")
    )
    title = (
        "Trained in full, weights of the last epoch, test accuracy in % through the integers (mean and standard "
        "deviation over the seeds); bytes of weights + arena; million instructions on a Cortex-M4, simulated, at 8 / 4 "
        f"bits; {equal:,} of {samples:,} outputs of the C of the first seed equal the integer model's"
    )
    return Table(title, "mlperf_tiny.py", [*headings, "instructions"], rows)


def seeds_of(accuracy):
    count = len(accuracy["each"])
    return "1 seed" if count == 1 else f"{count} seeds"


def percent(accuracy):
    """Mean and standard deviation; of one seed there is none."""
    mean = f"{100 * accuracy['mean']:.2f}"
    return mean if len(accuracy["each"]) == 1 else f"{mean} ± {100 * accuracy['sd']:.2f}"


def calibration_table(summary):
    """Accuracy after calibration alone, beside LiteRT's."""
    kinds = ("float", "litert", "ours", "tuned", "ours_less_litert", "tuned_less_litert")
    rows = [
        [CALIBRATED[name], *(mean_and_sd(row[kind], percent=False) for kind in kinds)] for name, row in summary.items()
    ]
    headings = ["network", "float", "LiteRT int8", "ours", "ours, tuned", "ours - LiteRT", "tuned - LiteRT"]
    title = (
        "8 bits, calibrated with 512 training inputs, LiteRT with the same float networks and inputs: test accuracy in "
        "%, of the autoencoder the peak signal-to-noise ratio in dB; tuned: ours after two epochs in which scales learn"
    )
    return Table(title, "compare_calibration.py", headings, rows)
