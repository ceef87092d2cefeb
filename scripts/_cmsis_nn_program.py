"""The C that calls CMSIS-NN's kernels for a network, and the arena its maps and scratch buffers share."""

import math

import numpy as np
from _tiny_networks import INPUT

WEIGHTS_SEED = 0
ALIGNMENT = 4  # of maps and scratch buffers
ZERO, RANGE, SHIFT = 128, "{-128, 127}", -9
_ADD = "ZERO, 1073741824, 0, ZERO, 1518500250, 0, 20, {target}, -ZERO, 1518500250, -18, -128, 127, {count}"

HEADER = """#ifndef NETWORK_H
#define NETWORK_H
#include <stdint.h>
#define NETWORK_INPUTS {inputs}
#define NETWORK_INPUT_BYTES 1
#define NETWORK_INPUT_SIGNED 1
#define NETWORK_INPUT_TYPE int8_t
#define NETWORK_LOGITS {logits}
#define NETWORK_LOGIT_BYTES {logit_bytes}
#define NETWORK_LOGIT_TYPE {logit_type}
#define NETWORK_CLASSES 2
#define NETWORK_ARENA_BYTES {arena}
void network_push(int8_t number);
const {logit_type} *network_logits(void);
uint8_t network_classify(void);
#endif
"""
SOURCE = """#include "network.h"
#include <stddef.h>
#include "arm_nnfunctions.h"
#define ZERO {zero}
{tables}
static int8_t arena[NETWORK_ARENA_BYTES] __attribute__((aligned(4)));
static int8_t *next = arena + {input};
static uint8_t failed;
void network_push(int8_t number) {{
    *next++ = number;
    if (next == arena + {input} + NETWORK_INPUTS) next = arena + {input};
}}
{logits}
/* Not a class: whether a kernel refused its arguments. */
uint8_t network_classify(void) {{ return failed; }}
"""
LOGITS = """const int8_t *network_logits(void) {{
    failed = 0;
{calls}
    return arena + {output};
}}
"""
# Asked first: what the kernels want for their scratch buffers, in words.
SIZES = """static int16_t sizes[NETWORK_LOGITS];
const int16_t *network_logits(void) {{
{calls}
    return sizes;
}}
"""
KERNEL = """    {{
        const cmsis_nn_context context = {{{scratch}}};
        const cmsis_nn_{parameters};
        const cmsis_nn_dims in = {{1, {source}}}, filter = {{{filter}}}, out = {{1, {target}}};
        {call}
    }}"""


def program(network, bits, scratch=None):
    """network.h and network.c. `scratch`: bytes of each kernel's buffer; None for the program that asks for them."""
    asking = scratch is None
    sizes = [0] * len(network.operations) if asking else scratch
    places, arena = planned(network, sizes)
    tables, calls = [], []
    random = np.random.default_rng(WEIGHTS_SEED)
    for number, operation in enumerate(network.operations):
        lines, call = _operation(network, operation, number, bits, places, sizes[number], asking, random)
        tables += lines
        calls.append(call)
    body = (SIZES if asking else LOGITS).format(calls="\n".join(calls), output=places[network.output])
    names = {"logit_type": "int16_t", "logit_bytes": 2} if asking else {"logit_type": "int8_t", "logit_bytes": 1}
    logits = len(calls) if asking else math.prod(network.shapes[network.output])
    header = HEADER.format(inputs=math.prod(network.input_shape), logits=logits, arena=arena, **names)
    shown = "" if asking else "\n".join(tables)
    return {
        "network.h": header,
        "network.c": SOURCE.format(zero=ZERO, tables=shown, input=places[INPUT], logits=body),
    }


def planned(network, scratch):
    """Where each map and scratch buffer begins, largest first at the lowest place that is free, and bytes of all."""
    order = {name: number for number, name in enumerate([INPUT, *(each.target for each in network.operations)])}
    lives = {name: (math.prod(shape), order[name], order[name]) for name, shape in network.shapes.items()}
    for number, operation in enumerate(network.operations, start=1):
        for name in operation.sources:
            lives[name] = (lives[name][0], lives[name][1], number)
        if scratch[number - 1]:
            lives[f"scratch{number - 1}"] = (int(scratch[number - 1]), number, number)
    placed = {}
    for name, (size, first, last) in sorted(lives.items(), key=lambda item: -item[1][0]):
        others = [(at, *lives[other]) for other, at in placed.items()]
        taken = sorted((at, at + count) for at, count, start, end in others if start <= last and first <= end)
        placed[name] = _lowest(taken, size)
    return placed, max(place + lives[name][0] for name, place in placed.items())


