"""The rows of the README's table about pruning; see readme_tables.py."""

from _results import ROOT, figures


def pruning_rows():
    """The figures of recipes and of pruned firmware: those whose results are there."""
    for name in ("penguins", "fashion_mnist", "cifar10", "flowers"):
        for which in (f"pruning_{name}", f"pruning_{name}_sparsities"):
            if (ROOT / "results" / f"{which}.json").exists():
                yield from recipe_rows(name.replace("_", "-"), figures(which))
    if (ROOT / "results" / "pruned_firmware.json").exists():
        yield firmware_row()


def recipe_rows(name, found):
    """A row for each comparison of a data set."""
    training = found["training"]
    for title, comparison in found.items():
        if title == "training":
            continue
        baseline, *others = comparison["rows"]
        size = size_of(training)
        seconds = f", {baseline['seconds_per_training']:.2f} s a training" if name == "penguins" else ""
        yield (
            f"Pruning, {name}, {title}, {training['seeds']} paired seeds, epochs: {baseline['epochs']}{size}{seconds}: "
            "test loss of the unpruned network; differences to it, mean ± standard error (wins); of recipes that train "
            "twice as long, to the unpruned network trained as long",
            f"{baseline['loss']:.3f} ± {baseline['loss_deviation']:.3f}; {', '.join(map(difference, others))}",
            "pruning_recipes.py",
        )


def size_of(training):
    """What was taken of the study's network and images."""
    parts = [f"{training['width']:g} of its filters"] if training.get("width", 1) != 1 else []
    parts += [f"{training['images']:,} images"] if "images" in training else []
    parts += [f"of {training['image_size']} x {training['image_size']}"] if "image_size" in training else []
    return "".join(f", {part}" for part in parts)


def difference(row):
    """A variant against its control: the last one that it is compared with."""
    control = [key for key in row if key.startswith("against")][-1]
    against = row[control]
    return f"{row['variant']} {against['mean']:+.3f} ± {against['standard_error']:.3f} ({against['wins']})"


def firmware_row():
    """Weights, decoder and cycles of pruned networks."""
    networks = figures("pruned_firmware")["networks"]
    cells = (
        f"{network['sparsity']:.0%}: {network['weights_ratio']:.2f}, {network['decoder_bytes']} bytes, "
        f"{network['sparse']['mean_cycles'] / network['dense']['mean_cycles']:.1f} times the cycles"
        for network in networks
    )
    return (
        "A pruned 4-bit network of the digits as C on an ATmega328P (simulated), bit-exact: bytes of weights against "
        "the dense export's, code of the decoder, cycles against the dense export's",
        "; ".join(cells),
        "measure_pruned_firmware.py",
    )
