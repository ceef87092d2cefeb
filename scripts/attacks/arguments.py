"""Wrong arguments of the public functions and classes: each is refused in words, and nothing is written.

A row of the tables is (call, argument, right, wrong ones): in the call `...` stands for `argument=value`. The right
value (None: there is no plain one) must be taken, each wrong one must end in a ValueError or TypeError that names the
argument or quotes the value.
"""

import json
import subprocess
import sys
import tempfile
from functools import cache, partial
from pathlib import Path

from attacks.arguments_layers import LAYERS, OPERATIONS
from attacks.arguments_models import MODELS, TOOLS
from attacks.arguments_training import DATA, TRAINING
from attacks.shared import Attack, check

TABLES = {
    "layers": LAYERS,
    "operations": OPERATIONS,
    "models": MODELS,
    "tools": TOOLS,
    "training": TRAINING,
    "data": DATA,
}
QUICK = ("operations",)  # whose first rows the quick run tries
PLACE = "..."
SECONDS = 60  # in which a process must tell of its next call
CHILD = Path(__file__).with_name("arguments_child.py")


def calls_of(table):
    """(text of the call, argument, value, whether it is right) for every value of a table."""
    return [
        (call.replace(PLACE, f"{argument}={value}"), argument, value, value == right)
        for call, argument, right, wrong in TABLES[table]
        for value in ((right, *wrong) if right is not None else wrong)
    ]


def run_call(table, number, folder):
    """What the child saw of one call; all calls of a table share one child."""
    seen = outcomes(table)[number]
    check(seen == "held", f"{calls_of(table)[number][0]}: {seen}")


@cache
def outcomes(table):
    """What was seen of each call. Whatever ends or holds up the process is the outcome of the call that did."""
    calls, seen = calls_of(table), []
    while len(seen) < len(calls):
        with tempfile.TemporaryDirectory() as folder:
            seen += outcomes_of_child(calls[len(seen) :], folder)
    return seen


def outcomes_of_child(calls, folder):
    child = subprocess.Popen(
        [sys.executable, CHILD], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True,
    )  # fmt: skip
    try:
        output, _ = child.communicate(json.dumps(calls), timeout=SECONDS + len(calls))
        end = f"the process ended with {child.returncode}"
    except subprocess.TimeoutExpired:
        child.kill()
        output, end = child.communicate()[0], "it did not end"
    seen = [json.loads(line)["seen"] for line in output.splitlines() if line.startswith('{"seen"')]
    return seen if len(seen) == len(calls) else [*seen, end]


ATTACKS: list[Attack] = [
    Attack(text, partial(run_call, table, number), is_quick=table in QUICK and number < 4)
    for table in TABLES
    for number, (text, *_) in enumerate(calls_of(table))
]
