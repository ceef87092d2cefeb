"""`support_report`: what each layer, function and operator of a model can do here, and why not."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import keras

from keras_efficient.copies.rebuild import check_model
from keras_efficient.descriptions.specs import LayerSpec
from keras_efficient.export.integer.reading import layers_without_integers, read_integers
from keras_efficient.kinds.kind import COMPUTES, TRAINING_ONLY
from keras_efficient.kinds.measures import FLOAT_BITS, FeatureMap
from keras_efficient.layers.pruning.kernels import prunable_weights, refusal
from keras_efficient.layers.quantized.base import QuantizedLayer
from keras_efficient.markup import align, notebook_table
from keras_efficient.quantization.own_model.float_layers import keeps_codes, missing_parts, prepares
from keras_efficient.quantization.own_model.fusion import leads_out
from keras_efficient.quantization.own_model.quantizing import Quantizing
from keras_efficient.quantization.own_model.settings import COMMON, INPUT_BITS, choices
from keras_efficient.quantization.own_model.weights import core
from keras_efficient.reading.graph import ModelGraph, Node
from keras_efficient.reading.read import read_model
from keras_efficient.storage.chains import shape_after
from keras_efficient.storage.estimate import estimate_storage

HEADINGS = ("name", "kind", "quantize", "priced", "c", "litert", "prunable", "reason")


@dataclass(frozen=True)
class OperationSupport:
    """What one layer, function or operator can do.

    name: Of the layer; in inner models "block/conv".
    kind: The class of a layer, the name of a function ("relu", "get_item").
    quantize: What `quantize_model` makes of it: "quantized"; "folded" into the layer before; "keeps codes", as max
        pooling does; "training only"; "float"; "outside": it stands before the grid of the input or after the outputs.
    priced, c, litert, prunable: Whether it does not stand in the way of `estimate_storage`, `export_c`,
        `export_litert` and `prune_model`. LiteRT's own converter may still refuse it.
    reason: Why not, or None.
    """

    name: str
    kind: str
    quantize: str
    priced: bool
    c: bool
    litert: bool
    prunable: bool
    reason: str | None


@dataclass(frozen=True)
class SupportReport:
    """What `support_report` gives: a row for each operation, and the whole model once it is quantized.

    rows: In the order of computation, an operation that is called twice once. priced, exports_c, exports_litert:
    Whether the tools take the model. reasons: What stands in the way of the whole model, such as two inputs.
    """

    rows: tuple[OperationSupport, ...]
    priced: bool
    exports_c: bool
    exports_litert: bool
    reasons: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values."""
        flags = {key: getattr(self, key) for key in ("priced", "exports_c", "exports_litert")}
        return {**flags, "reasons": list(self.reasons), "rows": [asdict(row) for row in self.rows]}

    def to_json(self) -> str:
        """`to_dict` as a JSON string."""
        return json.dumps(self.to_dict())

    def __str__(self) -> str:
        return "\n".join([*self._lines(), "", *align([HEADINGS, *self._cells()], HEADINGS)])

    def _repr_html_(self) -> str:
        return notebook_table(HEADINGS, self._cells(), self._lines())

    def _cells(self) -> list[list[str]]:
        return [[_word(value) for value in asdict(row).values()] for row in self.rows]

    def _lines(self) -> list[str]:
        """What holds for the whole model."""
        flags = (("priced", self.priced), ("C", self.exports_c), ("LiteRT", self.exports_litert))
        return [
            f"the whole model, quantized: {', '.join(f'{name}: {_word(value)}' for name, value in flags)}",
            *self.reasons,
        ]


def support_report(model: keras.Model) -> SupportReport:
    """What each operation of a model can do here, and why not.

    The tools themselves are asked: the model is quantized as `quantize_model` does, without samples, and read as
    `estimate_storage` and `export_c` read it. So `exports_c` is true exactly where
    `export_c(quantize_model(model, x=x), directory)` writes C, but for reasons of size.

    Args:
        model: A built Functional or Sequential model, plain or quantized.

    Raises:
        TypeError: Another model.

    Example:

    >>> print(ke.support_report(model))
    """
    check_model(model)
    graph = read_model(model)
    quantizing = Quantizing(choices(graph.operations, COMMON, None), True, INPUT_BITS, None)
    copy = quantizing.copy(model)
    c_reason = _error_of(lambda: read_integers(copy))
    try:
        refused = {id(error.operation): error.reason for error in layers_without_integers(copy)}
    except ValueError:  # of the whole model, which has no single network
        refused = {}
    price_reason = _error_of(lambda: estimate_storage(copy))
    view = _View(graph, quantizing, {id(node.operation): node for node in read_model(copy).nodes}, refused)
    rows = tuple(view.row(node) for node in graph.operations)
    litert_reason = _litert_refusal(graph, rows)
    whole = [reason for reason in (price_reason, c_reason, litert_reason) if reason]
    can = (price_reason is None, c_reason is None, litert_reason is None)
    return SupportReport(rows, *can, tuple(dict.fromkeys(whole)))


