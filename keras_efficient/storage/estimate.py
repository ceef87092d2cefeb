"""`estimate_storage`: the bytes and multiply-adds of a network before it is trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from keras_efficient.descriptions.expand import check_input_shape, expand_with_shapes
from keras_efficient.descriptions.fields import check_bits, is_integer
from keras_efficient.descriptions.specs import LayerSpec, layer_names
from keras_efficient.storage.exact import check_order
from keras_efficient.storage.graphs import plan_order
from keras_efficient.storage.graphs.reading import is_chain, read_graph
from keras_efficient.storage.models import (
    checked_output_shape,
    is_model,
    model_input_shape,
    model_specs,
    name_of,
    unknown_layer,
)
from keras_efficient.storage.prices import FLOAT_BITS, LOGIT_BITS, PRICES, FeatureMap, Working
from keras_efficient.storage.prices.base import BITS_PER_BYTE
from keras_efficient.storage.report import LayerStorage, StorageReport

DEFAULT_INPUT_SHAPE = (28, 28, 1)


def estimate_storage(
    config_or_model: Any,
    input_shape: Sequence[int] | None = None,
    input_bits: int = 8,
    streaming: bool = True,
    order: str = "best",
) -> StorageReport:
    """Weight bytes, activation bytes, parameters and multiply-adds of a network, by exact liveness.

    Args:
        config_or_model: a network description (list or tuple), or a built Keras model of known layers.
            Models inside a chain are unfolded. Quantized layers are priced as quantized in every mode.
        input_shape: without the batch. (28, 28, 1) when None and a description is given; a model
            knows its own, and needs it only for sizes that it leaves open.
        input_bits: bits of an input number, 1 to 16.
        streaming: whether pixels arrive one by one. Then the input map is not stored where pooling
            without overlap comes first (quantizers and the like may stand before it); a convolution
            stores all of it.
        order: order of the output pixels of every sliding window: "row", "column", "transpose",
            "herringbone" or "best" (see `exact_slack`).

    How bytes are counted:
        - A cell of a map has the bits of the quantizer that made it: the bits that "M" and "D"
          declare matter only to the arithmetic of 2019. Keras's own layers store floats, 32 bits;
          max pooling, relu and the like keep the codes.
        - weights: kernel bits x kernels + bias bits x biases. A pruned kernel, one of a model that holds
          exact zeros, is stored densely, as a bitmask or by relative indices (see `storage.sparse`), in
          whatever takes least; the row names it in `weight_format`. Its decoder is code, which is not counted.
        - working memory of a layer: convolutions need their input and the exact slack, in bits;
          pooling, depthwise convolutions and element-wise layers work in place where they can; a
          residual block needs about two rows and four pixels; a dense layer needs input and outputs
          at once.
        - The outputs of the last layer have 16 bits (the logits of the C code), or 32 if they are
          floats. A softmax, activation, dropout or flatten behind it stores nothing.

    Models with branches:
        - One arena holds all maps that somebody still reads, each from a whole byte on, in row order.
          They may be moved before a layer runs. A layer writes over the source that dies with it, as
          far behind as `storage.prefix` says, or else needs a place of its own.
        - The layers run in the order that needs the smallest arena (see `storage.graphs.plan_order`);
          `order_is_exact` says whether that is proven. The rows are in that order, and their working
          bytes count the maps that stand by. The input is stored.

    Raises:
        ValueError: what `expand` refuses; a model that is not built, or holds an unknown layer; a
            model with branches and a pixel order other than "best" and "row", several inputs or
            outputs, models inside, or layers used twice.
        TypeError: neither a description nor a model.
    """
    check_bits(input_bits, "input_bits")
    check_order(order)
    if not isinstance(streaming, bool):
        raise ValueError(f"streaming must be True or False. Received: {streaming!r}")
    if is_model(config_or_model) and not is_chain(config_or_model):
        return estimate_graph(config_or_model, input_shape, input_bits, order)
    layers, source_shape = read_network(config_or_model, input_shape)
    rows = price_layers(without_head(layers), FeatureMap(source_shape, input_bits), streaming, order)
    return StorageReport(
        weight_bytes=sum(row.weight_bytes for row in rows),
        activation_bytes=max(row.working_bytes for row in rows),
        parameters=sum(row.parameters for row in rows),
        mult_adds=sum(row.mult_adds for row in rows),
        layers=tuple(rows),
        input_shape=source_shape,
        input_bits=input_bits,
        streaming=streaming,
    )


def estimate_graph(model: Any, input_shape: Sequence[int] | None, input_bits: int, order: str) -> StorageReport:
    """The report of a model with branches."""
    if order not in ("best", "row"):
        raise ValueError(f"order must be 'best' or 'row' in a model with branches. Received: {order!r}")
    shape = fixed_shape(model_input_shape(model), input_shape)
    graph = read_graph(model, shape, input_bits)
    plan = plan_order(graph.first, graph.nodes)
    rows = []
    for number, cost in zip(plan.order, plan.costs, strict=True):
        call, source = graph.calls[number], graph.sources[number]
        target = graph.nodes[number].target._replace(shape=graph.shapes[number])
        name = call.config.get("name", call.name)
        rows.append(layer_row(name, call.spec, source, target, Working(cost * BITS_PER_BYTE, "row")))
    return StorageReport(
        weight_bytes=sum(row.weight_bytes for row in rows),
        activation_bytes=plan.arena_bytes,
        parameters=sum(row.parameters for row in rows),
        mult_adds=sum(row.mult_adds for row in rows),
        layers=tuple(rows),
        input_shape=shape,
        input_bits=graph.first.bits,
        streaming=False,
        order_is_exact=plan.exact,
    )


class ShapedLayer(NamedTuple):
    """A layer of a chain, and the shape behind it."""

    name: str
    spec: LayerSpec
    shape: tuple

    @property
    def is_head(self) -> bool:
        return PRICES[self.spec.class_name].is_head


def read_network(config_or_model: Any, input_shape: Sequence[int] | None) -> tuple[list[ShapedLayer], tuple]:
    """The layers, and the shape of the input."""
    if is_model(config_or_model):
        return read_model(config_or_model, input_shape)
    if not isinstance(config_or_model, (list, tuple)):
        raise TypeError(
            "config_or_model must be a description (list or tuple) or a built Keras model. "
            f"Received: {config_or_model!r} ({type(config_or_model).__name__})"
        )
    shape = DEFAULT_INPUT_SHAPE if input_shape is None else input_shape
    expanded = expand_with_shapes(config_or_model, shape)
    layers = []
    for name, (spec, after) in zip(layer_names(spec for spec, _ in expanded), expanded, strict=True):
        if after is None or spec.class_name not in PRICES:
            raise unknown_layer(repr(name), spec.class_name)
        layers.append(ShapedLayer(name, spec, after))
    return layers, check_input_shape(shape)


def read_model(model: Any, input_shape: Sequence[int] | None) -> tuple[list[ShapedLayer], tuple]:
    specs = model_specs(model)
    first = shape = fixed_shape(model_input_shape(model), input_shape)
    layers = []
    for name, spec in specs:
        shape = checked_output_shape(name, spec, shape)
        layers.append(ShapedLayer(name, spec, shape))
    if not layers:
        raise ValueError(f"the model {name_of(model)} holds no layer")
    return layers, first


def fixed_shape(model_shape: tuple, input_shape: Sequence[int] | None) -> tuple:
    """The model's input shape, with open sizes taken from `input_shape`."""
    wanted = model_shape if input_shape is None else input_shape
    is_shape = isinstance(wanted, (list, tuple)) and len(wanted) == len(model_shape)
    if not is_shape or not all(map(completes, wanted, model_shape)):
        raise ValueError(f"input_shape must complete the model's {model_shape}. Received: input_shape={input_shape!r}")
    return tuple(wanted)


