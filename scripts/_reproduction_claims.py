"""The claims of the five sources, and where our figure for each of them is; see reproduction_page.py."""

import dataclasses
import math
import statistics
from collections.abc import Callable

from _conditions import data_name
from _results import ROOT, figures
from _tables import accuracy

REPRODUCED, MISSED, DISPROVED = "reproduced", "not reproduced", "disproved"


@dataclasses.dataclass(frozen=True)
class Claim:
    """A sentence of a source.

    Attributes:
        text: What is claimed.
        there: The source's figure.
        results: Names in results/ that `read` takes the figures of.
        read: From those figures to the text of ours.
        verdict, script: The last two columns.
        gap: From the figures to the difference of the two, as text.
    """

    text: str
    there: str
    results: tuple[str, ...]
    read: Callable[..., str]
    verdict: str
    script: str
    gap: Callable[..., str] = lambda *_: ""

    def cells(self):
        """The row of the table; None where it was not measured yet."""
        if not all((ROOT / "results" / f"{name}.json").exists() for name in self.results):
            return None
        found = [figures(name) for name in self.results]
        return [self.text, self.there, self.read(*found), self.gap(*found), self.verdict, f"`{self.script}`"]


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
        text = f"{against['mean']:+.3f} ± {against['standard_error']:.3f}, better in {against['wins']} of 32"
        equal = row.get("against unpruned, twice as long")
        return f"{text}; to unpruned training as long as its own {equal['mean']:+.3f}" if equal else text

    return read


TWO_KB = (
    Claim(
        "The published network, 1,947 bytes, MNIST test accuracy",
        "99.15 % (paper), 99.16 % (its file)",
        ("firmware",),
        lambda found: f"{found['equality']['test_accuracy']:.2%} of its 16-bit logits in C; Keras as published (tests)",
        REPRODUCED,
        "measure_firmware.py",
        lambda found: points(found["equality"]["test_accuracy"], 0.9916),
    ),
    Claim(
        "The same trained anew, chosen on validation data",
        "99.15 %",
        ("mnist_2kb",),
        lambda found: f"{found['best']['test_accuracy']:.2%} ({found['integer_test_accuracy']:.2%} in C)",
        f"{MISSED}; within the noise of 10,000 images",
        "mnist_2kb.py",
        lambda found: points(found["best"]["test_accuracy"], 0.9915),
    ),
    Claim(
        "An ATmega328P runs it in 2,048 bytes with its weights in SRAM",
        "2,047 bytes (its code, -O1; -Os overwrites data)",
        ("firmware",),
        lambda found: ", ".join(
            f"{found['avr'][f'weights in {place}, -Os']['ram_bytes']:,} bytes with weights in {place}"
            for place in ("ram", "flash")
        ),
        REPRODUCED,
        "measure_firmware.py",
        lambda found: f"{found['avr']['weights in ram, -Os']['ram_bytes'] - 2047:+,} bytes",
    ),
)
TINYBIG = (
    Claim(
        "9,330 parameters, the seed's recipe, MNIST test accuracy",
        "98.07 %",
        ("mnist_lphm",),
        lambda found: accuracy(found["summary"]["tinybig"]["test"]["seed"]),
        REPRODUCED,
        "mnist_lphm.py",
        lambda found: points(found["summary"]["tinybig"]["test"]["seed"]["mean"], 0.9807),
    ),
    Claim(
        "The layers are Kronecker products",
        "W = A kron B",
        ("mnist_lphm",),
        lambda found: (
            "they are not (golden cases of both layouts in the tests); a true Kronecker sum of 8,778 "
            f"parameters reaches {chosen_test(found, 'kronecker_sum')}"
        ),
        DISPROVED,
        "mnist_lphm.py",
    ),
    Claim(
        "39,696,000 parameters become 9,330",
        "39,696,000; 9,330",
        ("lphm_parameters",),
        lambda found: f"{found['rank_5']['identity']:,}; {found['rank_5']['dual_lphm']:,}",
        REPRODUCED,
        "lphm_parameters.py",
        lambda found: "none",
    ),
)
ACDC = (
    Claim(
        "MNIST by ACDC layers alone, 75,264 parameters",
        "97.41 %",
        ("acdc_mnist",),
        lambda found: f"{chosen_test(found, '8_layers')} with 18,816 (8 layers, distorted copies, 3 seeds)",
        "better; its 32 layers were not trained",
        "acdc_mnist.py",
        lambda found: points(
            found["summary"]["8_layers"]["test"][found["summary"]["8_layers"]["chosen"]]["mean"], 0.9741
        ),
    ),
    Claim(
        "A 32 x 32 matrix by 32 layers with permutations: loss",
        ".0098 (conjugate gradients, at most 1,000 iterations)",
        ("acdc_approximation",),
        lambda found: (
            f"{found['long']['median']:.5f} in 20,000 steps, {equal_steps(found):.4f} in 2,000 (Adam; medians of ten)"
        ),
        "better",
        "acdc_approximation.py",
        lambda found: (
            f"{0.0098 / found['long']['median']:.0f} times smaller; "
            f"{0.0098 / equal_steps(found):.0f} times in a tenth of the steps"
        ),
    ),
    Claim(
        "The layer is faster than a dense one of its size",
        "faster",
        ("benchmark_acdc_tensorflow",),
        lambda found: (
            f"on a CPU, batch 128, forward at 4096: {speeds(found, 'dct', 'dct2d')}; a stack of twelve: "
            f"{speeds(found, 'stack_dct', 'stack_dct2d')}"
        ),
        f"{REPRODUCED} for one layer, not for a stack of twelve",
        "benchmark_acdc.py",
    ),
    Claim(
        "24 parameters and multiply-adds of the final table",
        "24 numbers",
        (),
        lambda: 'all of them (`architecture_cost(name, "log")`, in the tests); the corrected ones beside them',
        f"{REPRODUCED}; several are wrong",
        "tests/storage/test_architectures.py",
    ),
)
PUBLISHED_ROWS = ("fc-mnist", "fc-fashion_mnist")


