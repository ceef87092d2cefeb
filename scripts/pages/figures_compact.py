"""Tables of figures: compact layers in C beside plain ones, of compact_layers_in_c.py."""

from measuring.results import figures
from pages.conditions import measured_on
from pages.tables import Table, accuracy, markdown_table, mean_and_sd

NAME = "compact_layers_in_c"
SIDES = {"family": "", "equal_bytes": "equal bytes: ", "equal_accuracy": "equal accuracy: "}
AVR, ARM = "atmega328p", "cortex-m4"


def compact_table():
    """Three rows a family: the compact layer, the plain one of equal bytes, and that of equal accuracy."""
    summary = figures(NAME)["summary"]
    rows = [row(label, found[side]) for found in summary.values() for side, label in SIDES.items()]
    headings = [
        "layer",
        "bytes",
        "test accuracy",
        "logits equal",
        "AVR flash",
        "AVR RAM",
        "AVR cycles",
        "M4 instructions",
    ]
    return Table(title(summary), f"{NAME}.py", headings, rows)


def title(summary):
    """What the networks are, what was compared, and where the compact layer does not pay."""
    networks = {side["layer"]: side for found in summary.values() for side in found.values() if side}.values()
    images = sum(side["equality"]["images"] for side in networks)
    equal = sum(_equal(side) for side in networks)
    return (
        "MNIST, small networks with one compact layer (28 x 28 -> 14 x 14 -> the layer, relu -> 10; convolutions after "
        "one of 8 filters), below each the same with a plain layer of 4 bits whose bytes are nearest, and the smallest "
        "plain one that validates as well, of the widths that were trained. Bytes are those of all weights; test "
        "accuracy in %, 3 seeds; the rest is of the seed that validates best: flash, RAM (with stack) and thousands of "
        "cycles on a simulated ATmega328P, thousands of instructions on a Cortex-M4. All logits of the C (with "
        f"sanitizers) and of Keras are equal in {equal:,} of {images:,} runs, {len(networks)} networks with each test "
        f"image ({measured_on(NAME)}). "
        f"{verdict(summary)}"
    )


def verdict(summary):
    """Which compact layers beat the plain one of equal accuracy in bytes, which in time, and which have no equal."""
    judged = {found["family"]["layer"]: found for found in summary.values()}
    equalled = {name: found for name, found in judged.items() if found["equal_accuracy"] is not None}
    fewer = [name for name, found in equalled.items() if saves(found, lambda side: side["weight_bytes"])]
    faster = [name for name, found in equalled.items() if saves(found, lambda side: side[AVR]["cycles"])]
    more, alone = equalled.keys() - fewer, judged.keys() - equalled.keys()
    return (
        f"Fewer bytes than the plain layer of equal accuracy: {_listed(fewer)}; not fewer: {_listed(more, judged)}. "
        f"Fewer cycles: {_listed(faster)}. More accurate than every plain layer here: {_listed(alone, judged)}"
    )


def saves(found, number):
    """Whether a family takes less of a number than the plain network of equal accuracy; unknown ones count as large."""
    family, plain = (number(found[side]) for side in ("family", "equal_accuracy"))
    return family is not None and (plain is None or family < plain)


def row(label, side):
    if side is None:
        return [f"{label}none", *[""] * 7]
    avr, arm = side[AVR], side[ARM]
    return [
        f"{label}`{side['layer']}`",
        f"{side['weight_bytes']:,.0f}",
        mean_and_sd(side["test"]),
        f"{_equal(side):,} of {side['equality']['images']:,}",
        *(f"{avr[key]:,}" if avr[key] is not None else "too large" for key in ("flash_bytes", "ram_bytes")),
        _thousands(avr["cycles"]),
        _thousands(arm["instructions"]),
    ]


def ratios():
    """A row a family: what it gains over the plain network of equal bytes, and takes beside that of equal accuracy."""
    rows, summary = [], figures(NAME)["summary"]
    for found in summary.values():
        family, plain = found["family"], found["equal_accuracy"]
        points = 100 * (family["test"]["mean"] - found["equal_bytes"]["test"]["mean"])
        beside = ["", "", ""] if plain is None else [f"`{plain['layer']}`", *_shares(family, plain)]
        cells = [f"{family['weight_bytes']:,.0f}", accuracy(family["test"]), f"{points:+.2f}", *beside]
        rows.append([f"`{family['layer']}`", *cells])
    headings = [
        "the layer",
        "bytes",
        "test accuracy",
        "points above equal bytes",
        "equal accuracy",
        "its bytes",
        "its cycles",
    ]
    return f"{markdown_table(headings, rows, '--:')}\n\n{verdict(summary)}."


def _shares(family, plain):
    """Bytes and cycles of a family as multiples of those of a plain network."""
    pairs = [(side["weight_bytes"], side[AVR]["cycles"]) for side in (family, plain)]
    return [f"x {one / other:.2f}" if one and other else "" for one, other in zip(*pairs, strict=True)]


def _equal(side):
    return min(side["equality"][f"{what}_equals_integer_model"] for what in ("keras", "c"))


def _thousands(count):
    return "" if count is None else f"{count / 1e3:,.0f}"


def _listed(names, order=()):
    """Names in their order, or in that of others."""
    return ", ".join(f"`{name}`" for name in (order or names) if name in names) or "none"
