"""`export_c`: a folder with the C code of a network, and what it takes."""

import math
import re
import warnings
from pathlib import Path

import keras

from keras_efficient.checks import flag, integer, is_integer, one_of, path_of
from keras_efficient.export.c.assembly import AVR_ARRAY_BYTES, too_large_for_avr
from keras_efficient.export.c.layouts import check_layout, mains, source_folder
from keras_efficient.export.c.readme import readme
from keras_efficient.export.c.text import renamed
from keras_efficient.export.c.writer import NetworkText, write_network
from keras_efficient.export.firmware_report import STACK_MARGIN, FirmwareReport, is_own, own_headers
from keras_efficient.export.integer import IntegerModel
from keras_efficient.folders import write_together
from keras_efficient.kinds.kind import COMPUTES
from keras_efficient.kinds.measures import LOGIT_BITS, TARGETS
from keras_efficient.reading.graph import Node
from keras_efficient.reading.read import read_model
from keras_efficient.storage import estimate_storage

WEIGHT_PLACES = ("flash", "ram")
MAX_WEIGHT_BYTES = 4_000_000
# The files that each of `kinds.measures.TARGETS` needs besides network.c and network.h.
FILES = {
    "host": ("main_host.c",),
    "avr": ("main_avr.c", "simulate_avr.c"),
    "arm": ("main_arm.c", "cortex_m.ld"),
    "dsp": ("main_arm.c", "cortex_m.ld"),
    "arduino": (),  # the sketch, which is named after its folder
    "cmake": ("main_host.c",),  # and CMakeLists.txt
    "arduino_library": (),  # library.properties and a sketch
}
PROBABILITIES = ("softmax", "sigmoid", "log_softmax", "linear")  # of logits, which they leave in order
REPORTS = ("report.json", "README.md")
# Names of headers that C code includes, and of our own files: PREFIX.h or PREFIX.c would take their place.
TAKEN = (
    "arm_acle|assert|complex|ctype|errno|fenv|float|inttypes|iso646|limits|locale|math|setjmp|signal|stdarg|stdbool|"
    "stddef|stdint|stdio|stdlib|string|tgmath|time|wchar|wctype|main_arm|main_avr|main_host|simulate_avr"
)
PREFIX = re.compile(rf"(?!({TAKEN})$)[a-z][a-z0-9_]*")


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
        target: Which main is written: "host", "avr" (ATmega328P) or "arm" (Cortex-M). With "arduino" the
            folder is a sketch, with an .ino of its name that reads inputs from the serial port; with "cmake" it
            has a CMakeLists.txt beside the main of "host", for `add_subdirectory`; with "arduino_library" it is an
            Arduino library: library.properties, the C in src/, that sketch in examples/. "dsp" is "arm" for cores with
            instructions for pairs of 16 bits (Cortex-M4, M7, M33): they take two products at once, of weights in
            another order, which `estimate_storage(..., target="dsp")` prices. Its C gives the same logits, on any
            machine but an AVR, and its time does not depend on the input.
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
            sketch, by its name or by the main of another target in it, or no library, by the C of another target
            or by a library.properties of somebody else; a prefix that names no CMake target or Arduino library.
        OSError: If a file cannot be written, or another process writes into the folder (BlockingIOError).
        Warns where the model ends in functions that the C leaves out, such as a tanh; a softmax or sigmoid is expected.
    """
    one_of(weights, "weights", WEIGHT_PLACES)
    one_of(target, "target", TARGETS)
    directory, sparse = path_of(directory, "directory"), flag(sparse, "sparse")
    if ram is not None and (not is_integer(ram) or ram < 1):
        raise ValueError(f"`ram` must be a positive number of bytes, or None. Received: ram={ram!r}")
    if not isinstance(prefix, str) or not PREFIX.fullmatch(prefix):
        raise ValueError(
            "`prefix` must be lower-case letters, digits and '_', a letter first, and no name of a header of C. "
            f"Received: prefix={prefix!r}"
        )
    integer_model = IntegerModel(model, logits_bits)
    if left_out := _left_out(model, integer_model):
        warnings.warn(
            f"The C gives what the model computes before its last functions: {', '.join(left_out)}. Apply them to the "
            "outputs, or give the model an end without them",
            stacklevel=2,
        )
    storage = estimate_storage(model, logits_bits=logits_bits, target=target)
    most = integer(max_weight_bytes, "max_weight_bytes", least=0)
    if storage.weight_bytes > most:
        raise ValueError(
            f"the network has {math.ceil(storage.weight_bytes):,} bytes of weights, which is more than "
            f"`max_weight_bytes`={most:,}: its C would be about five times as long. Nothing was written"
        )
    predicted = math.ceil(storage.activation_bytes)
    network = write_network(integer_model, weights, sparse, by_words=target == "dsp")
    if target == "avr" and network.weight_bytes > AVR_ARRAY_BYTES:
        raise ValueError(f"{too_large_for_avr(network.weight_bytes)}. Received: target='avr'")
    padding = 0
    if target == "dsp":
        others = estimate_storage(model, logits_bits=logits_bits)
        padding = math.ceil(storage.weight_bytes) - math.ceil(others.weight_bytes)
    report = _new_report(integer_model, network, weights, predicted, prefix, target, padding)
    if ram is not None and not report.fits(ram):
        parts = [f"{report.arena_bytes} arena", f"{report.static_bytes} variables", f"{STACK_MARGIN} for the stack"]
        parts += [f"{report.weight_bytes} weights"] if weights == "ram" else []
        raise ValueError(
            f"the network does not fit `ram`={ram} bytes: it needs {report.ram_bytes} ({' + '.join(parts)})"
        )
    _write_firmware(Path(directory), network, report, target)
    return report


def _left_out(model: keras.Model, integers: IntegerModel) -> list[str]:
    """The functions after the last layer in C, but for those that only turn logits into probabilities."""
    network = integers.network.network
    inside = {id(call.node.operation) for call in network.calls}
    heads = [node for node in read_model(model).working if node.kind.is_head and node.kind.codes == COMPUTES]
    return [
        f"{node.name} ({node.described})"
        for node in heads
        if network.has_grid and id(node.operation) not in inside and not _gives_probabilities(node)
    ]


def _gives_probabilities(node: Node) -> bool:
    form = node.form
    return form.class_name == "Softmax" or form.config.get("activation") in PROBABILITIES


def _new_report(
    model: IntegerModel,
    network: NetworkText,
    weights: str,
    predicted: int,
    prefix: str,
    target: str,
    padding_bytes: int,
) -> FirmwareReport:
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
        target=target,
        padding_bytes=padding_bytes,
        time_depends_on_input=network.leaves_zeros_out,
    )


def _write_firmware(directory: Path, network: NetworkText, report: FirmwareReport, target: str) -> None:
    """All files, or none; what somebody else wrote is not touched.

    Where a process dies between two of them, the folder holds the old network or the new one, perhaps without its
    report, or a header that the source refuses: the reports go first and come last.
    """
    prefix = report.prefix
    if directory.exists() and not directory.is_dir():
        raise ValueError(
            f"`directory` must be a folder, or not be there yet. Received: directory='{directory}', a file"
        )
    place = source_folder(target)
    others = [name for name in own_headers(directory / place) if name != prefix]
    if others:
        raise ValueError(
            f"'{directory}' holds the network {others[0]!r}: a folder holds one. Received: prefix={prefix!r}. "
            "Nothing was written"
        )
    check_layout(directory, target, prefix)
    # A main is meant to be changed: the user's version stays.
    changeable = mains(directory, target, prefix, FILES[target])
    new = {name: text for name, text in changeable.items() if not (directory / name).exists()}
    source = (renamed(text, prefix) for text in network.source())
    code = {f"{place}{prefix}.h": renamed(network.header, prefix), f"{place}{prefix}.c": source}
    for name in (*code, *REPORTS):
        path = directory / name
        if path.exists() and not is_own(path):
            raise ValueError(f"'{path}' exists and is not an export of keras_efficient: nothing was written")
    for path in [directory / folder for name in (*new, *code) for folder in Path(name).parents[:-1]]:
        if (path.exists() or path.is_symlink()) and not path.is_dir():  # a file, or a link to nothing
            raise ValueError(f"'{path}' must be a folder, or not be there yet: nothing was written")
    write_together(directory, {**new, **code, **_reports(report, target)}, outdated=REPORTS)


def save_report(directory: str | Path, report: FirmwareReport, target: str) -> None:
    """report.json, and the README.md that shows its numbers."""
    write_together(Path(directory), _reports(report, target))


def _reports(report, target):
    return {"report.json": report.to_json(), "README.md": readme(report, target)}
