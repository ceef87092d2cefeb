"""The C that calls CMSIS-NN's kernels for a network, and the arena its maps and scratch buffers share."""

import math
from dataclasses import dataclass

from peers.cmsis_nn_numbers import (
    ADD_DOWN,
    ADD_LEFT,
    ADD_OUT,
    ADD_RIGHT,
    ADD_UP,
    HIGHEST,
    LOWEST,
    ZERO,
    Numbers,
    random_numbers,
)
from peers.tiny_networks import INPUT, Network, Operation

ALIGNMENT = 4  # of maps and scratch buffers
RANGE = f"{{{LOWEST}, {HIGHEST}}}"

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


@dataclass(frozen=True)
class Call:
    """An operation as C: of `network`, number `number`, with maps at `places` of the arena."""

    network: Network
    operation: Operation
    number: int
    bits: int
    places: dict[str, int]
    scratch: int
    numbers: Numbers | None

    @property
    def source(self):
        shape = self.network.shapes[self.operation.sources[0]]
        return (1, 1, math.prod(shape)) if self.operation.kind == "dense" else shape

    @property
    def target(self):
        return self.network.shapes[self.operation.target]

    @property
    def maps(self):
        return [f"arena + {self.places[name]}" for name in (*self.operation.sources, self.operation.target)]

    @property
    def function(self):
        names = {
            "convolution": f"arm_convolve_wrapper_s{self.bits}",
            "depthwise": f"arm_depthwise_conv_wrapper_s{self.bits}",
            "dense": f"arm_fully_connected_s{self.bits}",
            "average": "arm_avgpool_s8",
            "maximum": "arm_max_pool_s8",
            "add": "arm_elementwise_add_s8",
        }
        return names[self.operation.kind]

    def tables(self):
        """Weights, biases and scales."""
        if self.numbers is None:
            return []
        name, numbers = self.number, self.numbers
        tables = [
            _table("int8_t", f"weights{name}", numbers.packed(self.bits)),
            _table("int32_t", f"biases{name}", numbers.biases),
            _table("int32_t", f"multipliers{name}", numbers.multipliers),
        ]
        shifts = [] if self.operation.kind == "dense" else [numbers.shift] * len(numbers.multipliers)
        return [*tables, _table("int32_t", f"shifts{name}", shifts)] if shifts else tables

    def computed(self):
        """The statements that call the kernel."""
        if self.operation.kind == "add":
            return f"    failed |= {self.function}({self._sum()}) != 0;"
        return self._declared(self._called())

    def sized(self):
        """The statements that note the words of its scratch buffer."""
        if self.operation.kind == "add":
            return ""
        unread = "(void)filter, (void)out, (void)context, (void)in, (void)p;"
        return self._declared(f"{unread} sizes[{self.number}] = (int16_t)(({self._size()} + 3) / 4);")

    def _sum(self):
        left, right, target = self.maps
        scales = f"{ZERO}, {ADD_LEFT}, 0, {ZERO}, {ADD_RIGHT}, 0, {ADD_UP}"
        limits = f"{LOWEST}, {HIGHEST}, {math.prod(self.target)}"
        return f"{left}, {right}, {scales}, {target}, -{ZERO}, {ADD_OUT}, {ADD_DOWN}, {limits}"

    def _declared(self, call):
        place = self.places.get(f"scratch{self.number}")
        return KERNEL.format(
            scratch="NULL, 0" if place is None else f"arena + {place}, {self.scratch}",
            parameters=self._parameters(),
            source=_list(self.source),
            filter=_list(self._filter()),
            target=_list(self.target),
            call=call,
        )

    def _filter(self):
        """The dimensions n, h, w, c that the kernels call those of the filter."""
        if self.operation.kind == "dense":
            return self.source[2], 1, 1, self.operation.filters
        channels = 1 if self.numbers is None else self.source[2]
        return self.operation.filters or 1, *self.operation.size, channels

    def _parameters(self):
        """The declaration of `p`, from its type on."""
        (rows, columns), kind, stride = self.operation.size, self.operation.kind, self.operation.stride
        if kind == "dense":
            return f"fc_params p = {{{ZERO}, 0, -{ZERO}, {RANGE}}}"
        if kind in ("average", "maximum"):
            return f"pool_params p = {{{{{columns}, {rows}}}, {{0, 0}}, {RANGE}}}"
        above, left = (self.network.before(self.source[i], self.operation.size[i], stride) for i in range(2))
        windows = f"{{{stride}, {stride}}}, {{{left}, {above}}}, {{1, 1}}"
        if kind == "depthwise":
            return f"dw_conv_params p = {{{ZERO}, -{ZERO}, 1, {windows}, {RANGE}}}"
        return f"conv_params p = {{{ZERO}, -{ZERO}, {windows}, {RANGE}}}"

    def _size(self):
        """C for the bytes of a scratch buffer."""
        function = f"{self.function}_get_buffer_size"
        if self.operation.kind in ("convolution", "depthwise"):
            return f"{function}(&p, &in, &filter, &out)"
        if self.operation.kind == "average":
            return f"{function}({self.target[1]}, {self.target[2]})"
        return f"{function}(&filter)" if self.operation.kind == "dense" and self.bits == 8 else "0"

    def _called(self):
        source, target = self.maps
        if self.numbers is None:
            return f"failed |= {self.function}(&context, &p, &in, {source}, &filter, &out, {target}) != 0;"
        weights = f"&filter, weights{self.number}, &bias, biases{self.number}"
        call = f"{self.function}(&context, &p, &q, &in, {source}, {weights}, &out, {target})"
        lines = [self._scales(), "const cmsis_nn_dims bias = {1, 1, 1, out.c};", f"failed |= {call} != 0;"]
        return "\n        ".join(lines)

    def _scales(self):
        if self.operation.kind == "dense":
            return f"const cmsis_nn_per_tensor_quant_params q = {{multipliers{self.number}[0], {self.numbers.shift}}};"
        scales = f"(int32_t *)multipliers{self.number}, (int32_t *)shifts{self.number}"
        return f"const cmsis_nn_per_channel_quant_params q = {{{scales}}};"


