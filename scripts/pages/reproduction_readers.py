"""From the figures of a record to what a claim of REPRODUCTION.md says of them."""

import math
import statistics

from pages.tables import accuracy

REPRODUCED, MISSED, DISPROVED = "reproduced", "not reproduced", "disproved"


def points(ours, theirs):
    """A difference of two shares, in points."""
    return f"{100 * (ours - theirs):+.2f} points"


def chosen_test(found, network):
    """Test accuracy of the recipe that validation chose."""
    row = found["summary"][network]
    return accuracy(row["test"][row["chosen"]])


def equal_steps(found):
    """The loss of 32 layers in the steps of the shorter fits."""
    return found["depths"]["N(1, 0.06), random, K=32"]["median"]


def speeds(found, *names):
    """Times as fast as Dense, of each transform."""
    times = [
        f"{name.removeprefix('stack_')} {found['forward_4096_batch_128'][name]['times_dense']:.1f}" for name in names
    ]
    return f"{', '.join(times)} times as fast"


def pruning(title, variant):
    """The paired difference of a variant to the unpruned network."""

    def read(found):
        row = next(row for row in found[title]["rows"] if row["variant"] == variant)
        against = row["against unpruned"]
        wins = f"better in {against['wins']} of {len(found[title]['seeds'])}"
        text = f"{against['mean']:+.3f} ± {against['standard_error']:.3f}, {wins}"
        equal = row.get("against unpruned, twice as long")
        return f"{text}; to unpruned training as long as its own {equal['mean']:+.3f}" if equal else text

    return read


def final_trials(found):
    """Mean and standard deviation of the test accuracies of the last stage's trials, and that of the one chosen."""
    each = [trial["test_accuracy"] for trial in found["trials"] if trial["stage"] == "freeze_scales"]
    chosen = f"{found['best']['test_accuracy']:.2%} ({found['integer_test_accuracy']:.2%} in C)"
    return f"{statistics.mean(each):.2%} ± {100 * statistics.stdev(each):.2f} of {len(each)}; the chosen one {chosen}"


def medians(found, permutation, depths=(4, 8, 16, 32)):
    """The losses of a 32 x 32 fit by number of layers."""
    losses = [found["depths"][f"N(1, 0.06), {permutation}, K={depth}"]["median"] for depth in depths]
    return f"{', '.join(f'{loss:.4f}' for loss in losses)} (2,000 steps of Adam, medians of ten)"


def wide_fits(found):
    """Losses of the best fits of each kind at N = 64."""
    names = ("ACDC_32", "AFDF_16", "block_AFDF_2_16", "shuffle_2_2")
    return ", ".join(f"{name.replace('_', ' ')} {found['kinds'][f'{name}, N=64']['median']:.4f}" for name in names)


def starts(found):
    """How uneven the entries of 12 layers are at their start, of both orders."""
    orders = ("paper", "inner_riffle")
    each = (
        ", ".join(f"{found['start'][f'{order}, N={size}']['deviation']:.4f}" for size in (4, 16, 64))
        for order in orders
    )
    return "standard deviations at N = 4, 16, 64: {} without, {} with it".format(*each)


def by_rank(found):
    """Validation accuracy of the tinyBIG network by rank."""
    ranks = {
        rank: found["summary"].get(f"tinybig_rank_{rank}", found["summary"]["tinybig"]) for rank in (1, 2, 3, 5, 8)
    }
    each = (f"{rank}: {row['validation']['improved']['mean']:.2%}" for rank, row in ranks.items())
    return f"validation accuracy by rank, improved recipe: {', '.join(each)}"


def variants(title, key):
    """A figure of unpruned, one-shot, lottery ticket and dynamic."""

    def read(found):
        rows = {row["variant"]: row for row in found[title]["rows"]}
        figures = (rows[name][key] for name in ("unpruned", "one-shot", "lottery ticket", "dynamic"))
        training, seeds = found["training"], len(found[title]["seeds"])
        size = f", {training['width']:g} of the filters" * (training.get("width", 1) != 1)
        pixels = f", {training['image_size']} x {training['image_size']} pixels" if "image_size" in training else ""
        text = " / ".join(f"{figure:.3f}" for figure in figures)
        return f"{text} ({training['images']:,} images{size}{pixels}, {training['epochs']} epochs, {seeds} seeds)"

    return read


def cell_of(found, row, method):
    """The cell of the random-bases table with the most epochs."""
    wanted = (row, method, False)
    cells = (
        c for c in found["cells"] if (c["row"], c["method"], c["augment"]) == wanted and c["dimensions"] in (0, 250)
    )
    return max(cells, key=lambda c: c["epochs"])


def percents(figures):
    return f"{figures['mean']:.2f} ± {figures['sd']:.2f}"


def compared(own, published):
    """Reproduced within two standard errors of the difference, else by how much it differs."""
    difference = own["mean"] - published["mean"]
    seeds = len(own["each"])
    error = math.sqrt(
        (statistics.stdev(own["each"]) ** 2 + published["sd"] ** 2) / seeds
    )  # as many seeds on both sides
    if abs(difference) <= 2 * error:
        return REPRODUCED
    return f"{abs(difference):.1f} points {'higher' if difference > 0 else 'lower'}"


def converged(found):
    """How many trainings with dynamic pruning reach what the unpruned ones end at."""
    ways = {"as written": "", "dynamic as run": " with the events of the program"}
    counts = (
        f"{found[way]['rows'][-1]['reached_baseline']} of {len(found[way]['seeds'])}{text}"
        for way, text in ways.items()
    )
    return f"{' and '.join(counts)} reach the final training loss of the unpruned penguins"