def cell_of(found, row, method):
    """The cell of the random-bases table with the most epochs."""
    wanted = (row, method, False)
    cells = (
        c for c in found["cells"] if (c["row"], c["method"], c["augment"]) == wanted and c["dimensions"] in (0, 250)
    )
    return max(cells, key=lambda c: c["epochs"])


def percents(figures):
    return f"{figures['mean']:.2f} ± {figures['sd']:.2f}"


def table_claims():
    """Dense networks of the paper's first table: all methods, and the control."""
    if not (ROOT / "results" / "random_bases_table.json").exists():
        return
    found = figures("random_bases_table")
    for row in PUBLISHED_ROWS:
        for method in ("nes", "fpd", "rbd", "sgd"):
            own = cell_of(found, row, method)
            yield Claim(
                f"{row}, {method.upper()}, d = 250, {own['epochs']} epochs, validation accuracy in %",
                percents(own["published_validation"]),
                (),
                lambda own=own: percents(own["validation"]),
                compared(own["validation"], own["published_validation"]),
                "random_bases_table.py",
                lambda own=own: f"{own['validation']['mean'] - own['published_validation']['mean']:+.2f} points",
            )
        control = cell_of(found, row, "sgd_matched")["validation"]
        difference = control["mean"] - cell_of(found, row, "rbd")["validation"]["mean"]
        yield Claim(
            f"{row}: fresh random directions bring RBD its accuracy",
            "RBD far above FPD",
            (),
            lambda control=control: f"plain SGD at RBD's rate times d / D: {percents(control)}",
            DISPROVED if difference > 0 else "not disproved",
            "random_bases_table.py",
            lambda difference=difference: f"{difference:+.2f} points to RBD",
        )


def short_claims():
    """The other rows of that table, as far as they got."""
    if not (ROOT / "results" / "random_bases_table.json").exists():
        return
    found = figures("random_bases_table")
    for row in sorted({cell["row"] for cell in found["cells"]} - set(PUBLISHED_ROWS)):
        own, control = (cell_of(found, row, method) for method in ("rbd", "sgd_matched"))
        beside = control["validation"]["mean"]
        yield Claim(
            f"{data_name(row)}, RBD, d = 250, {own['epochs']} of 100 epochs, {len(own['seeds'])} seed, "
            "validation accuracy in %",
            percents(own["published_validation"]),
            (),
            lambda own=own, beside=beside: f"{own['validation']['mean']:.2f}; SGD at its rate times d / D {beside:.2f}",
            "too short to compare",
            "random_bases_table.py",
        )


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


PRUNING = (
    Claim(
        "Penguins, unpruned, test loss",
        "0.470 (one run)",
        ("pruning_penguins",),
        lambda found: "{loss:.3f} ± {loss_deviation:.3f} over 32 seeds".format(**found["as written"]["rows"][0]),
        REPRODUCED,
        "pruning_recipes.py",
    ),
    *(
        Claim(
            f"Penguins, {name}{', events of the program' * (title != 'as written')}, difference to unpruned",
            there,
            ("pruning_penguins",),
            pruning(title, name),
            verdict,
            "pruning_recipes.py",
        )
        for title, name, there, verdict in (
            ("as written", "one-shot", "+0.011", REPRODUCED),
            ("as written", "lottery ticket", "-0.003", f"{REPRODUCED}: no effect"),
            ("as written", "dynamic", "-0.041, the best", DISPROVED),
            ("dynamic as run", "dynamic", "-0.041, the best", DISPROVED),
        )
    ),
)
SOURCES = {
    "Gural & Murmann, MNIST in 2 KB (ICML 2019)": TWO_KB,
    "tinyBIG, dual LPHM on MNIST": TINYBIG,
    "ACDC: the paper and the PyTorch research log": ACDC,
    "Gressmann et al., random bases (NeurIPS 2020)": (*table_claims(), *short_claims()),
    "Dynamic pruning": PRUNING,
}
