"""Tables of figures: accuracy of the main job, speed of the driver, search, options, restarts."""

from _results import figures
from _tables import Table


def training_tables():
    yield mnist_table()
    yield speed_table()
    yield search_table()
    yield option_table()
    yield crash_table()


def mnist_table():
    demo, short, long = figures("demo"), figures("mnist_short"), figures("mnist_2kb")
    best = long["best"]
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
    rows.append(
        [
            "MNIST, seed 0",
            "trials 6,4,4, epochs 600,200,800, distilled, compiled engine",
            f"{best['total_bytes']:,.0f}",
            f"{best['test_accuracy']:.2%}; in C {long['integer_test_accuracy']:.2%}",
            f"{long['train_minutes']:.0f}",
        ]
    )
    headings = ["data", "how", "bytes", "test accuracy", "minutes"]
    return Table("Chosen on validation data, test data looked at once", "measure_demo.py`, `measure_mnist.py`, "
                 "`mnist_2kb.py", headings, rows)  # fmt: skip


def speed_table():
    rows = []
    for mode, sides in figures("benchmark_driver").items():
        names = [f"{engine}_{way}" for engine in ("keras", "compiled") for way in ("one_process", "process_per_core")]
        rows.append([mode, *(f"{sides[name]['times_fit']:.1f}" for name in names)])
    headings = ["mode", "keras, one process", "keras, a process per core", "compiled, one", "compiled, per core"]
    return Table("Trial-epochs a second, as a multiple of plain `model.fit`", "benchmark_driver.py", headings, rows)


def search_table():
    found = figures("search")
    pricing, search = found["pricing"], found["search"]
    rows = [
        [f"{entry['bytes']:,}", f"{entry['val_accuracy']:.2%}"]
        for entry in search["best_within"]
        if "val_accuracy" in entry
    ]
    study = search["references"][0]
    rows.append([f"the study's network, {study['total_bytes']:,.0f}", f"{study['val_accuracy']:.2%}"])
    title = (
        f"{pricing['candidates']:,} networks priced exactly, {pricing['candidates_a_second']:,} a second on one core; "
        f"the best of a short search on MNIST ({search['epochs'][0]} float and {search['epochs'][1]} quantized epochs)"
    )
    return Table(title, "measure_search.py", ["bytes at most", "validation accuracy"], rows, "search")


def option_table():
    options = figures("mnist_options")["options"]
    plain = options["plain"]["test_accuracy"]
    rows = [
        [name, f"{100 * option['difference']['mean']:+.2f} ± {100 * option['difference']['sd']:.2f}"]
        for name, option in options.items()
        if name != "plain"
    ]
    title = (
        f"Options against the plain protocol in short (MNIST test accuracy {plain['mean']:.2%}), paired differences in "
        f"points, {len(plain['values'])} seeds"
    )
    return Table(title, "measure_options.py", ["option", "difference"], rows)


def crash_table():
    rows = []
    for name, runs in figures("crashes").items():
        equal = sum(each["result_equal"] and each["weights_equal"] for each in runs["each"])
        rows.append([name.replace("_", ", "), str(runs["crashes"]), str(equal)])
    title = "`kill -9` at random moments: runs that end with the same result and weights, bit for bit, after a restart"
    return Table(title, "check_crashes.py", ["killed", "times", "equal"], rows)
