"""What the counts are compared with: the goals that were set, and results that others published."""

from dataclasses import dataclass

CORE = "cortex-m4"


@dataclass(frozen=True)
class Goal:
    """Millions of instructions of an inference on a Cortex-M4 at most, within bytes of RAM with stack."""

    network: str
    bits: int
    millions: float
    ram_bytes: int | None = None


GOALS = (
    Goal("resnet8", 8, 22.4),
    Goal("resnet8", 4, 23.8),
    Goal("ds_cnn", 8, 6.43),
    Goal("ds_cnn", 4, 7.56),
    Goal("autoencoder", 8, 0.493),
    Goal("autoencoder", 4, 0.561),
    Goal("mobilenet", 8, 19.2),
    Goal("mobilenet", 4, 22.4),
    Goal("mnist", 4, 0.39),
    Goal("mnist", 4, 0.50, 660),
)
# MLPerf Tiny v1.1 on NUCLEO-L4R5ZI, a Cortex-M4 at 120 MHz: millions of cycles, 120e6 / median throughput of the
# `performance/results.txt` of tiny_results_v1.1; measured, with the wait states and the cache of its flash.
PUBLISHED = {
    "Plumerai (closed source)": {"resnet8": 20.1, "ds_cnn": 5.73, "mobilenet": 11.9, "autoencoder": 0.486},
    "Bosch": {"resnet8": 21.5, "ds_cnn": 7.52, "mobilenet": 21.7, "autoencoder": 0.679},
    "ST, X-CUBE-AI": {"resnet8": 25.7, "ds_cnn": 7.54, "mobilenet": 14.2, "autoencoder": 0.823},
    "Krai, microTVM with CMSIS-NN": {"resnet8": 46.7, "ds_cnn": 12.0, "mobilenet": 36.1, "autoencoder": 1.03},
}


def counted(rows, **wanted):
    """The rows that ran and have these values."""
    return [row for row in rows if "instructions" in row and all(row[name] == wanted[name] for name in wanted)]


def fastest(rows, **wanted):
    """The row of fewest instructions; None where there is none."""
    return min(counted(rows, **wanted), key=lambda row: row["instructions"], default=None)


def flash(row):
    return row["code_bytes"] + row["constant_bytes"]


def reached(goal, rows):
    """The smallest build within the goal, or the fastest one where none is, and its code beside portable -O3."""
    builds = counted(rows, network=goal.network, bits=goal.bits, core=CORE)
    portable = next((row for row in builds if row["target"] == "arm" and row["level"] == "-O3"), None)
    within = [row for row in builds if _within(goal, row)]
    build = min(within, key=flash) if within else min(builds, key=lambda row: row["instructions"])
    names = ("target", "level", "instructions", "code_bytes", "constant_bytes", "ram_bytes")
    times = {} if portable is None else {"code_beside_portable_O3": build["code_bytes"] / portable["code_bytes"]}
    return {**vars(goal), "met": bool(within), "build": {name: build[name] for name in names}, **times}


def _within(goal, row):
    small = goal.ram_bytes is None or row["ram_bytes"] <= goal.ram_bytes
    return small and row["instructions"] <= 1e6 * goal.millions
