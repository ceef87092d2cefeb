"""`StorageReport`: what a network costs, layer by layer, and its table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from keras_efficient.markup import notebook_table

PLACES = ("flash", "ram")
HEADINGS = (
    "layer",
    "output shape",
    "parameters",
    "weight bytes",
    "working bytes",
    "multiply-adds",
    "order",
)
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
        return self.total_bytes if check_place(weights) == "ram" else self.activation_bytes

    def flash_bytes(self, weights: str = "flash") -> float:
        """Flash for the data of the network: its weights, also with weights in "ram", which start
        as a copy of it."""
        check_place(weights)
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
        rows = [layer_cells(layer) for layer in self.layers]
        lines = [*table(HEADINGS, [*rows, self.total_cells()]), "", *self.placement_lines()]
        return "\n".join(line.rstrip() for line in lines)

    def _repr_html_(self) -> str:
        rows = [*map(layer_cells, self.layers), self.total_cells()]
        return notebook_table(HEADINGS, rows, self.placement_lines())

    def total_cells(self) -> tuple[str, ...]:
        sums = (
            str(self.parameters),
            amount(self.weight_bytes),
            amount(self.activation_bytes),
            str(self.mult_adds),
        )
        return ("total (working: the largest)", "", *sums, "")

    def placement_lines(self) -> list[str]:
        input_text = f"input {shape_text(self.input_shape)} of {self.input_bits} bits, "
        return [
            input_text + ("pushed pixel by pixel" if self.streaming else "stored before the network runs"),
            f"weights + activations: {amount(self.total_bytes)} bytes",
            f"weights in flash: {amount(self.ram_bytes())} bytes RAM, {amount(self.flash_bytes())} bytes flash",
            f"weights in RAM:   {amount(self.ram_bytes('ram'))} bytes RAM",
            *self.sparse_lines(),
            *self.minimal_lines(),
        ]

    def sparse_lines(self) -> list[str]:
        """How the pruned kernels are stored."""
        sparse = [layer for layer in self.layers if layer.weight_format != "dense"]
        return [
            f"weights of {layer.name}: {layer.weight_format}, {amount(layer.dense_weight_bytes)} bytes if dense"
            for layer in sparse
        ]

    def minimal_lines(self) -> list[str]:
        if self.minimal_parameters == self.parameters:
            return []
        return [f"equivalent minimal: {self.minimal_parameters} parameters, with wasteful pairs of factors multiplied"]


def check_place(weights: str) -> str:
    if weights not in PLACES:
        raise ValueError(f"weights must be 'flash' or 'ram'. Received: {weights!r}")
    return weights


def layer_cells(layer: LayerStorage) -> tuple[str, ...]:
    numbers = (
        str(layer.parameters),
        amount(layer.weight_bytes),
        amount(layer.working_bytes),
        str(layer.mult_adds),
    )
    return (layer.name, shape_text(layer.output_shape), *numbers, layer.order or "")


def shape_text(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def amount(value: float | None) -> str:
    """Bytes with as many decimals as eighths need, without trailing zeros."""
    return f"{value:.3f}".rstrip("0").rstrip(".")


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Aligned lines; a rule below the headings and above the last row."""
    widths = [max(len(row[column]) for row in (headings, *rows)) for column in range(len(headings))]
    rule = "  ".join("-" * width for width in widths)
    lines = ["  ".join(map(aligned, row, widths, headings)) for row in (headings, *rows)]
    return [lines[0], rule, *lines[1:-1], rule, lines[-1]]


def aligned(cell: str, width: int, heading: str) -> str:
    return cell.ljust(width) if heading in LEFT_ALIGNED else cell.rjust(width)
