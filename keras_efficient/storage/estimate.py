"""`estimate_storage`: the bytes and multiply-adds of a network before it is trained."""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from keras_efficient.checks import flag, one_of
from keras_efficient.descriptions.specs import LayerSpec
from keras_efficient.kinds.fields import check_bits
from keras_efficient.kinds.measures import (
    BITS_PER_BYTE,
    FLOAT_BITS,
    LOGIT_BITS,
    TARGETS,
    FeatureMap,
    WeightCount,
    check_logits,
)
from keras_efficient.kinds.stages import has_inner_grids
from keras_efficient.kinds.steps import Step, WindowStep
from keras_efficient.kinds.words import padding_bits
from keras_efficient.reading.network import INPUT_GRID, read_network
from keras_efficient.reading.read import is_model
from keras_efficient.storage.chains import (
    ShapedLayer,
    fixed_shape,
    fixed_shapes,
    read_chain,
    read_description,
    refuse_unknown,
    without_head,
)
from keras_efficient.storage.graphs import plan_order
from keras_efficient.storage.graphs.reading import PricedGraph, code_bits, grid_bits, read_graph, read_shaped, steps_of
from keras_efficient.storage.live_bits import Working, live_bits
from keras_efficient.storage.liveness import CACHE_SIZE, ORDERS
from keras_efficient.storage.planner.arrival import arrival_bits, kept_bits, line_bits
from keras_efficient.storage.planner.search import step_bits
from keras_efficient.storage.report import LayerStorage, StorageReport


def estimate_storage(
    config_or_model: Any,
    input_shape: Sequence[int] | None = None,
    input_bits: int = 8,
    streaming: bool = True,
    order: str = "best",
    logits_bits: int = LOGIT_BITS,
    target: str = "host",
) -> StorageReport:
    """Weight bytes, activation bytes, parameters and multiply-adds of a network before it is trained.

    The activation bytes, rounded up, are the arena of the C code.

    Args:
        config_or_model: a network description (list or tuple), or a built Keras model of known layers.
            Models inside are written out. Quantized layers are priced as quantized in every mode.
        input_shape: without the batch. (28, 28, 1) when None and a description is given; a model
            knows its own, and needs it only for sizes that it leaves open; of several inputs a list.
        input_bits: bits of an input number, 1 to 16.
        streaming: whether pixels arrive one by one. Then the input map is not stored where pooling
            without overlap comes first (quantizers and the like may stand before it). Of the input of a
            convolution no more is stored than the lines that its window needs (rows; of a signal, steps),
            where that takes less: the layer runs while the input arrives.
        order: order of the output pixels of every sliding window: "row", "column", "transpose",
            "herringbone" or "best" (see `exact_slack`).
        logits_bits: bits of an output in the C, 16 or 8; 8 need outputs of at most 8 bits.
        target: of `export_c`. In the C for "dsp" kernels of few channels are filled up to whole words, which some
            bytes of weights are for (see `kinds.words`); all others are equal.

    How bytes are counted:
        - A cell of a map has the bits of the quantizer that made it: the bits that "M" and "D"
          declare matter only to the arithmetic of 2019. Keras's own layers store floats, 32 bits;
          max pooling, relu and the like keep the codes.
        - weights: kernel bits x kernels + bias bits x biases. A pruned kernel, one of a model that holds
          exact zeros, is stored densely, as a bitmask or by relative indices (see `storage.sparse`), in
          whatever takes least; the row names it in `weight_format`. Its decoder is code, which is not counted.
        - working memory of a layer: exact liveness, or what the planner of the C code finds where that is more, as
          only the start of a map can be written over, and cells start where they fit into bytes (see
          `storage.planner`). Convolutions need their input and the exact slack; pooling, depthwise convolutions and
          element-wise layers work in place where they can; a residual block needs about two rows and four pixels;
          a convolution that runs while the input arrives needs its outputs and the lines of the input that it keeps;
          a dense layer needs input and outputs at once (on a map those of a pixel), and so does a transposed
          convolution with strides. Average pooling of a streamed input needs its averages and a row of running sums.
        - The outputs of the last layer have 16 bits (the logits of the C code), or 32 if they are
          floats. A softmax, activation, dropout or flatten after it stores nothing.

    Models with branches, and those that move what was flattened (repeat, slice or pad it):
        - One arena holds all maps that somebody still reads, each from a whole byte on, in row order.
          They may be moved before a layer runs. A layer writes over the source that dies with it, as
          far after its start as `storage.prefix` says, or else needs a place of its own.
        - Several outputs are copied together at the end, which is a step of its own, "outputs". Weights of a layer that
          is called twice are stored once.
        - The layers run in the order that needs the smallest arena (see `storage.graphs.plan_order`);
          `order_is_exact` says whether that is proven. The rows are in that order, and their working
          bytes count the maps that stand by. The input is stored, unless one convolution reads it, as in a
          network without branches.

    Raises:
        ValueError: what `expand` refuses; a model that is not built, or holds an unknown layer; a
            model with branches, or flattened maps that are moved, and a pixel order other than "best"
            and "row".
        TypeError: neither a description nor a model.
    """
    check_bits(input_bits, "input_bits")
    one_of(order, "order", ORDERS)
    by_words = one_of(target, "target", TARGETS) == "dsp"
    flag(streaming, "streaming")
    if is_model(config_or_model):
        network = read_network(config_or_model)
        refuse_unknown(
            f"the model {network.name!r}", [(call.name, call.node.described, call.kind) for call in network.calls]
        )
        if not network.is_chain:
            shapes = fixed_shapes(network, input_shape)
            graph = read_graph(network, shapes, input_bits, logits_bits)
            return _estimate_graph(graph, shapes, streaming, order, by_words)
        source_shape = fixed_shape(network.entries[0].shape, input_shape)
        layers = read_chain(network, source_shape)
    else:
        layers, source_shape = read_description(config_or_model, input_shape)
    layers = without_head(layers)
    if any(spec.kind.shares_matrices and has_inner_grids(spec.config) for _, spec, _ in layers):
        graph = read_shaped(layers, FeatureMap(source_shape, input_bits), logits_bits)
        return _estimate_graph(graph, [source_shape], streaming, order, by_words)
    rows = price_layers(layers, FeatureMap(source_shape, input_bits), streaming, order, logits_bits, by_words)
    return _report(rows, max(row.working_bytes for row in rows), source_shape, input_bits, streaming)


