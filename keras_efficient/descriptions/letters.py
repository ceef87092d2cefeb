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

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from keras_efficient.descriptions.specs import LayerSpec
from keras_efficient.kinds.fields import (
    Field,
    check_bits,
    check_deviation,
    check_rate,
    check_size,
)


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


def three_bits(kernel_bits: int, bias_bits: int, activation_bits: int) -> dict[str, int]:
    return {"kernel_bits": kernel_bits, "bias_bits": bias_bits, "activation_bits": activation_bits}


def window(rows: int, columns: int, row_stride: int, column_stride: int) -> dict[str, Any]:
    return {
        "kernel_size": [rows, columns],
        "strides": [row_stride, column_stride],
        "padding": "valid",
    }


def average_pooling(size: int, bits: int) -> list[LayerSpec]:
    return [LayerSpec("AveragePoolingQ", {"pool_size": [size, size], "bits": bits})]


def max_pooling(size: int, bits: int) -> list[LayerSpec]:
    return [LayerSpec("MaxPooling2D", {"pool_size": [size, size]})]


def convolution(activation: str) -> Callable[..., list[LayerSpec]]:
    def layers(filters: int, *values: int) -> list[LayerSpec]:
        config = {
            "filters": filters,
            **window(*values[:4]),
            "activation": activation,
            **three_bits(*values[4:]),
        }
        return [LayerSpec("ConvQ", config)]

    return layers


def depthwise(multiplier: int, *values: int) -> list[LayerSpec]:
    config = {
        **window(*values[:4]),
        "depth_multiplier": multiplier,
        "activation": "linear",
        **three_bits(*values[4:]),
    }
    return [LayerSpec("DepthwiseConvQ", config)]


def separable(filters: int, *values: int) -> list[LayerSpec]:
    return [*depthwise(1, *values), *convolution("relu")(filters, 1, 1, 1, 1, *values[4:])]


def residual(*bits: int) -> list[LayerSpec]:
    return [LayerSpec("ResidualQ", three_bits(*bits))]


def dense(activation: str) -> Callable[..., list[LayerSpec]]:
    def layers(units: int, *bits: int) -> list[LayerSpec]:
        return [LayerSpec("DenseQ", {"units": units, "activation": activation, **three_bits(*bits)})]

    return layers


def quantizer(bits: int) -> list[LayerSpec]:
    return [LayerSpec("ActivationQ", {"bits": bits, "signed": True})]


def noise(deviation: float, bits: int) -> list[LayerSpec]:
    return [LayerSpec("GaussianNoise", {"stddev": deviation}), *quantizer(bits)]


def dropout(rate: float, bits: int) -> list[LayerSpec]:
    return [LayerSpec("Dropout", {"rate": rate})]


def square_kernel(values: list) -> list:
    outputs, size, *bits = values
    return [outputs, size, size, 1, 1, *bits]


def sizes(*names: str) -> tuple[Field, ...]:
    return tuple(Field(name, check_size) for name in names)


BITS = Field("activation bits", check_bits)
THREE_BITS = (Field("kernel bits", check_bits), Field("bias bits", check_bits), BITS)
POOLING = ((*sizes("pool size"), BITS),)


def window_forms(outputs: str) -> tuple[tuple[Field, ...], ...]:
    long = sizes(outputs, "kernel rows", "kernel columns", "stride rows", "stride columns")
    return (*long, *THREE_BITS), (*sizes(outputs, "kernel size"), *THREE_BITS)


def window_letter(outputs: str, layers: Callable[..., list[LayerSpec]]) -> Letter:
    return Letter(window_forms(outputs), layers, lengthen=square_kernel)


def dense_letter(activation: str) -> Letter:
    return Letter(((*sizes("units"), *THREE_BITS),), dense(activation), flattens=True)


LETTERS: dict[str, Letter] = {
    "A": Letter(POOLING, average_pooling),
    "M": Letter(POOLING, max_pooling),
    "C": window_letter("filters", convolution("relu")),
    "CN": window_letter("filters", convolution("linear")),
    "DSC": window_letter("filters", separable),
    "T": window_letter("depth multiplier", depthwise),
    "R": Letter((THREE_BITS,), residual),
    "F": dense_letter("relu"),
    "S": dense_letter("linear"),
    "Q": Letter(((BITS,),), quantizer),
    "N": Letter(((Field("standard deviation", check_deviation), BITS),), noise),
    "D": Letter(((Field("rate", check_rate), BITS),), dropout),
}


def forms_text(letter: str) -> str:
    """The right forms of a letter, for messages: ("A", pool size, activation bits)."""
    forms = (", ".join([f'"{letter}"', *(field.name for field in form)]) for form in LETTERS[letter].forms)
    return " or ".join(f"({form})" for form in forms)
