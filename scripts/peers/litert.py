"""The RAM that LiteRT takes for the tensors of a file, as the scripts report it."""

import importlib.metadata
import re
import sys

import numpy as np

from keras_efficient.export.litert_report import tensor_bytes
from keras_efficient.startup import held_back_errors

ROOM = 1_000_000  # bytes offered to the microcontroller interpreter, far more than it takes


def arena(content):
    """Bytes for the tensors of a .tflite file: measured with `pip install tflite-micro`, without it computed."""
    return measured_arena(content) or computed_arena(content)


def computed_arena(content):
    """The largest sum of tensors alive at once."""
    return {
        "arena_bytes": None,
        "arena_activation_bytes": tensor_bytes(content),
        "arena_source": "computed: largest sum of tensors alive at once",
    }


def measured_arena(content):
    """What the microcontroller interpreter reports after a run; None without its package."""
    try:
        from tflite_micro import runtime
    except ModuleNotFoundError as error:
        print(f"{error}. To measure the arena: pip install tflite-micro", file=sys.stderr)
        return None
    interpreter = runtime.Interpreter.from_bytes(content, arena_size=ROOM)
    source = interpreter.get_input_details(0)
    interpreter.set_input(np.zeros(source["shape"], source["dtype"]), 0)
    interpreter.invoke()
    with held_back_errors() as written:
        interpreter.print_allocations()
        report = written().decode()
    found = {part: re.search(rf"Arena allocation {part} (\d+) bytes", report) for part in ("total", "head")}
    if None in found.values():
        raise ValueError(f"No arena in the report of tflite-micro. Received: {report!r}")
    version, bits = importlib.metadata.version("tflite-micro"), sys.maxsize.bit_length() + 1
    return {
        "arena_bytes": int(found["total"][1]),
        "arena_activation_bytes": int(found["head"][1]),
        "arena_source": f"measured: tflite-micro {version}, {bits}-bit host",
    }
