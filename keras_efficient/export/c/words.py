"""C code of weighted sums a word at a time: cores that multiply pairs of 16 bits, `target="dsp"`.

Which layers, and in which form: `kinds.words`. What the words hold: the kernels words.c and products.c.
"""

from __future__ import annotations

from typing import Any

from keras_efficient.export.c.cells import index_type, integer_of
from keras_efficient.export.c.convolution import Sums
from keras_efficient.export.c.program import Program
from keras_efficient.export.c.text import braces, function, plus, times, unused_lines, wrapped
from keras_efficient.export.c.weights import BYTE, Segment
from keras_efficient.export.c.window_loops import corner, window_loop, window_place
from keras_efficient.export.c.word_weights import WordGroup, words_of_layer
from keras_efficient.export.integer.codes import Codes
from keras_efficient.kinds.words import Words
from keras_efficient.storage.sparse import FILTERS_AT_ONCE

_SIGNS = 0x80808080  # the highest bit of each byte of a word


def write_word_pixel(program: Program, sums: Sums) -> str:
    """The name of the function that computes the target pixel (row, column), from cell `made` on."""
    program.use_places(sums.places)
    program.count(*sums.layer.target.shape[:2])
    writer, name = WordsWriter(sums), f"network_pixel_{sums.number}"
    writer.write_rounding(program)
    lines = [*writer.head_lines(), *writer.pixel_lines()]
    head = f"NETWORK_PIXEL void {name}(network_count row, network_count column, network_index made)"
    program.add(function(head, [*unused_lines(("row", "column", "made"), lines), *lines]))
    return name


