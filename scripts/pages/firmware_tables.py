"""Tables of docs/firmware.md: our C on simulated Cortex-M cores, beside CMSIS-NN and published results."""

from measuring.results import figures
from pages.conditions import measured_on
from pages.tables import markdown_table
from peers.firmware_goals import CORE, PUBLISHED, fastest

TITLES = {
    "resnet8": "ResNet-8",
    "ds_cnn": "DS-CNN",
    "autoencoder": "autoencoder",
    "autoencoder_8": "autoencoder, outputs of 8 bits",
    "mobilenet": "MobileNet 0.25",
    "mnist": "MNIST (trained)",
}
SIDES = {
    "CMSIS-NN s8": {"kernels": "s8"},
    "CMSIS-NN s4": {"kernels": "s4"},
    **{f"{target}, {bits}": {"target": target, "bits": bits} for target in ("arm", "dsp") for bits in (8, 4, 2)},
}
CORES = {"cortex-m4": "Cortex-M4", "cortex-m3": "Cortex-M3", "cortex-m0": "Cortex-M0"}
ESTIMATE = "simulated, estimate without wait states, untrained weights"


def conditions():
    """What holds for all counts of the record."""
    return (
        f"Simulated ({measured_on('compare_cmsis')}, `compare_cmsis.py`); cycles are an estimate without wait states; "
        "untrained weights but for MNIST"
    )


def _sides(network):
    """The fastest build of each side on each core: (core, side) to its row."""
    return {
        (core, side): fastest(_rows(wanted), network=_counted_as(network, wanted), core=core, **wanted)
        for core in CORES
        for side, wanted in SIDES.items()
    }


def _rows(wanted):
    return figures("compare_cmsis")["cmsis_nn" if "kernels" in wanted else "ours"]


def _counted_as(network, wanted):
    """CMSIS-NN's outputs have 8 bits anyhow."""
    return "autoencoder" if network == "autoencoder_8" and "kernels" in wanted else network


def _table(core, cell, sides=SIDES):
    """A row for each network, a column for each side."""
    rows = []
    for network, title in TITLES.items():
        found = _sides(network)
        cells = [cell(found[core, side]) if found[core, side] else "" for side in sides]
        rows.append([title, *cells])
    return markdown_table(["network", *sides], rows, "--:")


def _millions(count):
    return f"{count / 1e6:.3f}" if count < 1e6 else f"{count / 1e6:.2f}"


def counts_on_m4():
    """Instructions and cycles."""
    table = _table(CORE, lambda row: f"{_millions(row['instructions'])} ({_millions(row['estimated_cycles'])})")
    return f"{conditions()}. Millions of instructions (cycles) of an inference on a Cortex-M4.\n\n{table}"


def counts_on(core):
    """Instructions where there is no SIMD."""
    sides = {side: wanted for side, wanted in SIDES.items() if core == "cortex-m3" or wanted.get("target") != "dsp"}
    table = _table(core, lambda row: _millions(row["instructions"]), sides)
    return f"{conditions()}. Millions of instructions of an inference on a {CORES[core]}.\n\n{table}"


def ram():
    """Bytes with stack."""
    table = _table(CORE, lambda row: f"{row['static_bytes']:,} + {row['stack_bytes']}")
    return f"{conditions()}. Bytes of RAM on a Cortex-M4, variables + stack, of the same builds.\n\n{table}"


def flash_of_fastest():
    """Code and constants."""
    table = _table(CORE, lambda row: f"{row['code_bytes']:,} + {row['constant_bytes']:,} ({row['level']})")
    return f"{conditions()}. Bytes of flash on a Cortex-M4, code + constants, of the same builds.\n\n{table}"


