"""`StorageReport`: what a network costs, layer by layer, and its table."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from keras_efficient.checks import one_of
from keras_efficient.markup import align, notebook_table

PLACES = ("flash", "ram")
HEADINGS = ("layer", "output shape", "parameters", "weight bytes", "working bytes", "multiply-adds", "order")
LEFT_ALIGNED = ("layer", "output shape", "order")


@dataclass(frozen=True)
class LayerStorage:
    """One layer: shapes without the batch; bytes may be fractions, since cells are packed below the
    byte.

    `working_bytes` is the peak while the layer runs: what is alive of its input and its output.
    `order` is the order of its output pixels, None where there is no choice. `minimal_parameters`
    is how many numbers the same functions need, None where they are the `parameters`. `weight_format`
    says how the kernels of a pruned layer are stored ("dense", "bitmask", "relative index, k-bit gaps"),
    `dense_weight_bytes` what they would take densely. `name` takes no part in comparisons: a description
    has none.
    """

    name: str = field(compare=False)
    kind: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    parameters: int
    weight_bytes: float
    working_bytes: float
    mult_adds: int
    order: str | None = None
    minimal_parameters: int | None = None
    dense_weight_bytes: float | None = None
    weight_format: str = "dense"


@dataclass(frozen=True)
class StorageReport:
    """What a network needs before it is trained, in bytes (possibly fractions: cells are packed
    below the byte).

    `activation_bytes` is the largest working memory of a layer; `parameters` counts the numbers
    that layers store, scales excluded; `mult_adds` counts products, so neither bias additions nor
    pooling. Program, stack and a table of the layers come on top. `order_is_exact`: of a model with
    branches, whether no order of its layers needs less; None for a chain.
    """

    weight_bytes: float
    activation_bytes: float
    parameters: int
    mult_adds: int
    layers: tuple[LayerStorage, ...]
    input_shape: tuple  # of sizes; of several inputs a tuple of shapes
    input_bits: int
    streaming: bool
    order_is_exact: bool | None = None

    @property
    def minimal_parameters(self) -> int:
        """`parameters`, with every pair of factors that stores more than its product counted as the
        product: a smaller network with the same functions."""
        return sum(
            layer.parameters if layer.minimal_parameters is None else layer.minimal_parameters for layer in self.layers
        )

    @property
    def total_bytes(self) -> float:
        """Weights and activations."""
        return self.weight_bytes + self.activation_bytes

    def ram_bytes(self, weights: str = "flash") -> float:
        """RAM for the data of the network, with its weights kept in "flash" or in "ram"."""
        return self.total_bytes if one_of(weights, "weights", PLACES) == "ram" else self.activation_bytes

    def flash_bytes(self, weights: str = "flash") -> float:
        """Flash for the data of the network: its weights, also with weights in "ram", which start
        as a copy of it."""
        one_of(weights, "weights", PLACES)
        return self.weight_bytes

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values, for JSON; the sum included."""
        values = asdict(self)
        return {
            "total_bytes": self.total_bytes,
            **values,
            "layers": [asdict(layer) for layer in self.layers],
        }

    def to_json(self) -> str:
        """`to_dict` as a JSON string."""
        return json.dumps(self.to_dict())

    def __str__(self) -> str:
        rows = self._rows()
        rule = ["-" * max(map(len, column)) for column in zip(HEADINGS, *rows, strict=True)]
        return "\n".join([*align([HEADINGS, rule, *rows[:-1], rule, rows[-1]], LEFT_ALIGNED), "", *self._placement()])

    def _repr_html_(self) -> str:
        return notebook_table(HEADINGS, self._rows(), self._placement())

    def _rows(self) -> list[tuple[str, ...]]:
        """The layers, and the total."""
        sums = (str(self.parameters), _amount(self.weight_bytes), _amount(self.activation_bytes), str(self.mult_adds))
        rows = [
            (
                layer.name,
                _shape_text(layer.output_shape),
                str(layer.parameters),
                _amount(layer.weight_bytes),
                _amount(layer.working_bytes),
                str(layer.mult_adds),
                layer.order or "",
            )
            for layer in self.layers
        ]
        return [*rows, ("total (working: the largest)", "", *sums, "")]

    def _placement(self) -> list[str]:
        arrives = "pushed pixel by pixel" if self.streaming else "stored before the network runs"
        lines = [
            f"input {_shape_text(self.input_shape)} of {self.input_bits} bits, {arrives}",
            f"weights + activations: {_amount(self.total_bytes)} bytes",
            f"weights in flash: {_amount(self.ram_bytes())} bytes RAM, {_amount(self.flash_bytes())} bytes flash",
            f"weights in RAM:   {_amount(self.ram_bytes('ram'))} bytes RAM",
        ]
        for layer in self.layers:
            if layer.weight_format != "dense":
                dense = _amount(layer.dense_weight_bytes)
                lines.append(f"weights of {layer.name}: {layer.weight_format}, {dense} bytes if dense")
        if self.minimal_parameters != self.parameters:
            minimal = f"equivalent minimal: {self.minimal_parameters} parameters"
            lines.append(f"{minimal}, with wasteful pairs of factors multiplied")
        return lines


def _shape_text(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def _amount(value: float | None) -> str:
    """Bytes with as many decimals as eighths need, without trailing zeros."""
    return f"{value:.3f}".rstrip("0").rstrip(".")