def _litert_refusal(graph: ModelGraph, rows: tuple[OperationSupport, ...]) -> str | None:
    if len(graph.inputs) != 1:
        return "LiteRT: the model must have one input"
    refused = [row.name for row in rows if not row.litert]
    return f"LiteRT cannot have {', '.join(refused)}" if refused else None


def _error_of(call: Callable[[], Any]) -> str | None:
    try:
        call()
    except ValueError as error:
        return str(error)
    return None


@dataclass
class _View:
    """All that is known of the operations of a model.

    quantizing: How they were quantized. copies: The nodes of the copy by the ids of their operations. refused: Why
    operations of the copy have no integers, by id.
    """

    graph: ModelGraph
    quantizing: Quantizing
    copies: dict[int, Node]
    refused: dict[int, str]

    def row(self, node: Node) -> OperationSupport:
        fate = self.fate(node)
        made = [] if fate in ("outside", "folded") else self.quantizing.made[id(node.operation)]
        copies = [self.copies[id(layer)] for layer in made]
        in_c = all(id(copy.operation) not in self.refused and copy.kind.form is not None for copy in copies)
        prunable = _prune_refusal(node)
        reasons = (self.float_reason(node, fate), *(self.refused.get(id(layer)) for layer in made), prunable)
        unpriced = next(filter(None, map(_price_refusal, copies)), None)
        litert = next((copy.kind.why_no_litert for copy in copies if copy.kind.why_no_litert), None)
        reason = next(filter(None, (*reasons, unpriced, litert)), None)
        can = (unpriced is None, in_c, litert is None, prunable is None)
        return OperationSupport(node.name, node.kind_name, fate, *can, reason)

    def fate(self, node: Node) -> str:
        made = self.quantizing.made.get(id(node.operation), [node.operation])
        if node.kind.prepares and node in prepares(self.graph):
            return "outside"
        if not made:
            return "folded"
        if node.kind.codes == TRAINING_ONLY:
            return "training only"
        if node.kind.codes == COMPUTES and node.kind.is_head and leads_out(self.graph, node):
            return "outside"
        parts = [core(layer) for layer in made if isinstance(core(layer), QuantizedLayer)]
        if parts:
            return "quantized" if not any(map(missing_parts, parts)) else "float"
        return "keeps codes" if keeps_codes(node) else "float"

    def float_reason(self, node: Node, fate: str) -> str | None:
        if fate != "float":
            return None
        if id(node.operation) in self.quantizing.reasons:
            return self.quantizing.reasons[id(node.operation)]
        if node.layer_key is None:
            return f"{type(node.layer).__module__}.{type(node.layer).__name__} is neither a class of Keras nor of ours"
        made = self.quantizing.made[id(node.operation)]
        missing = [
            part for layer in map(core, made) if isinstance(layer, QuantizedLayer) for part in missing_parts(layer)
        ]
        return f"it computes without {', '.join(missing)}" if missing else f"{node.kind_name} has no quantized form"


def _price_refusal(node: Node) -> str | None:
    if not node.kind.is_priced:
        return f"what {node.kind_name} takes is not known"
    source = FeatureMap(tuple(size or 1 for size in node.data[0].shape), FLOAT_BITS)
    try:
        spec = LayerSpec(node.form.class_name, dict(node.form.config))
        shape_after(node.name, spec, [value.shape for value in node.data])
        spec.price.weights(spec.config, source)
    except (ValueError, IndexError) as error:
        return str(error)
    return None


def _prune_refusal(node: Node) -> str | None:
    """Why a layer that has kernels can not be pruned."""
    layer = node.layer
    if not isinstance(layer, keras.layers.Layer) or not prunable_weights(layer):
        return None
    reason = refusal(layer)
    return None if reason is None else f"it can not be pruned: {reason}"


def _word(value: Any) -> str:
    return {True: "yes", False: "no", None: ""}.get(value, value) if not isinstance(value, str) else value
