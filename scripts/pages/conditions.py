"""What the figures of the pages depend on, in words that are made of results/*.json."""

import statistics

from measuring.results import figures, record

JPEG = """CIFAR-10 (JPEG) was read from images stored
as JPEG, whose pixels are close to those of CIFAR-10, not equal: its accuracies are compared with each other, not with
published ones."""


def measured_on(*names):
    """The dates of records, each once."""
    return ", ".join(sorted({record(name)["date"][:10] for name in names}))


def data_name(name):
    """The name of a data set or of a row that ends with it; CIFAR-10 with the form that it was read in."""
    return f"{name} (JPEG)" if name.lower().endswith(("cifar10", "cifar-10")) else name


def arenas():
    """Random networks, those whose arena is the price, those above it, and by how many bytes at most."""
    found = figures("fuzz_firmware")
    equal, below = found["arena_equals_prediction"], found["arena_below_prediction"]
    return found["networks"], equal, found["networks"] - equal - below, found["most_bytes_above_prediction"]


def more_than_predicted():
    """Random networks whose arena is the price, and those above it where there are any."""
    networks, equal, above, most = arenas()
    return f"{equal} of {networks}" + (f"; {above} more, by up to {most} bytes" if above else "")


def arena_sentence():
    """How the C's memory compares with the price."""
    networks, equal, above, most = arenas()
    more = f", more in {above}, by up to {most} bytes" if above else ""
    return (
        f"Of {networks} random networks ({measured_on('fuzz_firmware')}), the arena of the C is the predicted bytes in "
        f"{equal}{more}."
    )


def demo_picture(path):
    """The picture of the demo's report, and what its seed is among the others.

    Made by `keras-efficient train --seed N --out RUN`, then of RUN/report.html by `chromium --headless
    --hide-scrollbars --window-size=1056,768 --force-device-scale-factor=0.72 --screenshot`.
    """
    found = figures("demo")
    runs = found["runs"]
    median = statistics.median(run["test_accuracy"] for run in runs)
    typical = min(runs, key=lambda run: abs(run["test_accuracy"] - median))
    first, rank = runs[0], sorted((run["test_accuracy"] for run in runs), reverse=True).index(runs[0]["test_accuracy"])
    place = "the best of them" if rank == 0 else f"number {rank + 1} of them"
    title = f"The report of the demo, seed {typical['seed']}: {typical['total_bytes']:,.0f} bytes, "
    title += f"{typical['test_accuracy']:.2%} on test data"
    return (
        f"![{title}]({path})\n"
        f"*Seed {typical['seed']}, a median one: {typical['test_accuracy']:.2%} of the test images. All {len(runs)} "
        f"seeds: {found['test_accuracy_mean']:.2%} ± {100 * found['test_accuracy_sd']:.2f} (mean, standard deviation). "
        f"Seed {first['seed']}, which the command takes, is {place}: {first['test_accuracy']:.2%}.*"
    )
