"""Write the README's table of figures from results/*.json.

python scripts/readme_tables.py           # writes README.md
python scripts/readme_tables.py --check   # exit code 1 where README.md is not up to date
"""

import argparse
import re
import sys

from _readme_own_models import own_model_rows
from _readme_pruning import pruning_rows
from _readme_random_bases import random_basis_rows
from _readme_structured import structured_rows
from _results import ROOT, figures

MARKS = re.compile(r"(<!-- figures: .*? -->\n).*?(<!-- end of figures -->)", flags=re.DOTALL)


def rows():
    """(what, figure, script) of each line of the table."""
    demo, mnist = figures("demo"), figures("mnist_short")
    augmentation = figures("augmentation")
    yield (
        "`make demo`: test accuracy on the digits, 5 seeds, mean ± standard deviation (lowest)",
        f"{demo['test_accuracy_mean']:.2%} ± {100 * demo['test_accuracy_sd']:.2f} ({demo['test_accuracy_min']:.2%}) "
        f"at {demo['total_bytes']:,.0f} bytes",
        "measure_demo.py",
    )
    for run in mnist["runs"]:
        yield (
            f"MNIST, the study's network, trials {run['trials']}, epochs {run['epochs']}, "
            f"{run['augment'] or 'no'} elastic copies, seed {run['seed']}: test accuracy",
            f"{run['test_accuracy']:.2%} at {run['total_bytes']:,.0f} bytes, {run['minutes']:.1f} minutes",
            "measure_mnist.py",
        )
    seconds = augmentation["sets"]["minor"]["seconds"]
    yield ("200,000 elastic 28 x 28 images on one core", f"{seconds:.1f} s", "measure_augmentation.py")

    yield from selection_rows()
    yield from structured_rows()
    yield from random_basis_rows()
    yield from pruning_rows()
    yield from own_model_rows()
    yield from firmware_rows()


def selection_rows():
    """The figures of trials, search and crashes."""
    for mode, sides in figures("benchmark_driver").items():
        speeds = [sides[f"{engine}_process_per_core"] for engine in ("keras", "compiled")]
        speeds += [sides[f"{engine}_one_process"] for engine in ("keras", "compiled")]
        yield (
            f"Trial-epochs a second against plain `model.fit`, {mode}, a process per core: engine keras, compiled "
            "(in one process with all cores: keras, compiled)",
            "{:.1f}, {:.1f} times ({:.1f}, {:.1f})".format(*(speed["times_fit"] for speed in speeds)),
            "benchmark_driver.py",
        )
    mnist = figures("mnist_2kb")
    yield (
        "MNIST, the study's network, float, learn_scales, freeze_scales, chosen on validation data: test accuracy "
        "(of the 16-bit logits of its C)",
        f"{mnist['best']['test_accuracy']:.2%} ({mnist['integer_test_accuracy']:.2%}) at "
        f"{mnist['best']['total_bytes']:,.0f} bytes, {mnist['train_minutes']:.0f} minutes of trials",
        "mnist_2kb.py",
    )
    if (ROOT / "results" / "search.json").exists():
        yield from search_rows()
    crashes = figures("crashes")["driver"]
    equal = sum(each["result_equal"] and each["weights_equal"] for each in crashes["each"])
    yield (
        "`kill -9` at random moments: restarted runs that end with the same result and weights, bit for bit",
        f"{equal} of {crashes['crashes']}",
        "check_crashes.py",
    )


def search_rows():
    """The figures of the architecture search."""
    found = figures("search")
    pricing, search = found["pricing"], found["search"]
    yield (
        "Networks of the study's space priced exactly, on one core",
        f"{pricing['candidates']:,}, {pricing['candidates_a_second']:,} a second",
        "measure_search.py",
    )
    best = ", ".join(
        f"{entry['bytes']:,}: {entry['val_accuracy']:.2%}" for entry in search["best_within"] if "val_accuracy" in entry
    )
    study = search["references"][0]
    yield (
        f"The best of a search within so many bytes, MNIST validation accuracy after {search['epochs'][0]} float and "
        f"{search['epochs'][1]} quantized epochs",
        f"{best} (the study's network, {study['total_bytes']:,.0f}: {study['val_accuracy']:.2%})",
        "measure_search.py",
    )


def firmware_rows():
    """The figures of the generated C."""
    firmware, fuzz = figures("firmware"), figures("fuzz_firmware")
    equality, script = firmware["equality"], "measure_firmware.py"
    yield (
        "Published network as C: MNIST test images whose ten logits all equal Keras's; accuracy of the 16-bit logits",
        f"{equality['c_equals_integer_model']:,} of {equality['images']:,}; {equality['test_accuracy']:.2%}",
        script,
    )
    for weights, level in (("flash", "-Os"), ("flash", "-O3"), ("ram", "-Os")):
        run = firmware["avr"][f"weights in {weights}, {level}"]
        yield (
            f"The same on an ATmega328P (simulated), weights in {weights}, `{level}`: "
            "RAM with stack, flash, cycles an image",
            f"{run['ram_bytes']:,} bytes, {run['flash_bytes']:,} bytes, {run['mean_cycles'] / 1e6:.2f} million",
            script,
        )
    run = firmware["arm"]["-Os"]
    yield (
        "The same on a Cortex-M3 (simulated), `-Os`: RAM with stack, flash, instructions an image",
        f"{run['ram_bytes']:,} bytes, {run['flash_bytes']:,} bytes, {run['mean_instructions'] / 1e6:.2f} million",
        script,
    )
    yield (
        "Random networks whose C equals the integer model bit for bit, sanitizers on",
        f"{fuzz['c_equals_integer_model']} of {fuzz['networks']}",
        "fuzz_firmware.py",
    )
    litert = figures("compare_litert")
    ours, theirs, rounded = litert["keras_efficient"], litert["litert_int8"], litert["litert_int8_rounded"]
    yield (
        "Against LiteRT int8 of the same network: model bytes, bytes of activations, MNIST test accuracy "
        "(LiteRT from the float weights; from our rounded weights)",
        f"{ours['weight_bytes']:,} : {theirs['model_bytes']:,}, {ours['arena_bytes']:,} : "
        f"{theirs['arena_activation_bytes']:,}, {ours['integer_test_accuracy']:.2%} : "
        f"{theirs['test_accuracy']:.2%}; {rounded['test_accuracy']:.2%}",
        "compare_litert.py",
    )


def table():
    """The table as Markdown."""
    lines = ["| what | figure | script |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| {what} | {figure} | `{script}` |" for what, figure, script in rows())])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only say whether README.md is up to date")
    check = parser.parse_args().check
    path = ROOT / "README.md"
    old = path.read_text(encoding="utf-8")
    new = MARKS.sub(lambda match: f"{match[1]}{table()}\n{match[2]}", old)
    if check and new != old:
        sys.exit("README.md is not up to date: run python scripts/readme_tables.py")
    if not check:
        path.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