def _estimate_graph(
    graph: PricedGraph, shapes: Sequence[tuple], streaming: bool, order: str, by_words: bool
) -> StorageReport:
    """The report of a network with branches, or whose layers share matrices. `shapes`: of its inputs."""
    if order not in ("best", "row"):
        raise ValueError(
            "order must be 'best' or 'row' in a model with branches, or with flattened maps that are moved. "
            f"Received: {order!r}"
        )
    plan = plan_order(graph.inputs, graph.nodes, streaming)
    working: dict[int, int] = {}  # a layer of several nodes is one row
    for number, cost in zip(plan.order, plan.costs, strict=True):
        layer = id(graph.layers[number])
        working[layer] = max(cost, working.get(layer, 0))
    layers = {id(layer): layer for layer in graph.layers}
    rows = [
        _layer_row(*layers[layer][:-1], Working(cost * BITS_PER_BYTE, "row"), layers[layer].shares, by_words)
        for layer, cost in working.items()
    ]
    shape, bits = shapes[0] if len(shapes) == 1 else tuple(shapes), max(each.bits for each in graph.inputs)
    return _report(rows, plan.arena_bytes, shape, bits, plan.arriving > 0, plan.exact)


def _report(rows: list[LayerStorage], activation_bytes: float, *others: Any) -> StorageReport:
    sums = (sum(row.parameters for row in rows), sum(row.mult_adds for row in rows))
    return StorageReport(sum(row.weight_bytes for row in rows), activation_bytes, *sums, tuple(rows), *others)