def program(network, bits, scratch):
    """network.h and network.c. `scratch`: bytes of each kernel's buffer."""
    calls, places, arena = _calls(network, bits, scratch)
    logits = LOGITS.format(calls="\n".join(call.computed() for call in calls), output=places[network.output])
    tables = "\n".join(table for call in calls for table in call.tables())
    kind = {"logit_type": "int8_t", "logit_bytes": 1, "logits": math.prod(network.shapes[network.output])}
    return _files(network, arena, tables, places[INPUT], logits, **kind)


def program_of_sizes(network, bits):
    """network.h and network.c whose logits are the words that the kernels want for their scratch buffers."""
    calls, places, arena = _calls(network, bits, [0] * len(network.operations))
    logits = SIZES.format(calls="\n".join(call.sized() for call in calls))
    kind = {"logit_type": "int16_t", "logit_bytes": 2, "logits": len(calls)}
    return _files(network, arena, "", places[INPUT], logits, **kind)


def _calls(network, bits, scratch):
    """The calls, the places of all maps and buffers in the arena, and its bytes."""
    places, arena = planned(network, scratch)
    parts = enumerate(zip(network.operations, scratch, random_numbers(network, bits), strict=True))
    calls = [Call(network, each, number, bits, places, size, of) for number, (each, size, of) in parts]
    return calls, places, arena


def _files(network, arena, tables, place, body, **logits):
    return {
        "network.h": HEADER.format(inputs=math.prod(network.input_shape), arena=arena, **logits),
        "network.c": SOURCE.format(tables=tables, input=place, logits=body),
    }


def planned(network, scratch):
    """Where each map and scratch buffer begins, and bytes of all: at the lowest place that is free, largest or oldest
    first, whichever needs less."""
    lives = _lives(network, scratch)
    orders = (sorted(lives, key=lambda name: -lives[name][0]), sorted(lives, key=lambda name: lives[name][1]))
    return min((_placed(order, lives) for order in orders), key=lambda plan: plan[1])


def _lives(network, scratch):
    """Bytes of each map and buffer, and the first and last operation that it is there for."""
    made = {INPUT: 0, **{each.target: number for number, each in enumerate(network.operations, start=1)}}
    used = {name: number for number, each in enumerate(network.operations, start=1) for name in each.sources}
    lives = {name: (math.prod(shape), made[name], used.get(name, made[name])) for name, shape in network.shapes.items()}
    buffers = {f"scratch{number}": (size, number + 1, number + 1) for number, size in enumerate(scratch) if size}
    return lives | buffers


def _placed(order, lives):
    placed = {}
    for name in order:
        size, first, last = lives[name]
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


def _list(numbers):
    return ", ".join(map(str, numbers))


def _table(kind, name, values):
    return f"static const {kind} {name}[{len(values)}] = {{{_list(values)}}};"
