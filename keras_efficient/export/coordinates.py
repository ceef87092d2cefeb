"""The flat file of random-basis layers: seeds, coordinates and biases, nothing else.

`kinds.random_basis` describes the bytes.
"""

import binascii
import struct
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from keras_efficient.checks import path_of
from keras_efficient.files import damaged, write_atomically
from keras_efficient.kinds.measures import FLOAT_BITS, whole_bytes
from keras_efficient.kinds.random_basis import HEADER_BYTES, HEADER_FORMAT
from keras_efficient.layers.random_basis.base import RandomBasisLayer
from keras_efficient.ops.covering import covering_log2_scale
from keras_efficient.ops.quantize import check_bits, code_range, to_codes
from keras_efficient.reading.keras_private import layers_within

_MARK, _VERSION = 0xB5, 1
_ADVICE = "Write it again with `write_coordinates`."


@dataclass(frozen=True)
class LayerCoordinates:
    """One record: what a layer needs to make its kernel.

    Attributes:
        seed: Of the layer, modulo 2^32.
        coordinates, biases: float32 arrays, exactly the numbers that the file stands for.
    """

    seed: int
    coordinates: np.ndarray
    biases: np.ndarray


def write_coordinates(
    model: keras.Model, path: str | Path, bits: int | None = None, bias_bits: int | None = None
) -> int:
    """Write the random-basis layers of a model; returns the bytes written.

    Args:
        model: Whose layers with weights are all random-basis layers (nested models are unfolded).
        path: Of the file; whole or not at all.
        bits, bias_bits: Widths in bits, 1 to 16 or 32 (float). None takes each layer's own
            `coordinate_bits` and `bias_bits`; then `estimate_storage(model)` says the same bytes. Numbers are
            rounded by `ops.quantize` with the smallest power-of-two scale that cuts nothing off.

    Raises:
        ValueError: A layer with other weights, or no random-basis layer at all.
    """
    content = b"".join(_coordinate_records(model, bits, bias_bits))
    write_atomically(path_of(path, "path"), lambda temporary: temporary.write_bytes(content))
    return len(content)


def _coordinate_records(model: keras.Model, bits: int | None = None, bias_bits: int | None = None) -> list[bytes]:
    """What `write_coordinates` writes, one record per layer."""
    records = []
    for layer in _random_basis_layers(model):
        widths = [
            _width(given, own, name)
            for given, own, name in ((bits, layer.coordinate_bits, "bits"), (bias_bits, layer.bias_bits, "bias_bits"))
        ]
        biases = keras.ops.convert_to_numpy(layer.bias) if layer.use_bias else np.zeros(0, "float32")
        records.append(_record(layer.seed % 2**32, keras.ops.convert_to_numpy(layer.z), biases, *widths))
    return records


def read_coordinates(path: str | Path) -> list[LayerCoordinates]:
    """The records of a file, in the order of the layers.

    Raises:
        ValueError: The file is no such file, cut off or changed.
    """
    path = path_of(path, "path")
    content, records = path.read_bytes(), []
    while content:
        try:
            record, content = _read_record(content)
        except (struct.error, ValueError) as error:
            raise damaged(path, error, _ADVICE) from error
        records.append(record)
    if not records:
        raise damaged(path, "it is empty", _ADVICE)
    return records


def load_coordinates(model: keras.Model, path: str | Path) -> None:
    """Set the coordinates and biases of a model's random-basis layers from a file.

    Raises:
        ValueError: The file is damaged or was written from other layers; the model is then as it was.
    """
    layers, records = _random_basis_layers(model), read_coordinates(path)
    if len(layers) != len(records):
        raise ValueError(f"The model has {len(layers)} random-basis layers. Received: a file with {len(records)}")
    for layer, record in zip(layers, records, strict=True):
        wanted = (layer.seed % 2**32, layer.dimensions, layer.kernel_shape[-1] if layer.use_bias else 0)
        found = (record.seed, len(record.coordinates), len(record.biases))
        if wanted != found:
            raise ValueError(
                f"Layer '{layer.name}' has (seed, dimensions, biases) = {wanted}. Received: {found} in '{path}'"
            )
    for layer, record in zip(layers, records, strict=True):
        layer.z.assign(record.coordinates)
        if layer.bias is not None:
            layer.bias.assign(record.biases)