def levels():
    """Instructions and code of each level of the C for dsp."""
    found = [row for row in figures("compare_cmsis")["ours"] if row["core"] == CORE and row["target"] == "dsp"]
    cases = dict.fromkeys((row["network"], row["bits"]) for row in found)
    rows = []
    for network, bits in cases:
        builds = [row for row in found if (row["network"], row["bits"]) == (network, bits)]
        cells = [f"{_millions(row['instructions'])}, {row['code_bytes']:,}" for row in builds]
        rows.append([f"{TITLES[network]}, {bits} bits", *cells])
    table = markdown_table(["network", *dict.fromkeys(row["level"] for row in found)], rows, "--:")
    return f'{conditions()}. Target "dsp" on a Cortex-M4: millions of instructions, bytes of code.\n\n{table}'


def goals():
    """The smallest build within each goal."""
    rows = [_goal(goal) for goal in figures("compare_cmsis")["goals"]]
    headings = ["network", "at most", "met", "build", "instructions", "code", "beside portable -O3"]
    table = markdown_table(headings, rows, "--:")
    return (
        f"{conditions()}. Goals on a Cortex-M4 in millions of instructions, and the smallest build that meets each, "
        f"else the fastest; code beside that of portable -O3.\n\n{table}"
    )


def _goal(goal):
    build = goal["build"]
    within = f" within {goal['ram_bytes']} bytes of RAM" if goal["ram_bytes"] else ""
    return [
        f"{TITLES[goal['network']]}, {goal['bits']} bits",
        f"{goal['millions']:g}{within}",
        "yes" if goal["met"] else "no",
        f"{build['target']} {build['level']}, {build['ram_bytes']:,} bytes of RAM",
        _millions(build["instructions"]),
        f"{build['code_bytes']:,}",
        f"{goal['code_beside_portable_O3']:.2f} times",
    ]


def beside_published():
    """Cycles that others measured on a board, and the estimates here."""
    networks = ("resnet8", "ds_cnn", "mobilenet", "autoencoder")
    rows = [[f"{who}: measured on a board", *(f"{of[name]:g}" for name in networks)] for who, of in PUBLISHED.items()]
    found = {name: _sides(name) for name in networks}
    for side in ("CMSIS-NN s8", "dsp, 8", "dsp, 4", "arm, 8"):
        cycles = [_millions(found[name][CORE, side]["estimated_cycles"]) for name in networks]
        rows.append([f"{side}: {ESTIMATE}", *cycles])
    table = markdown_table(["millions of cycles", *(TITLES[name] for name in networks)], rows, "--:")
    return (
        "MLPerf Tiny v1.1 on NUCLEO-L4R5ZI (Cortex-M4 at 120 MHz), from its published throughput, with the wait states "
        f"and the cache of its flash; below it the counts here, which are estimates. {conditions()}.\n\n{table}"
    )


def inputs():
    """In how many builds the time is the same for both inputs, and how much they are apart."""
    ours = [row for row in figures("compare_cmsis")["ours"] if "instructions" in row]
    dsp = [row for row in ours if row["target"] == "dsp" and row["core"] == CORE]
    same = sum(not row["time_depends_on_input"] for row in dsp)
    apart = max(1 - row["fewest_instructions"] / row["instructions"] for row in ours)
    return (
        f"{conditions()}. Two inputs take the same instructions in {same} of {len(dsp)} builds for dsp on a Cortex-M4; "
        f"in all builds and cores they are apart by at most {apart:.2%}."
    )


def equality():
    """What was compared."""
    found = figures("compare_cmsis")
    equal = sum(row.get("equal", False) for row in found["ours"])
    return (
        f"{conditions()}. Of {len(found['ours'])} builds of ours {equal} give the logits of the integer model, bit for "
        f"bit, for {found['inputs']} inputs."
    )


BLOCKS = {
    "equal logits of all builds": equality,
    "time of two inputs": inputs,
    "counts on a Cortex-M4": counts_on_m4,
    "counts on a Cortex-M3": lambda: counts_on("cortex-m3"),
    "counts on a Cortex-M0": lambda: counts_on("cortex-m0"),
    "RAM on a Cortex-M4": ram,
    "flash on a Cortex-M4": flash_of_fastest,
    "levels on a Cortex-M4": levels,
    "goals on a Cortex-M4": goals,
    "beside published results": beside_published,
}
