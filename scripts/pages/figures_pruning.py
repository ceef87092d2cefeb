"""Tables of figures: pruning."""

from measuring.results import figures, has_record
from pages.conditions import data_name
from pages.tables import Table

DRAWN = ("pruning_fashion_mnist_sparsities",)
TWICE = "What trains twice as long is compared with the unpruned network trained twice as long"
SPARSE = "Static, SET and RigL are sparse from the start, each kernel alike; dynamic prunes them all, in two steps"


def pruning_tables():
    for name in ("penguins", "fashion_mnist", "cifar10", "flowers"):
        for which in (f"pruning_{name}", f"pruning_{name}_sparsities", f"pruning_{name}_regrowth"):
            if has_record(which):
                yield recipe_table(data_name(name.replace("_", "-")), figures(which), which if which in DRAWN else "")
    yield firmware_table()


def recipe_table(name, found, picture):
    """The recipes of a data set against unpruned training, a column for each comparison."""
    training, found = found["training"], {title: each for title, each in found.items() if title != "training"}
    unpruned = next(iter(found.values()))["rows"][0]
    variants = dict.fromkeys(row["variant"] for comparison in found.values() for row in comparison["rows"])
    columns = [{row["variant"]: cell(row) for row in comparison["rows"]} for comparison in found.values()]
    rows = [[variant, *(column.get(variant, "") for column in columns)] for variant in variants]
    title = (
        f"{name}, {training['seeds']} paired seeds, epochs: {training['epochs']}{size_of(training)} (the unpruned "
        f"network has {unpruned['accuracy']:.1%} of the test data right): test loss, and differences to it, "
        "with their standard error and the number of seeds that are better. "
        f"{TWICE if 'one-shot' in variants else SPARSE}"
    )
    return Table(title, "pruning_recipes.py", ["recipe", *found], rows, picture)


def size_of(training):
    """What was taken of the study's network and images."""
    parts = [f"{training['width']:g} of its filters"] if training.get("width", 1) != 1 else []
    parts += [f"{training['images']:,} images"] if "images" in training else []
    parts += [f"of {training['image_size']} x {training['image_size']}"] if "image_size" in training else []
    return "".join(f", {part}" for part in parts)


def cell(row):
    """A variant against its control, the last one that it is compared with; the unpruned network's loss itself."""
    controls = [key for key in row if key.startswith("against")]
    if not controls:
        return f"{row['loss']:.3f} ± {row['loss_deviation']:.3f}"
    against = row[controls[-1]]
    return f"{against['mean']:+.3f} ± {against['standard_error']:.3f} ({against['wins']})"


def firmware_table():
    rows = [
        [
            f"{network['sparsity']:.0%}",
            f"{network['weights_ratio']:.2f}",
            f"{network['decoder_bytes']}",
            f"{network['sparse']['mean_cycles'] / network['dense']['mean_cycles']:.1f}",
        ]
        for network in figures("pruned_firmware")["networks"]
    ]
    title = (
        "A pruned 4-bit network of the digits as C on an ATmega328P (simulated), bit-exact, against the dense "
        "export of the same weights"
    )
    headings = ["zeros", "bytes of weights, ratio", "bytes of decoder", "cycles, ratio"]
    return Table(title, "measure_pruned_firmware.py", headings, rows, "pruned_firmware")