def _random_basis_layers(model: keras.Model) -> list[RandomBasisLayer]:
    """The random-basis layers of a model, in order; a ValueError if it has other weights, or none of them, or some that
    C computes."""
    if not isinstance(model, keras.Model):
        raise TypeError(f"`model` must be a Keras model. Received: model={model!r}")
    found = []
    for layer in _leaves(model):
        if isinstance(layer, RandomBasisLayer):
            if layer.kernel_bits is not None:
                raise ValueError(
                    f"Layer '{layer.name}' has `kernel_bits`: what it is made of stands in its C. Right would be "
                    f"keras_efficient.export_c. Received: kernel_bits={layer.kernel_bits}"
                )
            found.append(layer)
        elif layer.weights:
            raise ValueError(
                "Every layer with weights must be a random-basis layer. "
                f"Received: layer '{layer.name}' ({type(layer).__name__})"
            )
    if not found:
        raise ValueError(f"The model has no random-basis layer. Received: model '{model.name}'")
    return found


def _leaves(model):
    for layer in layers_within(model, recursive=False)[1:]:
        yield from _leaves(layer) if isinstance(layer, keras.Model) else (layer,)


def _width(given, own, name):
    bits = own if given is None else given
    return FLOAT_BITS if bits in (None, FLOAT_BITS) else check_bits(bits, name)


def _record(seed, coordinates, biases, coordinate_bits, bias_bits):
    (exponent, packed), (bias_exponent, packed_biases) = _pack(coordinates, coordinate_bits), _pack(biases, bias_bits)
    fields = (_MARK, _VERSION, coordinate_bits, exponent, bias_bits, bias_exponent, seed, len(coordinates), len(biases))
    body = packed + packed_biases
    checksum = binascii.crc_hqx(struct.pack(HEADER_FORMAT, *fields, 0) + body, 0)
    return struct.pack(HEADER_FORMAT, *fields, checksum) + body


def _read_record(content):
    *fields, checksum = struct.unpack_from(HEADER_FORMAT, content)
    mark, version, bits, exponent, bias_bits, bias_exponent, seed, count, bias_count = fields
    if (mark, version) != (_MARK, _VERSION):
        raise ValueError("it does not start as such a file does")
    middle = HEADER_BYTES + whole_bytes(count * bits)
    end = middle + whole_bytes(bias_count * bias_bits)
    body = content[HEADER_BYTES:end]
    if len(content) < end or binascii.crc_hqx(struct.pack(HEADER_FORMAT, *fields, 0) + body, 0) != checksum:
        raise ValueError("wrong check sum")
    coordinates = _unpack(content[HEADER_BYTES:middle], count, bits, exponent)
    biases = _unpack(content[middle:end], bias_count, bias_bits, bias_exponent)
    return LayerCoordinates(seed, coordinates, biases), content[end:]


def _pack(values, bits):
    """The exponent of the scale, and the codes (counted from the lowest) in as few bytes as they fill."""
    if bits == FLOAT_BITS or not len(values):
        return 0, values.astype("<f4").tobytes()
    log2_scale = covering_log2_scale(keras.ops.convert_to_tensor(values), bits)
    codes = keras.ops.convert_to_numpy(to_codes(values, bits, log2_scale))
    codes = np.round(codes - code_range(bits, True)[0]).astype("uint32")
    digits = (codes[:, None] >> np.arange(bits, dtype="uint32")) & 1
    packed = np.packbits(digits.astype("uint8").ravel(), bitorder="little")
    return int(keras.ops.convert_to_numpy(log2_scale)), packed.tobytes()


def _unpack(content, count, bits, exponent):
    if bits == FLOAT_BITS or not count:
        return np.frombuffer(content, "<f4").astype("float32")
    digits = np.unpackbits(np.frombuffer(content, "uint8"), count=count * bits, bitorder="little").reshape(count, bits)
    codes = digits @ (1 << np.arange(bits)) + code_range(bits, True)[0]
    return (codes * 2.0 ** (exponent - bits + 1)).astype("float32")
