"""`Program`: what the functions of one C file share."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property

from keras_efficient.export.c.cells import Cells, index_type
from keras_efficient.export.c.kernels import used_kernels
from keras_efficient.export.c.places import Places
from keras_efficient.export.c.text import count_type
from keras_efficient.storage.planner.layouts import Layout


@dataclass
class Program:
    """Collects the tables and functions of network.c, in order, and the kernels that these use."""

    index_type: str
    by_words: bool = False  # for cores that take two products at once
    tables: list[str] = field(default_factory=list)
    place_functions: dict[str, list[str]] = field(default_factory=dict)
    functions: list[list[str]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    places: dict[Layout, Places] = field(default_factory=dict)
    computed: int = 0  # layers that have been written
    largest_count: int = 0  # of rows, columns, channels and places of windows
    widest_code: int = 1  # bits of a cell
    constants: dict[str, set[int]] = field(default_factory=dict)  # of tables, which decide what of a kernel is used
    sum_bits: int = 16  # of the sum of a window

    def add(self, lines: list[str]) -> None:
        self.functions.append(lines)

    def places_of(self, layout: Layout) -> Places:
        """The places of a layout; equal layouts share their functions and tables."""
        if layout not in self.places:
            places = Places(layout, str(len(self.places) + 1))
            self.places[layout] = places
        return self.places[layout]

    def use_places(self, places: Places) -> Places:
        """As above, for pixels that are looked up: with the function, if it takes one."""
        if places.needs_function:
            self.place_functions.setdefault(places.name, places.function_lines())
            self.count(places.layout.rows, places.layout.columns)
        return places

    def count(self, *limits: int) -> None:
        """Makes `network_count` hold these."""
        self.largest_count = max(self.largest_count, *limits)

    def map(self, name: str, cells: Cells) -> str:
        """The declaration of a map."""
        self.uses_cells(cells.codes.bits)
        return cells.declaration(name)

    def uses_cells(self, bits: int) -> None:
        """Maps have cells of so many bits."""
        self.widest_code = max(self.widest_code, bits)
        self.uses("map->bits", bits)
        self.uses("network_stride(map)", Cells.stride_of(bits))

    def uses(self, expression: str, value: int) -> None:
        """A table gives this value to an expression in kernels."""
        self.constants.setdefault(expression, set()).add(value)

    def layout(self, places: Places) -> str:
        """A layout, as an argument."""
        self.count(places.layout.rows, places.layout.columns)
        return places.reference

    def types(self) -> list[str]:
        """The types of what the C counts; only those that are used."""
        text = self._text + "\n".join(line for lines in self.used() for line in lines)
        kinds = {
            "network_count": (count_type(self.largest_count), "rows, columns and channels"),
            "network_code": (index_type(self.widest_code), "what memory holds for a number"),
            "network_sum": (f"uint{self.sum_bits}_t", "the numbers of a window, modulo 2^bits"),
        }
        return [
            f"typedef {self.index_type} network_index; /* cells, bytes and bits of arena and weights */",
            *(f"typedef {kind} {name}; /* {what} */" for name, (kind, what) in kinds.items() if name in text),
        ]

    def all_tables(self) -> list[str]:
        lines = [line for places in self.places.values() for line in places.tables(self._looks_up(places.name))]
        return [*self.tables, *lines]

    def used(self) -> list[list[str]]:
        """What the functions call: kernels, then the places of layouts."""
        places = [lines for each in self.places.values() if (lines := self._place_lines(each))]
        text = "\n".join("\n".join(lines) for lines in places)
        return [*used_kernels(self._text + text, self.constants), *places]

    @cached_property
    def _text(self) -> str:
        """The functions, once all of them are written."""
        return "\n".join("\n".join(lines) for lines in self.functions)

    def _looks_up(self, name: str) -> bool:
        """Whether a pixel of a layout is looked up."""
        return name in self.place_functions and re.search(rf"\bnetwork_place_{name}\b", self._text) is not None

    def _place_lines(self, places: Places) -> list[str]:
        """The function and the declaration of a layout, where they are used."""
        lines = self.place_functions[places.name] if self._looks_up(places.name) else []
        if re.search(rf"{places.reference}\b", self._text):
            lines = [*lines, places.declaration]
        return lines
