"""What LiteRT's interpreter computes."""

import numpy as np
import tensorflow as tf


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
