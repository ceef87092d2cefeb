"""`export_c`: a folder with the C code of a network, and what it takes."""

from __future__ import annotations

import math
import re
from pathlib import Path

import keras

from keras_efficient.export.c.assembly import AVR_ARRAY_BYTES, too_large_for_avr
from keras_efficient.export.c.readme import readme
from keras_efficient.export.c.sketch import check_sketch_folder, sketch
from keras_efficient.export.c.text import renamed
from keras_efficient.export.c.writer import Network, write_network
from keras_efficient.export.firmware_report import STACK_MARGIN, FirmwareReport, is_own
from keras_efficient.export.integer import IntegerModel
from keras_efficient.folders import write_together
from keras_efficient.kinds.arguments import flag, integer, path_of
from keras_efficient.kinds.measures import LOGIT_BITS
from keras_efficient.storage import estimate_storage

WEIGHT_PLACES = ("flash", "ram")
MAX_WEIGHT_BYTES = 4_000_000
C_FOLDER = Path(__file__).parent / "c"
# The files a target needs besides network.c and network.h.
TARGETS = {
    "host": ("main_host.c",),
    "avr": ("main_avr.c", "simulate_avr.c"),
    "arm": ("main_arm.c", "cortex_m.ld"),
    "arduino": (),  # the sketch, which is named after its folder
}
REPORTS = ("report.json", "README.md")
PREFIX = re.compile(r"[a-z][a-z0-9_]*")


def export_c(
    model: keras.Model,
    directory: str | Path,
    weights: str = "flash",
    target: str = "host",
    ram: int | None = None,
    sparse: bool = True,
    max_weight_bytes: int = MAX_WEIGHT_BYTES,
    prefix: str = "network",
    logits_bits: int = LOGIT_BITS,
) -> FirmwareReport:
    """Write a quantized network as C99: network.c, network.h, a small main, report.json, README.md.

    The code uses one arena of exactly the planned size, no library, no malloc, and gives the logits
    of `IntegerModel` bit for bit. The input is streamed byte by byte.

    Args:
        model: A built Keras model of quantized layers; see `IntegerModel`.
        directory: Where the files go; made if missing. Files of an earlier export are replaced; a
            main that was changed since is kept.
        weights: Where an AVR keeps the weights: "flash" (read by instructions of their own) or "ram".
        target: Which main is written: "host", "avr" (ATmega328P) or "arm" (Cortex-M); or "arduino": the
            folder is a sketch then, with an .ino of its name that reads inputs from the serial port.
        ram: Bytes of RAM that there are, or None. What does not fit is refused before anything is
            written.
        sparse: Whether the kernels of pruned layers, those that hold exact zeros, are stored as a
            bitmask or by relative indices where that takes fewer bytes; the `layers` of the report name
            the format. Their decoder is code, some 100 bytes, which `weight_bytes` does not count. False
            stores them densely.
        max_weight_bytes: Networks with more bytes of weights are refused before anything is written.
        prefix: What stands for "network" in the names of files, functions and macros, so that several networks link
            into one program: lower-case letters, digits and "_". A folder holds one network.
        logits_bits: Bits of an output, 16 or 8, as of `IntegerModel`.

    Returns:
        A `FirmwareReport`.

    Raises:
        ValueError: Wrong arguments; a model with layers that have no integer form; a network that
            does not fit `ram`; a folder with a network of another prefix; weights of more than 32,767 bytes for the
            target "avr", whose compiler has no larger arrays (with "arduino" the compiler of such a board says so); a
            file that this function did not write where the folder or one of its files goes; a folder that can be no
            sketch, by its name or by the main of another target in it.
        OSError: If a file cannot be written, or another process writes into the folder (BlockingIOError).
    """
    check_choice("weights", weights, WEIGHT_PLACES)
    check_choice("target", target, tuple(TARGETS))
    directory, sparse = path_of(directory, "directory"), flag(sparse, "sparse")
    if ram is not None and (not isinstance(ram, int) or isinstance(ram, bool) or ram < 1):
        raise ValueError(f"`ram` must be a positive number of bytes, or None. Received: ram={ram!r}")
    if not isinstance(prefix, str) or not PREFIX.fullmatch(prefix):
        raise ValueError(
            f"`prefix` must be lower-case letters, digits and '_', a letter first. Received: prefix={prefix!r}"
        )
    integer_model = IntegerModel(model, logits_bits)
    storage, most = (
        estimate_storage(model, logits_bits=logits_bits),
        integer(max_weight_bytes, "max_weight_bytes", least=0),
    )
    if storage.weight_bytes > most:
        raise ValueError(
            f"the network has {math.ceil(storage.weight_bytes):,} bytes of weights, which is more than "
            f"`max_weight_bytes`={most:,}: its C would be about five times as long. Nothing was written"
        )
    predicted = math.ceil(storage.activation_bytes)
    network = write_network(integer_model, weights, sparse)
    if target == "avr" and network.weight_bytes > AVR_ARRAY_BYTES:
        raise ValueError(f"{too_large_for_avr(network.weight_bytes)}. Received: target='avr'")
    report = new_report(integer_model, network, weights, predicted, prefix)
    if ram is not None and not report.fits(ram):
        raise ValueError(
            f"the network does not fit `ram`={ram} bytes: it needs {report.ram_bytes} ({' + '.join(needs(report))})"
        )
    write_firmware(Path(directory), network, report, target)
    return report


