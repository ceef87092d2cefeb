"""What LiteRT's interpreter computes, and the RAM that it takes for tensors."""

import importlib.metadata
import math
import os
import re
import sys
import tempfile

import numpy as np
import tensorflow as tf

ROOM = 1_000_000  # bytes offered to the microcontroller interpreter, far more than it takes


def litert_outputs(content, samples):
    """The outputs of a .tflite file, sample by sample, as reals: integers go through the scales of the file."""
    interpreter = tf.lite.Interpreter(model_content=content)
    interpreter.allocate_tensors()
    (source,), (target,) = interpreter.get_input_details(), interpreter.get_output_details()
    outputs = []
    for sample in to_integers(samples, source):
        interpreter.set_tensor(source["index"], sample[np.newaxis])
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(target["index"])[0])
    return from_integers(np.array(outputs), target)


def to_integers(values, tensor):
    """Reals as the integers of a tensor of the file, or as they are where it holds reals."""
    if tensor["dtype"] == np.float32:
        return values
    scale, zero_point = tensor["quantization"]
    limits = np.iinfo(tensor["dtype"])
    return np.clip(np.round(values / scale) + zero_point, limits.min, limits.max).astype(tensor["dtype"])


def from_integers(values, tensor):
    """Integers of a tensor of the file as reals."""
    if tensor["dtype"] == np.float32:
        return values
    scale, zero_point = tensor["quantization"]
    return (values.astype("float32") - zero_point) * scale


def arena(content):
    """Bytes for the tensors of a .tflite file: measured with `pip install tflite-micro`, without it computed."""
    return measured_arena(content) or computed_arena(content)


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
    report = native_stderr(interpreter.print_allocations)
    found = {part: re.search(rf"Arena allocation {part} (\d+) bytes", report) for part in ("total", "head")}
    if None in found.values():
        raise ValueError(f"No arena in the report of tflite-micro. Received: {report!r}")
    version, bits = importlib.metadata.version("tflite-micro"), sys.maxsize.bit_length() + 1
    return {
        "arena_bytes": int(found["total"][1]),
        "arena_activation_bytes": int(found["head"][1]),
        "arena_source": f"measured: tflite-micro {version}, {bits}-bit host",
    }


def native_stderr(function):
    """What `function` writes to standard error from C++, past Python."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            function()
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        file.seek(0)
        return file.read().decode()


def computed_arena(content):
    """The largest sum of tensors alive at once: from the operation that makes one to the last that reads it."""
    resolver = tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES  # a delegate hides the operations
    interpreter = tf.lite.Interpreter(model_content=content, experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    operations = [[*each["inputs"], *each["outputs"]] for each in interpreter._get_ops_details()]
    made = {index for each in interpreter._get_ops_details() for index in each["outputs"]}
    made |= {each["index"] for each in interpreter.get_input_details()}
    tensors = {each["index"]: each for each in interpreter.get_tensor_details()}
    size = {index: math.prod(tensors[index]["shape"]) * np.dtype(tensors[index]["dtype"]).itemsize for index in made}
    used = {index: [step for step, each in enumerate(operations) if index in each] for index in made}
    alive = [sum(size[i] for i in made if used[i][0] <= step <= used[i][-1]) for step in range(len(operations))]
    return {
        "arena_bytes": None,
        "arena_activation_bytes": int(max(alive)),
        "arena_source": "computed: largest sum of tensors alive at once",
    }
