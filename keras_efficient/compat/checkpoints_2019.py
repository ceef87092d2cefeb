"""The .h5 files of the 2019 study (Keras 2.1, "Memory-Optimal Direct Convolutions")."""

import math
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from keras_efficient.checks import path_of
from keras_efficient.networks import build_network
from keras_efficient.outside_files import check_plain_file, parse_json
from keras_efficient.quantization import quantized_layers

# The order of a layer's arrays in the file and of the contract are the same, the names are not.
_ARRAYS = ("kernel", "bias", "w_log_threshold", "b_log_threshold", "a_log_threshold")


def load_2019(path: str | Path) -> keras.Model:
    """Read a checkpoint of the 2019 study into a flat model of our layers.

    The model takes images (28, 28, 1) with values byte / 256 and gives the softmax over 10
    classes. Its logits are quantized without a sign, as in the study; its mode is the file's:
    float, learn_scales or freeze_scales.

    Args:
        path: An .h5 file: modelFL_*.h5, modelTL_*.h5, modelQL_*.h5 or their A variants.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is no checkpoint of the study, its numbers lie in another file, or are not finite.
    """
    check_plain_file(path_of(path, "path"), "checkpoint of the 2019 study")
    try:
        with h5py.File(path, "r") as file:
            config = parse_json(_text(file.attrs["model_config"]), path, "checkpoint of the 2019 study")
            layers = [(entry["class_name"], entry["config"]) for entry in config["config"]["layers"]]
            model = _build(layers)
            _copy_weights(file, layers, model)
    except Exception as error:  # whatever a file of another content makes h5py and Keras say
        raise ValueError(f"'{path}' is no checkpoint of the 2019 study: {error}") from error
    return model


def _build(layers):
    quantized = _configs_of(layers, "ConvQ", "DenseQ")
    input_shape = _configs_of(layers, "InputLayer")[0]["batch_input_shape"][1:]
    items = [_item(*layer) for layer in layers]
    description = [item for item in items if item is not None]
    mode = "float" if quantized[0]["fp"] else "learn_scales" if quantized[0]["qt"] else "freeze_scales"
    return build_network(description, tuple(input_shape), mode, signed_output=False)


def _configs_of(layers, *class_names):
    return [config for class_name, config in layers if class_name in class_names]


def _item(class_name, config):
    """The description item that one layer of the file stands for, or None."""
    if class_name not in _TRANSLATIONS:
        raise ValueError(f"unknown layer class {class_name!r}")
    return _TRANSLATIONS[class_name](config)


def _convolution(config):
    bits = (config["wq"], config["bq"], config["aq"])
    letter = "C" if config["activation"] == "relu" else "CN"
    return (letter, config["output_dim"], *config["kernel_size"], *config["strides"], *bits)


def _dense(config):
    letter = "F" if config["activation"] == "relu" else "S"
    return (letter, config["output_dim"], config["wq"], config["bq"], config["aq"])


_TRANSLATIONS = {
    "InputLayer": lambda config: None,
    # The study's average pooling is followed by a Lambda that cuts to 4 bits; the file holds
    # its byte code only, with the wrong bits in its closure.
    "AveragePooling2D": lambda config: ("A", config["pool_size"][0], 4),
    "Lambda": lambda config: None,
    "ConvQ": _convolution,
    "DenseQ": _dense,
    "MaxPooling2D": lambda config: ("M", config["pool_size"][0], 4),
    "Dropout": lambda config: ("D", config["rate"], 4),
    "Flatten": lambda config: None,
    "Activation": lambda config: None,
}


def _copy_weights(file, layers, model):
    names = [config["name"] for config in _configs_of(layers, "ConvQ", "DenseQ")]
    ours = [layer for layer in quantized_layers(model) if layer.weights]
    for layer, name in zip(ours, names, strict=True):
        group = _entry_within(file, f"model_weights/{name}")
        paths = [_text(path) for path in group.attrs["weight_names"]]
        # The folder within the group is not always the layer's name; the last part is fixed.
        by_name = {path.split("/")[-1].split(":")[0]: path for path in paths}
        arrays = [
            _read_array(_entry_within(group, by_name[name]), weight.shape)
            for name, weight in zip(_ARRAYS, layer.weights, strict=True)
        ]
        layer.set_weights(arrays)


def _text(value):
    """Text; the study's files hold bytes, those that were saved again text."""
    if not isinstance(value, str | bytes):
        raise ValueError(f"{value!r} is no text")
    return value.decode() if isinstance(value, bytes) else value


# Of one chunk, which is read as a whole; those that h5py chooses hold less than a million numbers.
_MOST_NUMBERS = 2**26


def _entry_within(group: h5py.Group, path: str) -> Any:
    """The group or data set at a path, none of whose steps is a link to somewhere else.

    Raises:
        ValueError: A soft or external link.
        KeyError: There is nothing of this name.
    """
    for name in path.split("/"):
        link = group.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise ValueError(f"{path!r} is a link to somewhere else")
        group = group[name]
    return group


def _read_array(entry: Any, shape: tuple[int, ...]) -> np.ndarray:
    """The numbers of a data set, which must have this shape.

    Raises:
        ValueError: It is no data set of numbers, has another shape, lies in other files, or is not finite.
    """
    if not isinstance(entry, h5py.Dataset) or entry.dtype.kind not in "fiu":
        raise ValueError(f"{entry!r} is no array of numbers")
    if entry.shape != tuple(shape):
        raise ValueError(f"{entry.name!r} must have the shape {tuple(shape)}. Received: {entry.shape}")
    if entry.external or entry.is_virtual:
        raise ValueError(f"the numbers of {entry.name!r} lie in another file")
    if entry.chunks and math.prod(entry.chunks) > _MOST_NUMBERS:
        raise ValueError(f"{entry.name!r} is stored in chunks of {entry.chunks} numbers")
    array = entry[()]
    if not np.isfinite(array).all():
        raise ValueError(f"{entry.name!r} holds numbers that are not finite")
    return array
