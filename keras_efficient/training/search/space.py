"""`SearchSpace`: which networks a search looks at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from keras_efficient.checks import shown
from keras_efficient.kinds.fields import check_bits, check_rate, check_size
from keras_efficient.outside_files import read_json

WITH_FILTERS = ("C", "CN", "DSC")
CONVOLUTION_LETTERS = (*WITH_FILTERS, "T", "R")
POOLING_LETTERS = ("A", "M")
# Where halving the input leaves at least as much as the smallest kernels of the study need.
_SMALLEST_POOLED_INPUT = 20
# Counting the candidates takes time in proportion to its square.
_MOST_LAYERS = 100


@dataclass(frozen=True)
class SearchSpace:
    """All networks  [input pooling]  layers  [dropout]  S(classes).

    The layers are convolutions and then dense layers, `min_layers` to `max_layers` of them together;
    one pooling layer may follow one of the convolutions (which is not counted). With c
    convolutions to choose from, d dense layers, p pooling sizes and e ways to begin and end there are

        e times the sum over n = min_layers .. max_layers, a = 0 .. n  of  c^a d^(n-a) (1 + a p)

    candidates: 182,957 with the defaults, which are those of the study. Source: the architecture sweep of
    Gural & Murmann, ICML 2019.

    Attributes:
        input_pooling: Size of the average pooling in front; None: none.
        kernel_sizes: Kernel sizes by letter of the description language: "C", "CN", "DSC", "T" (depthwise, as many
            channels as before), "R" (residual, of 3 x 3).
        filters: Filters of a convolution; also a range.
        dense_units: Widths of the hidden dense layers.
        min_layers, max_layers: Hidden layers, convolutions and dense ones together.
        pool_sizes: Sizes of the pooling after a convolution; empty: none.
        pool_letter: "M" or "A".
        dropout: Rate in front of the last layer; None: no dropout.
        kernel_bits, bias_bits, activation_bits: Of every layer. Of kernels and activations also several widths, of
            which each layer has one (the pooling after a convolution the first).
        logit_bits: Activation bits of the last layer.

    Raises:
        ValueError: An attribute out of range.
    """

    input_pooling: int | None = 2
    kernel_sizes: Mapping[str, Sequence[int]] = field(default_factory=lambda: {"C": (1, 3, 5), "DSC": (3, 5)})
    filters: Sequence[int] = (4, 6, 8, 10, 12, 16, 32)
    dense_units: Sequence[int] = (16, 32)
    min_layers: int = 2
    max_layers: int = 3
    pool_sizes: Sequence[int] = (2,)
    pool_letter: str = "M"
    dropout: float | None = 0.1
    kernel_bits: int | Sequence[int] = 4
    bias_bits: int = 8
    activation_bits: int | Sequence[int] = 4
    logit_bits: int = 16

    def __post_init__(self):
        for name in ("filters", "dense_units", "pool_sizes"):
            object.__setattr__(self, name, _check_sizes(getattr(self, name), name))
        object.__setattr__(self, "kernel_sizes", _check_kernels(self.kernel_sizes))
        if self.input_pooling is not None:
            check_size(self.input_pooling, "input_pooling")
        if self.dropout is not None:
            check_rate(self.dropout, "dropout")
        for name in ("min_layers", "max_layers"):
            check_size(getattr(self, name), name)
        if self.min_layers > self.max_layers:
            raise ValueError(
                "min_layers must not be above max_layers. "
                f"Received: min_layers={self.min_layers}, max_layers={self.max_layers}"
            )
        _check_letter(self.pool_letter, "pool_letter", POOLING_LETTERS)
        if self.max_layers > _MOST_LAYERS:
            raise ValueError(f"max_layers must be at most {_MOST_LAYERS}. Received: max_layers={self.max_layers}")
        for name in ("bias_bits", "logit_bits"):
            check_bits(getattr(self, name), name)
        for name in ("kernel_bits", "activation_bits"):
            object.__setattr__(self, name, _check_widths(getattr(self, name), name))

    @classmethod
    def for_inputs(cls, input_shape: Sequence[int]) -> "SearchSpace":
        """The study's space, as far as it makes sense for samples of a shape.

        Images with fewer than 20 rows or columns are not pooled in front, since hardly a kernel would fit
        what is left; vectors get dense layers only.
        """
        if len(input_shape) != 3:
            return cls(input_pooling=None, kernel_sizes={}, pool_sizes=())
        return cls() if min(input_shape[:2]) >= _SMALLEST_POOLED_INPUT else cls(input_pooling=None)

    @classmethod
    def wide(cls, input_shape: Sequence[int]) -> "SearchSpace":
        """A space of very many candidates: 3 to 32 filters, any widths of 2 to 8 bits from layer to layer, one to four
        convolutions, also residual and depthwise ones."""
        space = cls.for_inputs(input_shape)
        kernels = {**space.kernel_sizes, "T": (3, 5), "R": (3,)} if space.kernel_sizes else {}
        widths = tuple(range(2, 9))
        changes = {"filters": range(3, 33), "dense_units": range(4, 65, 4), "kernel_sizes": kernels}
        return space.with_changes(
            {**changes, "kernel_bits": widths, "activation_bits": widths, "max_layers": 4, "min_layers": 1}
        )

    def widths(self, name: str) -> tuple[int, ...]:
        """The widths of "kernel_bits" or "activation_bits", also where there is only one."""
        value = getattr(self, name)
        return (value,) if isinstance(value, int) else value

    def size(self) -> int:
        """How many candidates there are, of any price; see the formula above."""
        kernels, activations = (len(self.widths(name)) for name in ("kernel_bits", "activation_bits"))
        windows = ((len(sizes), letter in WITH_FILTERS) for letter, sizes in self.kernel_sizes.items())
        convolutions = (
            sum(sizes * (len(self.filters) if many else 1) for sizes, many in windows) * kernels * activations
        )
        dense, pools = len(self.dense_units) * kernels * activations, len(self.pool_sizes)
        ends = kernels * (activations if self.input_pooling is not None else 1)
        return ends * sum(
            convolutions**a * dense ** (layers - a) * (1 + a * pools)
            for layers in range(self.min_layers, self.max_layers + 1)
            for a in range(layers + 1)
        )

    def with_changes(self, changes: Mapping[str, Any]) -> "SearchSpace":
        """This space with other attributes; ValueError where a name is unknown."""
        names = [field.name for field in fields(self)]
        unknown = [name for name in changes if name not in names]
        if unknown:
            raise ValueError(f"a search space has no {unknown}; it has {', '.join(names)}")
        return replace(self, **changes)


def _check_sizes(values: Any, name: str) -> tuple[int, ...]:
    if not isinstance(values, (list, tuple, range)):
        raise ValueError(f"{name} must be a list of integers. Received: {name}={values!r}")
    sizes = tuple(check_size(value, name) for value in values)
    if len(set(sizes)) != len(sizes):
        raise ValueError(f"{name} must not repeat a value. Received: {name}={values!r}")
    return sizes


def _check_widths(value: Any, name: str) -> int | tuple[int, ...]:
    if not isinstance(value, (list, tuple, range)):
        return check_bits(value, name)
    if not value or len(set(value)) != len(value):
        raise ValueError(f"{name} must be one width or different ones. Received: {name}={value!r}")
    return tuple(check_bits(width, name) for width in value)


def _check_kernels(kernels: Any) -> dict[str, tuple[int, ...]]:
    if not isinstance(kernels, Mapping):
        raise ValueError(f'kernel_sizes must be like {{"C": [1, 3, 5]}}. Received: kernel_sizes={kernels!r}')
    for letter in kernels:
        _check_letter(letter, "a key of kernel_sizes", CONVOLUTION_LETTERS)
    checked = {letter: _check_sizes(sizes, f"kernel_sizes[{letter!r}]") for letter, sizes in kernels.items()}
    if checked.get("R", (3,)) != (3,):
        raise ValueError(f"kernel_sizes['R'] must be [3]: residual blocks have no other. Received: {kernels['R']!r}")
    return checked


def _check_letter(letter: Any, name: str, letters: tuple[str, ...]) -> None:
    if letter not in letters:
        raise ValueError(f"{name} must be one of {', '.join(letters)}. Received: {letter!r}")


def read_space(path: str | Path, default: SearchSpace | None = None) -> SearchSpace:
    """Read a search space from a JSON file: an object with attributes of `SearchSpace`.

        {"filters": [4, 8], "kernel_sizes": {"C": [3]}, "max_layers": 2}

    What the file leaves out is as in `default`, or the study's space.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not JSON, holds something else or is above 1 MB; the text names the file.
    """
    content = read_json(path, "search space")
    if not isinstance(content, dict):
        raise ValueError(f'{path} must hold an object such as {{"filters": [4, 8]}}. Received: {shown(content)}')
    try:
        return (default or SearchSpace()).with_changes(content)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
