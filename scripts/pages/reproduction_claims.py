"""The claims of the five sources, and where our figure for each of them is; see reproduction_page.py."""

import dataclasses
from collections.abc import Callable

from measuring.results import figures, has_record
from pages.conditions import data_name
from pages.reproduction_readers import (
    DISPROVED,
    MISSED,
    REPRODUCED,
    by_rank,
    cell_of,
    chosen_test,
    compared,
    converged,
    equal_steps,
    final_trials,
    medians,
    percents,
    points,
    pruning,
    speeds,
    starts,
    variants,
    wide_fits,
)
from pages.tables import accuracy


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
        if not all(map(has_record, self.results)):
            return None
        found = [figures(name) for name in self.results]
        return [self.text, self.there, self.read(*found), self.gap(*found), self.verdict, f"`{self.script}`"]


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
TWO_KB += (
    Claim(
        "The protocol in full, 50, 10 and 10 trials: test accuracy of the ten final ones",
        "99.08 % ± 0.05",
        ("mnist_protocol",),
        lambda found: "{mean_test_accuracy:.2%} ± {points:.2f}".format(
            **found["stages"]["freeze_scales"], points=100 * found["stages"]["freeze_scales"]["sd_test_accuracy"]
        ),
        f"{MISSED}; our distortions, and no larger network filters the images",
        "mnist_protocol.py",
        lambda found: points(found["stages"]["freeze_scales"]["mean_test_accuracy"], 0.9908),
    ),
    *(
        Claim(
            f"{what}, a recipe of ours with larger teachers: test accuracy of the final trials",
            "99.08 % ± 0.05",
            (name,),
            final_trials,
            "better; the recipe was chosen when test accuracies of others were known",
            "mnist_2kb.py",
        )
        for what, name in (
            ("The published network, 1,947 bytes", "mnist_2kb_ten_trials"),
            ("The search's network, 1,964 bytes", "mnist_within_2048"),
        )
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
    Claim("Tuning the rank r improves it", "r = 5", ("mnist_lphm",), by_rank, REPRODUCED, "mnist_lphm.py"),
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
        "Without permutations the loss of such a fit grows from 4 layers on: 4, 8, 16, 32 layers",
        ".0164, .0167, .0192, .0216",
        ("acdc_approximation",),
        lambda found: medians(found, "none"),
        f"{DISPROVED}: it falls",
        "acdc_approximation.py",
    ),
    Claim(
        "With riffles it stalls: 4, 8, 16, 32 layers",
        ".0164, .0150, .0142, .0135",
        ("acdc_approximation",),
        lambda found: medians(found, "riffle"),
        f"{DISPROVED}: it falls on",
        "acdc_approximation.py",
    ),
    Claim(
        "At N = 64 all kinds converge to the same loss",
        ".028, whichever is used",
        ("acdc_approximation",),
        wide_fits,
        DISPROVED,
        "acdc_approximation.py",
    ),
    Claim(
        "A riffle between the transforms makes the start much more uniform",
        "a picture",
        ("acdc_approximation",),
        starts,
        "not confirmed: equal to 1 %",
        "acdc_approximation.py",
    ),
    Claim(
        "WRN(40, 2), WRN(28, 10), ResNet18 and MobileNet with ACDC on the original CIFAR images: top-1 error",
        "8.8 to 34.7 %; 5.0 to 8.5 %; 8 to 30 %; 9.3 to 10.1 %",
        (),
        lambda: "not attempted: each takes days without an accelerator; WRN(10, 1) on 5,000 images: `acdc_cifar.json`",
        "not attempted",
        "acdc_cifar.py",
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


def table_claims():
    """Dense networks of the paper's first table: all methods, and the control."""
    if not has_record("random_bases_table"):
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
    if not has_record("random_bases_table"):
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
    Claim(
        "Dynamic pruning takes fewer epochs to converge",
        "a hypothesis",
        ("pruning_penguins",),
        converged,
        DISPROVED,
        "pruning_recipes.py",
    ),
    Claim(
        "Flowers: test accuracy of unpruned / one-shot / lottery ticket / dynamic",
        "0.58 / 0.64 / - / 0.56 (180 x 180 pixels, 600 epochs, one run)",
        ("pruning_flowers",),
        variants("as written", "accuracy"),
        "too short to compare; one-shot is not better than unpruned",
        "pruning_recipes.py",
    ),
    *(
        Claim(
            f"Fashion-MNIST, {name}, one epoch as in the source, difference to unpruned",
            "no figures",
            ("pruning_fashion_mnist",),
            pruning("as written", name),
            verdict,
            "pruning_recipes.py",
        )
        for name, verdict in (
            ("one-shot", "no effect"),
            ("lottery ticket", "worse than a training as long"),
            ("dynamic", "a small gain, unlike for the penguins"),
        )
    ),
    Claim(
        "Fashion-MNIST, 90 % zeros: dynamic pruning beside networks that are sparse from the start",
        "not asked",
        ("pruning_fashion_mnist_regrowth",),
        lambda found: ", ".join(
            f"{name} {pruning('sparsity 0.9', name)(found)}" for name in ("static", "SET", "RigL", "dynamic")
        ),
        "dynamic is best in one epoch",
        "pruning_recipes.py",
    ),
    Claim(
        f"{data_name('cifar10')}: test loss of unpruned / one-shot / lottery ticket / dynamic",
        "no figures in the text (loss 1.530, 73 %, 51 epochs in its program)",
        ("pruning_cifar10_sparsities",),
        lambda found: (
            f"{variants('sparsity 0.31', 'loss')(found)}; accuracy of the unpruned "
            f"{found['sparsity 0.31']['rows'][0]['accuracy']:.0%}"
        ),
        "not trained: says nothing about recipes",
        "pruning_recipes.py",
    ),
)
SOURCES = {
    "Gural & Murmann, MNIST in 2 KB (ICML 2019)": TWO_KB,
    "tinyBIG, dual LPHM on MNIST": TINYBIG,
    "ACDC: the paper and the PyTorch research log": ACDC,
    "Gressmann et al., random bases (NeurIPS 2020)": (*table_claims(), *short_claims()),
    "Dynamic pruning": PRUNING,
}
