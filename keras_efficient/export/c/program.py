"""`Program`: what the functions of one C file share."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from keras_efficient.export.c import cells, weights
from keras_efficient.export.c.cells import Cells
from keras_efficient.export.c.places import Places
from keras_efficient.storage.planner.layouts import Layout

# The name of a function where it is defined.
DEFINED = re.compile(r"^(?:static|NETWORK_INLINE) \w+ (network_\w+)\(", re.MULTILINE)


@dataclass
class Program:
    """Collects the tables and functions of network.c, in order; helpers only where they are used."""

    index_type: str
    tables: list[str] = field(default_factory=list)
    helpers: dict[str, list[str]] = field(default_factory=dict)
    functions: list[list[str]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    places: dict[Layout, Places] = field(default_factory=dict)
    computed: int = 0  # layers that have been written

    def add(self, lines: list[str]) -> None:
        self.functions.append(lines)

    def get(self, source: Cells, place: str) -> str:
        self._use_cells(source.codes.bits, "get")
        return source.get(place)

    def put(self, target: Cells, cell: str, index: str) -> str:
        if not target.is_logits:
            self._use_cells(target.codes.bits, "put")
        return target.put(cell, index)

    def use_weights(self, segment: weights.Segment) -> None:
        """The helpers that a segment's expressions call."""
        self.helpers.update(segment.helpers())

    def places_of(self, layout: Layout) -> Places:
        """The places of a layout; equal layouts share their functions and tables."""
        if layout not in self.places:
            places = Places(layout, str(len(self.places) + 1))
            self.places[layout] = places
        return self.places[layout]

    def use_places(self, places: Places) -> Places:
        """As above, for pixels that are looked up: with the function, if it takes one."""
        if places.needs_function:
            self.helpers.setdefault(f"place_{places.name}", places.function_lines())
        return places

    def all_tables(self) -> list[str]:
        looked_up = ((each, f"place_{each.name}" in self.helpers) for each in self.places.values())
        return [*self.tables, *(line for places, is_looked_up in looked_up for line in places.tables(is_looked_up))]

    def used_helpers(self) -> list[list[str]]:
        """The helpers that are called by functions, or by other helpers; each of them stands after those it calls."""
        text = "\n".join("\n".join(lines) for lines in self.functions)
        used: list[list[str]] = []
        for lines in reversed(self.helpers.values()):
            block = "\n".join(lines)
            if any(f"{name}(" in text for name in DEFINED.findall(block)):
                used.insert(0, lines)
                text += block
        return used

    def _use_cells(self, bits: int, access: str) -> None:
        if bits not in (*cells.WITHIN_BYTES, 16):
            self.helpers[f"{access}_bits"] = cells.GET_BITS if access == "get" else cells.PUT_BITS
        make = cells.get_function if access == "get" else cells.put_function
        self.helpers[f"{access}_{bits}"] = make(bits)