class WordsWriter:
    """Writes the functions of a layer of weighted sums whose products are taken two at a time."""

    def __init__(self, sums: Sums):
        self.sums, self.layer, self.weights = sums, sums.layer, sums.weights
        self.source, self.target, self.filters = sums.source, sums.target, sums.filters
        self.channels = sums.layer.source.shape[2]
        self.runs = sums.places.is_row_order and not sums.kept

    def place(self, row: str, column: str) -> str:
        """The place of a source pixel, in pixels."""
        place = self.sums.places.of(row, column)
        return f"({place}) % {self.sums.kept}u" if self.sums.kept else place

    def write_rounding(self, program: Program) -> None:
        """`network_round_N(sum, filter, shift)`: bias, activation, and the index of the output."""
        bias, number = self.weights.bias, self.sums.number
        lines = self.sums.result_lines("sum", self._bias_text(bias) if bias else "", "shift", by_words=True)
        parameters = {"sum": "int32_t", "filter": "uint32_t", "shift": "uint32_t"}
        head = ", ".join(f"{kind} {name}" for name, kind in parameters.items())
        lines = [*unused_lines(parameters, lines), *lines, "return (uint16_t)result;"]
        head = f"NETWORK_INLINE uint16_t network_round_{number}({head})"
        program.add(["/* From a sum of products to what is stored. */", *function(head, lines)])

    @property
    def words(self) -> Words:
        words = words_of_layer(self.layer)
        assert words is not None
        return words

    def head_lines(self) -> list[str]:
        """What all pixels share: how cells and weights lie in words."""
        source, kernel = self.layer.source.codes, self.layer.products.kernel_codes
        assert self.words.form == "patch" or self.source.offset % BYTE == 0  # pixels of whole words start at a byte
        if self.words.form == "patch":
            cells = _numbers(BYTE, is_signed=source.signed)
        elif source.bits == BYTE:
            cells = _numbers(BYTE, source.signed, flip=_SIGNS if source.signed else 0)
        else:
            cells = _numbers(source.bits, below=source)
        if kernel.bits == BYTE:
            weights = _numbers(BYTE, is_signed=True)
        else:
            weights = _numbers(kernel.bits, below=None if self._needs_total else kernel)
        return [f"const network_numbers cells = {cells};", f"const network_numbers weights = {weights};"]

    def pixel_lines(self) -> list[str]:
        lines = self._patch_lines() if self.words.form == "patch" else self._span_lines()
        if self._needs_total:
            lines += ["int32_t total = 0;"]
            lines += self._runs()
        for group in self.weights.groups:
            lines += braces("", self._group_lines(group))
        return braces("", lines)

    @property
    def _needs_total(self) -> bool:
        """Whether weights count from 0, as they are stored: what lies below is a multiple of the sum of cells."""
        return self.words.form != "channels" and self.layer.products.kernel_codes.bits < BYTE

    def _group_lines(self, group: Any) -> list[str]:
        zeros = " = ".join(f"sums[{i}]" for i in range(group.width))
        body = [f"int32_t sums[{group.width}];", f"{zeros} = 0;"]
        if self.words.form == "channels":
            body += self._channel_lines(group)
        else:
            body += self._runs(group)
        body += self._shift_lines(group.width)
        body += self._block_lines(group.width)
        body.append(f"weight += {group.block_bytes};")
        last = group.first + group.filters
        start = f"const uint8_t *weight = network_weights + {group.start // BYTE};"
        head = f"for (filter = {group.first}; filter < {last}; filter += {group.width})"
        return [start, "uint32_t filter;", *braces(head, body)]

    def _block_lines(self, width: int) -> list[str]:
        """What is stored of a block of filters: whole bytes where its cells fill some."""
        bits, filters = self.target.codes.bits, self.filters
        in_byte = BYTE // bits if bits in (2, 4) else 1
        in_bytes = not (self.target.is_logits or width % in_byte or filters % in_byte or self.target.offset % BYTE)
        if in_byte == 1 or not in_bytes:
            result = "network_logit" if self.target.is_logits else index_type(bits)
            cells = [plus("made + filter", i) for i in range(width)]
            return [self.target.put(cell, f"({result}){self._rounded(i)}") for i, cell in enumerate(cells)]
        lines = []
        for i in range(0, width, in_byte):
            cells = [f"{wrapped(self._rounded(k))}" for k in range(i, i + in_byte)]
            byte = " | ".join(f"{cell} << {bits * k}" if k else cell for k, cell in enumerate(cells))
            at = plus(f"(made + filter) / {in_byte}", self.target.offset // BYTE + i // in_byte)
            lines.append(f"network_arena.bytes[{at}] = (uint8_t)({byte});")
        return lines

    def _sum(self, number: int) -> str:
        codes, text = self.layer.products.kernel_codes, f"sums[{number}]"
        return f"{codes.step} * {text} - {-codes.low} * total" if self._needs_total else text

    def _bias_text(self, bias: Segment) -> str:
        if bias.codes.bits != 2 * BYTE:
            return bias.read("filter")
        return f"network_half(network_weights + {bias.start // BYTE} + 2 * filter)"

    def _shift_lines(self, width: int) -> list[str]:
        """The shifts of a block of filters, read at once where they start at a byte."""
        shifts = self.weights.shifts
        if shifts is None:
            return []
        lines = ["filter = network_held(filter);"] if width == FILTERS_AT_ONCE else []
        if width == 1 or shifts.start % BYTE:
            reads = [f"const uint32_t shift_{i} = {shifts.read(plus('filter', i))};" for i in range(width)]
            return [*lines, *reads]
        at = f"filter / 2 + {shifts.start // BYTE}"
        lines.append(f"const uint8_t *const shifts = network_weights + {at};")
        for i in range(width):
            if i % 8 == 0:
                read = {2: "*shifts", 4: "network_half(shifts)"}.get(width, f"network_word(shifts + {i // 2})")
                lines.append(f"const uint32_t word_{i // 8} = {read};")
            lines.append(f"const uint32_t shift_{i} = word_{i // 8} >> {4 * (i % 8)} & 15;")
        return lines

    def _rounded(self, number: int) -> str:
        """What is stored for sum `number` of a block."""
        shift = f"shift_{number}" if self.weights.shifts else "0"
        filter_ = plus("filter", number)
        return f"network_round_{self.sums.number}({self._sum(number)}, {filter_}, {shift})"

    @property
    def _turns(self) -> int:
        """Chunks in a turn of the loop: more would need more registers."""
        cells = self.words.numbers if self.words.form == "patch" or self.layer.is_whole else self.channels
        narrow = min(self.layer.source.codes.bits, self.layer.products.kernel_codes.bits)
        chunks, most = cells // self.words.chunk, (4, 2, 1) if narrow == BYTE else (2, 1)
        return next(turns for turns in most if chunks % turns == 0)

    # Where the cells of a window lie.

    @property
    def _pixel_bytes(self) -> int:
        return self.channels * self.layer.source.codes.bits // BYTE

    @property
    def _is_one_place(self) -> bool:
        window = self.layer.window
        return window.sizes == (1, 1) and window.covers_all

    @property
    def _has_spans(self) -> bool:
        """Whether the cells of a window's row lie side by side."""
        window = self.layer.window
        return self.runs and window.dilation == (1, 1) and window.spread == (1, 1) and not self._is_one_place

    def _span_lines(self) -> list[str]:
        """The part of the window that lies on the map: `lines` runs of so many `bytes`, from cell `first` on."""
        if self.layer.is_whole or not self._has_spans:
            return []
        window, lines = self.layer.window, []
        for axis, (name, at) in enumerate((("rows", "row"), ("columns", "column"))):
            place = f"(int32_t){corner(at, window, axis)}" if window.target[axis] > 1 else "0"
            first = f"{place} - {window.before[axis]}" if window.before[axis] else place
            arguments = f"{first}, {window.sizes[axis]}, {window.source[axis]}"
            lines.append(f"const network_span {name} = network_clip({arguments});")
        base, pixel = self.source.offset // BYTE, self._pixel_bytes
        at = f"((rows.at + rows.first) * {window.source[1]} + columns.at + columns.first) * {pixel}"
        return [
            *lines,
            f"const uint8_t *const first = network_arena.bytes + {base} + {at};",
            f"const int32_t bytes = (columns.end - columns.first) * {pixel};",
            "const int32_t lines = bytes > 0 ? rows.end - rows.first : 0;",
        ]

    def _runs(self, group: WordGroup | None = None) -> list[str]:
        """`sums` get the products of the window with a block of filters; without a block, `total` gets its cells."""
        window, pixel = self.layer.window, self._pixel_bytes
        place = 0 if group is None else group.block_bytes // (window.sizes[0] * window.sizes[1])
        base = f"network_arena.bytes + {self.source.offset // BYTE}"
        if self.words.form == "patch":
            return self._run("patch", self.words.numbers, "weight", group)
        if self.layer.is_whole:
            return self._run(base, self.layer.source.cells * self.layer.source.codes.bits // BYTE, "weight", group)
        if not self._has_spans:
            first = f"{base} + {times(wrapped(self.place(*window_place(window))), pixel)}"
            weight = "weight" if self._is_one_place else f"weight + (down * {window.sizes[1]} + across) * {place}"
            lines = self._run(first, pixel, weight, group)
            return lines if self._is_one_place else braces("", window_loop(window, lines))
        line = window.source[1] * pixel
        if group is None:
            lines = [f"total = network_add_run(total, first + down * {line}, bytes, &cells);"]
            return braces("", ["int32_t down;", *braces("for (down = 0; down < lines; down++)", lines)])
        skipped = f"({window.sizes[1]} - columns.end + columns.first) * {place}"
        weight = f"weight + (rows.first * {window.sizes[1]} + columns.first) * {place}"
        map_ = f"first, lines, bytes, {line}, &cells"
        return [f"network_multiply_lines(sums, {group.width}, {map_}, {weight}, {skipped}, &weights, {self._turns});"]

    def _run(self, first: str, count: int, weight: str, group: WordGroup | None) -> list[str]:
        """The same of so many bytes of cells from a place on."""
        if group is None:
            return [f"total = network_add_run(total, {first}, {count}, &cells);"]
        return [
            f"network_multiply_run(sums, {group.width}, {first}, {count}, &cells, {weight}, &weights, {self._turns});"
        ]

    def _channel_lines(self, group: WordGroup) -> list[str]:
        """The window of a word of channels."""
        window, pixel = self.layer.window, self._pixel_bytes
        base = f"network_arena.bytes + {self.source.offset // BYTE}"
        in_byte = BYTE // self.layer.source.codes.bits
        channel = "filter" if in_byte == 1 else f"filter / {in_byte}"
        if not self._has_spans:
            where = f"{base} + {times(wrapped(self.place(*window_place(window))), pixel)} + {channel}"
            weight = f"weight + (down * {window.sizes[1]} + across) * 4"
            lines = [f"network_multiply_word(sums, {where}, &cells, {weight}, &weights);"]
            return braces("", window_loop(window, lines))
        weight = f"weight + (rows.first * {window.sizes[1]} + columns.first) * 4"
        line, skipped = window.source[1] * pixel, f"({window.sizes[1]} - columns.end + columns.first) * 4"
        return [
            f"network_multiply_channels(sums, first + {channel}, lines, bytes, {line}, {pixel}, &cells, {weight}, "
            f"{skipped}, &weights);"
        ]

    def _patch_lines(self) -> list[str]:
        """The window's cells as bytes, filled up with zeros."""
        window, numbers = self.layer.window, self.words.numbers
        lines = [f"uint8_t patch[{numbers}];", "uint8_t *to = patch;"]
        channels = self.layer.source.cells if self.layer.is_whole else self.channels
        where = "0" if self.layer.is_whole else times(wrapped(self.place(*window_place(window))), channels)
        codes = self.layer.source.codes
        copied = [
            f"network_index place = (network_index)({self.source.place(where)});",
            f"const uint8_t *const end = to + {channels};",
            *braces(
                "while (to != end)",
                [
                    f"*to++ = (uint8_t)({integer_of(self.source.get('place'), codes)});",
                    f"place = (network_index)(place + {self.source.stride}u);",
                    "NETWORK_NO_LIBRARY;",
                ],
            ),
        ]
        if self.layer.is_whole:
            lines += braces("", copied)
        else:
            fill = f"to = network_fill(to, {channels});", f"to = network_fill(to, {channels * window.sizes[1]});"
            lines += braces("", window_loop(window, copied, *fill))
        left = numbers - channels * (1 if self.layer.is_whole else window.sizes[0] * window.sizes[1])
        return [*lines, *([f"network_fill(to, {left});"] if left else [])]


def _numbers(bits: int, is_signed: bool = False, below: Codes | None = None, flip: int = 0) -> str:
    """The C constants of `network_numbers`; `below`: the grid of numbers that lie as they count from its lowest."""
    low, twice = (-below.low, below.midrise) if below and below.signed else (0, False)
    mask = (2**bits - 1) * 0x10001
    return f"{{{bits}, {int(is_signed)}, {int(twice)}, {low}, {flip:#x}u, network_held({mask:#x}u)}}"