def price_layers(
    layers: list[ShapedLayer],
    source: FeatureMap,
    streaming: bool,
    order: str,
    logits_bits: int = LOGIT_BITS,
    by_words: bool = False,
) -> list[LayerStorage]:
    """One row per layer. `streaming` says whether the map before the layer arrives pixel by pixel."""
    rows, gives_sums = [], not any(spec.class_name == INPUT_GRID.name for _, spec, _ in layers)
    for position, (name, spec, shape) in enumerate(layers, start=1):
        is_last = position == len(layers)
        if is_last:
            check_logits(name, grid_bits(spec, source.bits, gives_sums), logits_bits)
        target = target_map(spec, source, shape, logits_bits if is_last else None)
        way = spec.price.streams(spec.config) if streaming else "no"
        if way == "pixels":  # stored by the layer that needs them
            working = Working(target.total_bits if is_last else 0)
        elif way in ("windows", "sums"):
            working = _pooled_on_arrival(spec, source, target, way)
        else:
            codes = code_bits(spec, source, target, is_last and gives_sums)
            working = _working(spec, source, target, codes, order, by_lines=way == "lines")
        rows.append(_layer_row(name, spec, source, target, working, by_words=by_words))
        source, streaming = target, way == "pixels"
    return rows


def _working(
    spec: LayerSpec, source: FeatureMap, target: FeatureMap, codes: int, order: str, by_lines: bool
) -> Working:
    """What is needed at the worst moment of a layer's steps. `by_lines`: or, where it takes less, of a layer that is
    computed while its source arrives."""
    steps = steps_of(spec, source, target, codes)
    working = max((_step_working(step, order) for step in steps), key=lambda each: each.bits)
    if by_lines and isinstance(step := spec.price.steps(spec.config, source, target)[0], WindowStep):
        working = min(working, Working(arrival_bits(target, kept_bits(step)), "row"), key=lambda each: each.bits)
    return working


def _pooled_on_arrival(spec: LayerSpec, source: FeatureMap, target: FeatureMap, way: str) -> Working:
    (step,) = spec.price.steps(spec.config, source, target)
    assert isinstance(step, WindowStep)
    waiting = line_bits(source.bits, math.prod(step.kernel_size), target) if way == "sums" else 0
    return Working(arrival_bits(target, waiting))


def target_map(spec: LayerSpec, source: FeatureMap, shape: tuple, logits_bits: int | None) -> FeatureMap:
    """What a layer makes. `logits_bits`: of the last one."""
    bits = spec.price.bits(spec.config, source.bits)
    return FeatureMap(shape, logits_bits if logits_bits and bits != FLOAT_BITS else bits)


@lru_cache(maxsize=CACHE_SIZE)
def _step_working(step: Step, order: str) -> Working:
    """Exact liveness, or the arena that the planner finds where that is larger: it writes over nothing but the start
    of a map, and starts maps where their cells fit into bytes."""
    live = live_bits(step, order)
    return live._replace(bits=max(live.bits, step_bits(step)))


def _layer_row(
    name: str,
    spec: LayerSpec,
    source: FeatureMap,
    target: FeatureMap,
    working: Working,
    shares: bool = False,
    by_words: bool = False,
) -> LayerStorage:
    """`shares`: its weights are stored already. `by_words`: they are filled up to words, unless zeros are left out."""
    weights = WeightCount() if shares else spec.price.weights(spec.config, source)
    if by_words and not shares and not spec.kernels and spec.kind.form:
        kernel, padding = spec.price.kernel(spec.config, source), spec.price.padding(spec.config, source)
        padding += 0 if kernel is None else padding_bits(kernel, source.bits)
        weights = weights._replace(bits=weights.bits + padding)
    saved = 0 if shares else sum(kernel.dense_bits - kernel.encoding.bits for kernel in spec.kernels)
    return LayerStorage(
        name=name,
        kind=spec.class_name,
        input_shape=source.shape,
        output_shape=target.shape,
        parameters=weights.parameters,
        weight_bytes=(weights.bits - saved) / BITS_PER_BYTE,
        working_bytes=working.bits / BITS_PER_BYTE,
        mult_adds=spec.price.products(spec.config, source, target),
        order=working.order,
        minimal_parameters=weights.minimal,
        dense_weight_bytes=weights.bits / BITS_PER_BYTE,
        weight_format=" + ".join(dict.fromkeys(str(kernel.encoding) for kernel in spec.kernels)) or "dense",
    )
