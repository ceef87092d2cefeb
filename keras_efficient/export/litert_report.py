"""`LitertReport`: the bytes of a LiteRT file beside those of this package's C."""

import json
import math
import re
import warnings
from dataclasses import asdict, dataclass
from typing import Any

import keras
import numpy as np

from keras_efficient.quantization import quantize_model
from keras_efficient.quantization.modes import quantized_layers
from keras_efficient.startup import held_back_errors
from keras_efficient.storage import estimate_storage

ROOM = 1 << 24  # bytes offered to the microcontroller interpreter, far more than it takes


@dataclass(frozen=True)
class LitertReport:
    """What a .tflite file takes, in bytes, beside what `export_c` takes.

    Attributes:
        file_bytes: The file: weights, the graph and its names.
        tensor_bytes: The largest sum of tensors between operations that are alive at once.
        arena_bytes: What LiteRT for Microcontrollers takes for tensors and their bookkeeping, measured
            on this computer (its pointers are smaller on a 32-bit chip); None without `pip install
            tflite-micro`, and for operations that it does not have.
        number_type: "int8" or "float32".
        weight_bytes, activation_bytes: `estimate_storage` of the same network; None where a layer has
            no price.
        price_of: "model", or "quantize_model" where the model has no quantized layer: then the price is
            that of `quantize_model(model)`, 8 bits.
    """

    file_bytes: int
    tensor_bytes: int
    arena_bytes: int | None
    number_type: str
    weight_bytes: float | None
    activation_bytes: float | None
    price_of: str

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2) + "\n"

    def __str__(self) -> str:
        ours = "not known" if self.weight_bytes is None else f"{self.weight_bytes:g}"
        maps = "not known" if self.activation_bytes is None else f"{self.activation_bytes:g}"
        arena = "not measured (pip install tflite-micro)" if self.arena_bytes is None else f"{self.arena_bytes}"
        which = "" if self.price_of == "model" else ", after quantize_model (8 bits)"
        return "\n".join(
            [
                f"LiteRT {self.number_type}: file {self.file_bytes} bytes, tensors {self.tensor_bytes}, arena {arena}",
                f"C of export_c{which}: weights {ours} bytes, arena {maps}",
            ]
        )


def litert_report(content: bytes, model: keras.Model, is_int8: bool) -> LitertReport:
    plain = not quantized_layers(model)
    weights, maps = price(model, plain)
    return LitertReport(
        file_bytes=len(content),
        tensor_bytes=tensor_bytes(content),
        arena_bytes=_measured_arena(content),
        number_type="int8" if is_int8 else "float32",
        weight_bytes=weights,
        activation_bytes=maps,
        price_of="quantize_model" if plain else "model",
    )


def price(model: keras.Model, plain: bool) -> tuple[float | None, float | None]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what stays float: the price says it
            report = estimate_storage(quantize_model(model) if plain else model)
    except (ValueError, TypeError):
        return None, None
    return report.weight_bytes, report.activation_bytes


def tensor_bytes(content: bytes) -> int:
    """The largest sum of tensors alive at once: from the operation that makes one to the last that reads it."""
    interpreter = new_interpreter(content)
    operations = interpreter._get_ops_details()
    steps = [{*each["inputs"], *each["outputs"]} for each in operations]
    made = {index for each in operations for index in each["outputs"]}
    made |= {each["index"] for each in interpreter.get_input_details()}
    tensors = {each["index"]: each for each in interpreter.get_tensor_details()}
    size = {index: math.prod(tensors[index]["shape"]) * np.dtype(tensors[index]["dtype"]).itemsize for index in made}
    used = {index: [step for step, each in enumerate(steps) if index in each] for index in made}
    alive = [
        sum(size[index] for index in made if used[index] and used[index][0] <= step <= used[index][-1])
        for step in range(len(steps))
    ]
    return int(max(alive, default=sum(size.values())))


def new_interpreter(content: bytes) -> Any:
    """TensorFlow's interpreter of a .tflite file, ready to run, without delegates: they hide the operations."""
    import tensorflow as tf

    resolver = tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that another package will hold this class one day
        interpreter = tf.lite.Interpreter(model_content=content, experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    return interpreter


def _measured_arena(content: bytes) -> int | None:
    """What the microcontroller interpreter takes, reported after a run; None without its package."""
    try:
        from tflite_micro import runtime
    except ImportError:
        return None
    try:
        interpreter = runtime.Interpreter.from_bytes(content, arena_size=ROOM)
        source = interpreter.get_input_details(0)
        interpreter.set_input(np.zeros(source["shape"], source["dtype"]), 0)
        interpreter.invoke()
    except RuntimeError:  # an operation that it does not have
        return None
    with held_back_errors() as written:
        interpreter.print_allocations()
        found = re.search(rb"Arena allocation total (\d+) bytes", written())
    return None if found is None else int(found[1])


def litert_outputs(content: bytes, samples: np.ndarray) -> np.ndarray:
    """The outputs (samples, ...) of a .tflite file as reals, sample by sample: integers go through its scales."""
    interpreter, values, outputs = new_interpreter(content), np.asarray(samples), []
    (source,), (target,) = interpreter.get_input_details(), interpreter.get_output_details()
    if np.issubdtype(source["dtype"], np.integer):
        (scale, zero_point), limits = source["quantization"], np.iinfo(source["dtype"])
        values = np.clip(np.round(values / scale) + zero_point, limits.min, limits.max)
    for sample in values.astype(source["dtype"]):
        interpreter.set_tensor(source["index"], sample[np.newaxis])
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(target["index"])[0])
    if not np.issubdtype(target["dtype"], np.integer):
        return np.array(outputs)
    scale, zero_point = target["quantization"]
    return (np.array(outputs).astype("float32") - zero_point) * scale
