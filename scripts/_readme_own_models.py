"""The rows of the README's table about models of one's own; see readme_tables.py."""

from _results import ROOT, figures

LABELS = {
    "batch_norm_cnn": "CNN with batch normalization, MNIST",
    "small_residual": "residual network, MNIST",
    "depthwise_separable": "depthwise-separable network, MNIST",
    "signal_cnn": "1-D network, made-up spoken commands",
    "resnet8": "ResNet-8 of MLPerf Tiny, CIFAR-10",
}


def own_model_rows():
    """The figures of `quantize_model`: those whose results are there."""
    if not (ROOT / "results" / "own_models.json").exists():
        return
    for name, row in figures("own_models")["summary"].items():
        widths = [row[f"int{bits}"] for bits in (8, 4)]
        equal, samples = (sum(width[key] for width in widths) for key in ("samples_equal_in_c", "samples_in_c"))
        seeds = len(row["float"]["each"])
        yield (
            f"`quantize_model`, {LABELS.get(name, name)}, {seeds} seed{'s' * (seeds > 1)}: test accuracy float "
            "(trained as long as the quantized ones), 8 bits, 4 bits; bytes of weights + arena (a greedy planner's); "
            "outputs of the C equal to the integer model's",
            f"{row['float']['mean']:.2%} ({row['float_longer']['mean']:.2%}), {widths[0]['mean']:.2%}, "
            f"{widths[1]['mean']:.2%}; {cells(widths)}; {equal:,} of {samples:,}",
            "own_models.py",
        )
        if "litert" in row:
            litert = row["litert"]
            yield (
                f"{LABELS.get(name, name)}, 8 bits: RAM of the maps as priced and exported; LiteRT int8 of the "
                "same network, and its test accuracy",
                f"{widths[0]['arena_bytes']:,} bytes; {litert['arena_activation_bytes']:,} bytes "
                f"({litert['arena_source'].split(':')[0]}), {litert['accuracy']:.2%}",
                "own_models.py",
            )


def cells(widths):
    """Bytes of weights and arena by width."""
    return ", ".join(
        f"{width['weight_bytes']:,} + {width['arena_bytes']:,} ({width['greedy_bytes']:,})" for width in widths
    )
