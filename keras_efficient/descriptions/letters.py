"""The letters of the description language: the forms of their items, and their layers.

The language is that of Gural & Murmann (ICML 2019). "bits ..." are those of kernel, bias and activation;
they stand last.

| item | layers |
|---|---|
| `("A", pool size, bits)` | average pooling, rounded down to unsigned codes |
| `("M", pool size, bits)` | max pooling; it keeps the codes of its input, `bits` changes nothing |
| `("C", filters, ..., bits ...)`, `("CN", ...)` | convolution, padding "valid", with relu ("C") or without ("CN") |
| `("T", depth multiplier, ..., bits ...)` | depthwise convolution, linear |
| `("DSC", filters, ..., bits ...)` | depthwise convolution, linear, with the strides; then 1x1 with relu |
| `("R", bits ...)` | residual block of two 3x3 convolutions |
| `("F", units, bits ...)`, `("S", ...)` | dense with relu ("F") or linear ("S"); a map is flattened first |
| `("Q", bits)` | signed quantizer |
| `("N", deviation, bits)` | Gaussian noise in training, then a signed quantizer |
| `("D", rate, bits)` | dropout in training; `bits` changes nothing |

C, CN, T and DSC have a long form with kernel and strides in both directions, and a short one, square
kernel and stride 1: `("C", 8, 3, 4, 8, 4)` is `("C", 8, 3, 3, 1, 1, 4, 8, 4)`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from keras_efficient.descriptions.specs import LayerSpec
from keras_efficient.kinds.fields import Field, check_bits, check_deviation, check_rate, check_size


@dataclass(frozen=True)
class Letter:
    """One letter: its allowed forms and the layers it stands for.

    `layers` receives the values of the first form, in order, and returns the specs; their
    configurations must be fresh, since their owner may change them. `lengthen` turns the values of
    a shorter form into those of the first. A letter that `flattens` is given a vector.
    """

    forms: tuple[tuple[Field, ...], ...]
    layers: Callable[..., list[LayerSpec]]
    flattens: bool = False
    lengthen: Callable[[list], list] = list

    def read(self, values: Sequence[Any]) -> list[LayerSpec]:
        """The layers of an item whose values (without the letter) are `values`."""
        form = next((form for form in self.forms if len(form) == len(values)), None)
        if form is None:
            raise ValueError(f"it has {len(values) + 1} items")
        checked = [field.read(value) for field, value in zip(form, values, strict=True)]
        return self.layers(*(checked if form is self.forms[0] else self.lengthen(checked)))


def _three_bits(kernel_bits: int, bias_bits: int, activation_bits: int) -> dict[str, int]:
    return {"kernel_bits": kernel_bits, "bias_bits": bias_bits, "activation_bits": activation_bits}


def _windowed(
    class_name: str, activation: str, outputs_key: str, outputs: int, values: Sequence[int]
) -> list[LayerSpec]:
    """A convolution; `values`: kernel rows and columns, strides, bits."""
    window = {"kernel_size": list(values[:2]), "strides": list(values[2:4]), "padding": "valid"}
    config = {outputs_key: outputs, **window, "activation": activation, **_three_bits(*values[4:])}
    return [LayerSpec(class_name, config)]


def _convolution(activation: str) -> Callable[..., list[LayerSpec]]:
    return lambda filters, *values: _windowed("ConvQ", activation, "filters", filters, values)


def _depthwise(multiplier: int, *values: int) -> list[LayerSpec]:
    return _windowed("DepthwiseConvQ", "linear", "depth_multiplier", multiplier, values)


def _separable(filters: int, *values: int) -> list[LayerSpec]:
    return [*_depthwise(1, *values), *_convolution("relu")(filters, 1, 1, 1, 1, *values[4:])]


def _quantizer(bits: int) -> LayerSpec:
    return LayerSpec("ActivationQ", {"bits": bits, "signed": True})


def _sizes(*names: str) -> tuple[Field, ...]:
    return tuple(Field(name, check_size) for name in names)


_BITS = Field("activation bits", check_bits)
_THREE_BITS = (Field("kernel bits", check_bits), Field("bias bits", check_bits), _BITS)
_POOLING = ((*_sizes("pool size"), _BITS),)


def _window_letter(outputs: str, layers: Callable[..., list[LayerSpec]]) -> Letter:
    long = _sizes(outputs, "kernel rows", "kernel columns", "stride rows", "stride columns")
    forms = (*long, *_THREE_BITS), (*_sizes(outputs, "kernel size"), *_THREE_BITS)
    return Letter(forms, layers, lengthen=lambda values: [*values[:2], values[1], 1, 1, *values[2:]])


def _dense_letter(activation: str) -> Letter:
    def layers(units: int, *bits: int) -> list[LayerSpec]:
        return [LayerSpec("DenseQ", {"units": units, "activation": activation, **_three_bits(*bits)})]

    return Letter(((*_sizes("units"), *_THREE_BITS),), layers, flattens=True)


LETTERS: dict[str, Letter] = {
    "A": Letter(_POOLING, lambda size, bits: [LayerSpec("AveragePoolingQ", {"pool_size": [size, size], "bits": bits})]),
    "M": Letter(_POOLING, lambda size, bits: [LayerSpec("MaxPooling2D", {"pool_size": [size, size]})]),
    "C": _window_letter("filters", _convolution("relu")),
    "CN": _window_letter("filters", _convolution("linear")),
    "DSC": _window_letter("filters", _separable),
    "T": _window_letter("depth multiplier", _depthwise),
    "R": Letter((_THREE_BITS,), lambda *bits: [LayerSpec("ResidualQ", _three_bits(*bits))]),
    "F": _dense_letter("relu"),
    "S": _dense_letter("linear"),
    "Q": Letter(((_BITS,),), lambda bits: [_quantizer(bits)]),
    "N": Letter(
        ((Field("standard deviation", check_deviation), _BITS),),
        lambda deviation, bits: [LayerSpec("GaussianNoise", {"stddev": deviation}), _quantizer(bits)],
    ),
    "D": Letter(((Field("rate", check_rate), _BITS),), lambda rate, bits: [LayerSpec("Dropout", {"rate": rate})]),
}


def forms_text(letter: str) -> str:
    """The right forms of a letter, for messages: ("A", pool size, activation bits)."""
    forms = (", ".join([f'"{letter}"', *(field.name for field in form)]) for form in LETTERS[letter].forms)
    return " or ".join(f"({form})" for form in forms)
