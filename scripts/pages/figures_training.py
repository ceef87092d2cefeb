"""Tables of figures: accuracy of the main job, speed of the driver, search, options, restarts."""

import numpy as np

from measuring.results import figures, has_record, record
from pages.conditions import measured_on
from pages.tables import Table

# Of the front of a search the pages show what validates so well.
SHOWN_ACCURACY = 0.95

# BitNetMCU's convolutional networks for 16 x 16 images, as its docs/documentation_cnn.md gives them (September 2025).
BITNETMCU = {"16 wide": (5_360, 0.9906), "32 wide": (7_328, 0.9928), "48 wide": (9_296, 0.9944)}
BITNETMCU |= {"64 wide": (11_264, 0.9955)}
OURS = ("mnist_within_1024", "mnist_within_2048", "mnist_2kb")


def training_tables():
    yield mnist_table()
    yield weights_table()
    yield speed_table()
    yield search_table()
    yield option_table()
    yield crash_table()


def mnist_table():
    demo, short = figures("demo"), figures("mnist_short")
    rows = [
        [
            f"digits, {len(demo['runs'])} seeds",
            "`make demo`",
            f"{demo['total_bytes']:,.0f}",
            f"{demo['test_accuracy_mean']:.2%} ± {100 * demo['test_accuracy_sd']:.2f}",
            f"{sum(run['seconds'] for run in demo['runs']) / len(demo['runs']) / 60:.1f}",
        ]
    ]
    for run in short["runs"]:
        copies = f", {run['augment']} elastic copies" if run["augment"] else ""
        rows.append(
            [
                f"MNIST, seed {run['seed']}",
                f"trials {run['trials']}, epochs {run['epochs']}{copies}",
                f"{run['total_bytes']:,.0f}",
                f"{run['test_accuracy']:.2%}",
                f"{run['minutes']:.1f}",
            ]
        )
    rows += [protocol_row()]
    rows += [long_row("mnist_2kb_float_teachers", "distilled"), long_row("mnist_2kb", "a larger teacher")]
    rows += [long_row(f"mnist_within_{limit}", "the search's best, a larger teacher") for limit in (1024, 2048)]
    if has_record("mnist_2kb_ten_trials"):
        rows += [long_row("mnist_2kb_ten_trials", "a larger teacher, as the row above")]
    headings = ["data", "how", "bytes", "test accuracy", "minutes"]
    title = (
        "Chosen on validation data, test data looked at once a run. Each of the runs with a larger teacher was "
        "made when the test accuracies above it were known"
    )
    return Table(title, "measure_demo.py`, `measure_mnist.py`, `mnist_protocol.py`, `mnist_2kb.py", headings, rows)


def protocol_row():
    """The run of mnist_protocol.py."""
    found = figures("mnist_protocol")
    final, best = found["stages"]["freeze_scales"], found["best"]
    return [
        "MNIST, seed 0",
        "the study's protocol: trials 50,10,10, epochs 50,100,200 of 200,000 images, compiled engine; published: "
        f"{found['published']['freeze_scales']['mean']:.2%} ± {100 * found['published']['freeze_scales']['sd']:.2f}",
        f"{best['total_bytes']:,.0f}",
        f"{best['test_accuracy']:.2%}; its {final['trials']} final trials {final['mean_test_accuracy']:.2%} "
        f"± {100 * final['sd_test_accuracy']:.2f}",
        f"{found['train_minutes']:.0f}, a shared machine",
    ]


def long_row(name, teacher):
    """A run of mnist_2kb.py."""
    found, words = figures(name), record(name)["command"].split()
    best, trials, epochs = found["best"], *(words[words.index(option) + 1] for option in ("--trials", "--epochs"))
    return [
        "MNIST, seed 0",
        f"trials {trials}, epochs {epochs}, {teacher}, compiled engine",
        f"{best['total_bytes']:,.0f}",
        f"{best['test_accuracy']:.2%}; in C {found['integer_test_accuracy']:.2%}",
        f"{found['train_minutes']:.0f}",
    ]


def weights_table():
    """Test accuracy by bytes of weights, beside a peer's."""
    rows = [
        [f"{size:,.0f}", f"`{name}`, {memory:,.0f} bytes of working memory", f"{accuracy:.2%}", spread]
        for name, size, memory, accuracy, spread in ours_by_weights()
    ]
    rows += [
        [f"{size:,}", f"BitNetMCU, {name}, published", f"{accuracy:.2%}", ""]
        for name, (size, accuracy) in BITNETMCU.items()
    ]
    headings = ["bytes of weights", "network", "test accuracy", "its final trials"]
    title = (
        "MNIST by bytes of weights. Ours are chosen on validation data; BitNetMCU's (16 x 16 pixels, weights of 2 to 8 "
        "bits; not run here) are the figures of its documentation"
    )
    return Table(title, "mnist_2kb.py", headings, rows, "mnist_weights")