def needs(report: FirmwareReport) -> list[str]:
    parts = [f"{report.arena_bytes} arena", f"{report.static_bytes} variables", f"{STACK_MARGIN} for the stack"]
    return parts + ([f"{report.weight_bytes} weights"] if report.weights == "ram" else [])


def new_report(model: IntegerModel, network: Network, weights: str, predicted: int, prefix: str) -> FirmwareReport:
    return FirmwareReport(
        weight_bytes=network.weight_bytes,
        arena_bytes=network.arena_bytes,
        predicted_arena_bytes=predicted,
        static_bytes=network.static_bytes,
        weights=weights,
        logits=model.output.cells,
        logit_exponent=model.logit_exponent,
        inexact_layers=model.inexact_layers,
        layers=network.layers,
        network_id=network.network_id,
        prefix=prefix,
        logit_exponents=model.logit_exponents,
        logits_bits=model.network.logits_bits,
    )


def write_firmware(directory: Path, network: Network, report: FirmwareReport, target: str) -> None:
    """All files, or none; what somebody else wrote is not touched.

    Where a process dies between two of them, the folder holds the old network or the new one, perhaps without its
    report, or a header that the source refuses: the reports go first and come last.
    """
    prefix = report.prefix
    check_folder(directory)
    check_alone(directory, prefix)
    for name in (f"{prefix}.c", f"{prefix}.h", *REPORTS):
        check_own(directory / name)
    mains = {name: (C_FOLDER / name).read_text(encoding="utf-8") for name in TARGETS[target]}
    if target == "arduino":
        check_sketch_folder(directory)
        mains |= sketch(directory)
    mains = {name: renamed(text, prefix) for name, text in mains.items()}
    # A main is meant to be changed: the user's version stays.
    new = {name: text for name, text in mains.items() if not (directory / name).exists()}
    source = (renamed(text, prefix) for text in network.source())
    code = {f"{prefix}.h": renamed(network.header, prefix), f"{prefix}.c": source}
    write_together(directory, {**new, **code, **_reports(report, target)}, outdated=REPORTS)


def save_report(directory: str | Path, report: FirmwareReport, target: str) -> None:
    """report.json, and the README.md that shows its numbers."""
    write_together(Path(directory), _reports(report, target))


def _reports(report, target):
    return {"report.json": report.to_json(), "README.md": readme(report, target)}


def check_folder(directory: Path) -> None:
    if directory.exists() and not directory.is_dir():
        raise ValueError(
            f"`directory` must be a folder, or not be there yet. Received: directory='{directory}', a file"
        )


def check_alone(directory: Path, prefix: str) -> None:
    """Refuse a folder that holds a network of another name."""
    others = [path.stem for path in directory.glob("*.h") if path.stem != prefix and is_own(path)]
    if others:
        raise ValueError(
            f"'{directory}' holds the network {others[0]!r}: a folder holds one. Received: prefix={prefix!r}. "
            "Nothing was written"
        )


def check_own(path: Path) -> None:
    if path.exists() and not is_own(path):
        raise ValueError(f"'{path}' exists and is not an export of keras_efficient: nothing was written")


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"`{name}` must be one of {', '.join(map(repr, choices))}. Received: {name}={value!r}")