def completes(size: Any, model_size: int | None) -> bool:
    return is_integer(size) and size >= 1 and model_size in (None, size)


def without_head(layers: list[ShapedLayer]) -> list[ShapedLayer]:
    """The layers up to the last one that works: what follows it acts on the outputs in place."""
    count = len(layers)
    while count and layers[count - 1].is_head:
        count -= 1
    return layers[:count] or layers


def price_layers(layers: list[ShapedLayer], source: FeatureMap, streaming: bool, order: str) -> list[LayerStorage]:
    """One row a layer. `streaming` says whether the map before the layer arrives pixel by pixel."""
    rows = []
    for position, (name, spec, shape) in enumerate(layers, start=1):
        is_last = position == len(layers)
        target = target_map(spec, source, shape, is_last)
        way = PRICES[spec.class_name].streams(spec.config) if streaming else "no"
        if way == "no":
            working = PRICES[spec.class_name].working(spec.config, source, target, order)
        else:
            # Pixels that are only passed on are stored by the layer that needs them.
            working = Working(target.total_bits if way == "windows" or is_last else 0)
        rows.append(layer_row(name, spec, source, target, working))
        source, streaming = target, way == "pixels"
    return rows


def target_map(spec: LayerSpec, source: FeatureMap, shape: tuple, is_last: bool) -> FeatureMap:
    bits = PRICES[spec.class_name].output_bits(spec.config, source.bits)
    return FeatureMap(shape, LOGIT_BITS if is_last and bits != FLOAT_BITS else bits)


def layer_row(name: str, spec: LayerSpec, source: FeatureMap, target: FeatureMap, working: Working) -> LayerStorage:
    price = PRICES[spec.class_name]
    weights = price.weights(spec.config, source)
    saved = sum(kernel.saved_bits for kernel in spec.kernels)
    return LayerStorage(
        name=name,
        kind=spec.class_name,
        input_shape=source.shape,
        output_shape=target.shape,
        parameters=weights.parameters,
        weight_bytes=(weights.bits - saved) / BITS_PER_BYTE,
        working_bytes=working.bits / BITS_PER_BYTE,
        mult_adds=price.products(spec.config, source, target),
        order=working.order,
        minimal_parameters=weights.minimal,
        dense_weight_bytes=weights.bits / BITS_PER_BYTE,
        weight_format=" + ".join(dict.fromkeys(str(kernel.encoding) for kernel in spec.kernels)) or "dense",
    )