def _lowest(taken, size):
    place = 0
    for start, end in taken:
        if place + size <= start:
            break
        place = max(place, -(-end // ALIGNMENT) * ALIGNMENT)
    return place


def _operation(network, operation, number, bits, places, scratch, asking, random):
    """Tables of an operation, and its call, or the question for its buffer."""
    shapes = network.shapes
    source, target = shapes[operation.sources[0]], shapes[operation.target]
    maps = [f"arena + {places[name]}" for name in (*operation.sources, operation.target)]
    if operation.kind == "add":
        arguments = _ADD.format(target=maps[2], count=math.prod(target))
        call = f"    failed |= arm_elementwise_add_s8({maps[0]}, {maps[1]}, {arguments}) != 0;"
        return [], "" if asking else call
    size = _sized(operation, bits, target)
    if asking:
        call = (
            f"(void)filter, (void)out, (void)context, (void)in, (void)p; sizes[{number}] = (int16_t)(({size} + 3) / 4);"
        )
    else:
        call = _called(operation, number, bits, maps)
    parts = {
        "scratch": f"arena + {places[f'scratch{number}']}, {scratch}" if scratch else "NULL, 0",
        "parameters": _parameters(network, operation, source),
        "source": _list(source if operation.kind != "dense" else (1, 1, math.prod(source))),
        "filter": _list(_filter(operation, source)),
        "target": _list(target),
        "call": call,
    }
    return _tables(operation, number, bits, source, target, random), KERNEL.format(**parts)


def _list(numbers):
    return ", ".join(map(str, numbers))


def _filter(operation, source):
    """The dimensions n, h, w, c that the kernels call those of the filter."""
    if operation.kind == "dense":
        return math.prod(source), 1, 1, operation.filters
    channels = {"convolution": source[2], "depthwise": source[2]}.get(operation.kind, 1)
    return operation.filters or 1, *operation.size, channels


def _parameters(network, operation, source):
    """The declaration of `p`, from its type on."""
    if operation.kind == "dense":
        return f"fc_params p = {{ZERO, 0, -ZERO, {RANGE}}}"
    if operation.kind in ("average", "maximum"):
        rows, columns = operation.size
        return f"pool_params p = {{{{{columns}, {rows}}}, {{0, 0}}, {RANGE}}}"
    down, right = (network.before(source[i], operation.size[i], operation.stride) for i in range(2))
    multiplier = "1, " if operation.kind == "depthwise" else ""
    windows = f"{{{operation.stride}, {operation.stride}}}, {{{right}, {down}}}, {{1, 1}}"
    kind = "dw_conv" if operation.kind == "depthwise" else "conv"
    return f"{kind}_params p = {{ZERO, -ZERO, {multiplier}{windows}, {RANGE}}}"


def _function(operation, bits):
    names = {
        "convolution": f"arm_convolve_wrapper_s{bits}",
        "depthwise": f"arm_depthwise_conv_wrapper_s{bits}",
        "dense": f"arm_fully_connected_s{bits}",
        "average": "arm_avgpool_s8",
        "maximum": "arm_max_pool_s8",
    }
    return names[operation.kind]


def _sized(operation, bits, target):
    """C for the bytes of a scratch buffer."""
    function = f"{_function(operation, bits)}_get_buffer_size"
    if operation.kind in ("convolution", "depthwise"):
        return f"{function}(&p, &in, &filter, &out)"
    if operation.kind == "average":
        return f"{function}({target[1]}, {target[2]})"
    return f"{function}(&filter)" if operation.kind == "dense" and bits == 8 else "0"


def _called(operation, number, bits, maps):
    source, target = maps
    if operation.kind in ("average", "maximum"):
        return f"failed |= {_function(operation, bits)}(&context, &p, &in, {source}, &filter, &out, {target}) != 0;"
    weights = f"&filter, weights{number}, &bias, biases{number}"
    if operation.kind == "dense":
        scales = f"const cmsis_nn_per_tensor_quant_params q = {{multipliers{number}[0], {SHIFT}}};"
    else:
        scales = "const cmsis_nn_per_channel_quant_params q = "
        scales += f"{{(int32_t *)multipliers{number}, (int32_t *)shifts{number}}};"
    call = f"{_function(operation, bits)}(&context, &p, &q, &in, {source}, {weights}, &out, {target})"
    return f"{scales}\n        const cmsis_nn_dims bias = {{1, 1, 1, out.c}};\n        failed |= {call} != 0;"


def _tables(operation, number, bits, source, target, random):
    """Weights, biases and scales: of a dense layer one scale, else one per filter."""
    if operation.kind in ("average", "maximum"):
        return []
    filters = target[2]
    window = math.prod(source) if operation.kind == "dense" else math.prod(operation.size)
    weights = window * filters * (source[2] if operation.kind == "convolution" else 1)
    values = random.integers(-128, 128, -(-weights // 2)) if bits == 4 else random.integers(-127, 128, weights)
    scales = 1 if operation.kind == "dense" else filters
    tables = [
        _table("int8_t", f"weights{number}", values),
        _table("int32_t", f"biases{number}", random.integers(-500, 500, filters)),
        _table("int32_t", f"multipliers{number}", random.integers(2**30, 2**31 - 1, scales)),
    ]
    return tables if scales == 1 else [*tables, _table("int32_t", f"shifts{number}", [SHIFT] * scales)]


def _table(kind, name, values):
    return f"static const {kind} {name}[{len(values)}] = {{{_list(values)}}};"