def ours_by_weights():
    """Of each shipped network of mnist_2kb.py: name, bytes of weights and of maps, accuracy, and of its last trials."""
    for name in OURS:
        found = figures(name)
        best = found["best"]
        final = [100 * row["test_accuracy"] for row in found["trials"] if row["stage"] == "freeze_scales"]
        spread = f"{len(final)}: {np.mean(final):.2f}% ± {np.std(final, ddof=1):.2f}"
        yield name, best["weight_bytes"], best["activation_bytes"], best["test_accuracy"], spread


def speed_table():
    rows = []
    for mode, sides in figures("benchmark_driver").items():
        names = [f"{engine}_{way}" for engine in ("keras", "compiled") for way in ("one_process", "process_per_core")]
        rows.append([mode, *(f"{sides[name]['times_fit']:.1f}" for name in names)])
    headings = ["mode", "keras, one process", "keras, a process per core", "compiled, one", "compiled, per core"]
    title = (
        "Trial-epochs a second, MNIST, batch 1024, two cores, as a multiple of plain `model.fit` in one process; "
        '`compiled` is what `engine="auto"`, the default, takes here'
    )
    return Table(title, "benchmark_driver.py", headings, rows)


def search_table():
    """The front of the search, each network with its spread over the seeds, and what it found beside the study's."""
    found = figures("search")
    pricing, search = found["pricing"], found["search"]
    front = [
        [f"{entry['total_bytes']:,.0f}", "".join(letter for letter, *_ in entry["network"]), *with_spread(entry)]
        for entry in search["front"]
        if entry["val_accuracy"] >= SHOWN_ACCURACY
    ]
    study = search["references"][0]
    rows = [*front, [f"the study's network, {study['total_bytes']:,.0f}", "ACCCMDS", *with_spread(study)]]
    count, seconds = search["counts"]["drawn"], record("search")["seconds"]
    title = (
        f"{pricing['candidates']:,} descriptions priced, {pricing['invalid']:,} of them of no network: "
        f"{pricing['candidates_a_second']:,} a second on one core as batches of one space, "
        f"{pricing['one_by_one']['candidates_a_second']:,.0f} one by one. MNIST within {search['max_bytes']:,} bytes: "
        f"{count:,} networks, of them {search['mutants']} that resemble the best so far, in {seconds / 60:.0f} minutes "
        f"on a core that other work shared; halving from {search['halving']} epoch to {search['epochs'][0]}, then "
        f"{search['epochs'][1]} quantized epochs, finalists {search['seeds']} times. The front from "
        f"{SHOWN_ACCURACY:.0%} on, beside the study's network under the same training: {verdict_of(search['better'])}"
    )
    return Table(title, "measure_search.py", ["bytes", "layers", "validation accuracy"], rows, "search")


def with_spread(entry):
    return [f"{entry['val_accuracy']:.2%} ± {100 * entry['spread']:.2f}"]


def verdict_of(better):
    if not better:
        return "none is better"
    best = max(better, key=lambda each: each["difference"])
    points, error = 100 * best["difference"], 100 * best["standard_error"]
    clearly = "" if points > 2 * error else ", which is not clear"
    return f"the best differs by {points:+.2f} points (standard error {error:.2f}{clearly})"


def option_rows(record, length):
    return [
        [f"{name}{length}", f"{100 * option['difference']['mean']:+.2f} ± {100 * option['difference']['sd']:.2f}"]
        for name, option in record["options"].items()
        if name != "plain"
    ]


def option_table():
    short, long = (figures(name) for name in ("mnist_options", "mnist_options_long"))
    epochs = "/".join(str(stage["epochs"]) for stage in long["stages"])
    rows = [*option_rows(short, ""), *option_rows(long, f", {epochs} epochs")]
    plain, plain_long = (each["options"]["plain"]["test_accuracy"] for each in (short, long))
    title = (
        f"Options against the plain protocol in short (MNIST test accuracy {plain['mean']:.2%}; {epochs} epochs of one "
        f"trial each: {plain_long['mean']:.2%}), paired differences in points, {len(plain['values'])} seeds"
    )
    return Table(title, "measure_options.py", ["option", "difference"], rows)


def crash_table():
    rows = []
    for name, runs in figures("crashes").items():
        equal = sum(each["result_equal"] and each["weights_equal"] for each in runs["each"])
        rows.append([name.replace("_", ", "), str(runs["crashes"]), str(equal)])
    title = (
        f"`kill -9` at random moments ({measured_on('crashes')}), a small network of the digits: runs that end with "
        "the same result and weights, bit for bit, after a restart"
    )
    return Table(title, "check_crashes.py", ["killed", "times", "equal"], rows)
