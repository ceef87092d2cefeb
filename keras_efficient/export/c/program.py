"""`Program`: what the functions of one C file share."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from keras_efficient.export.c.kernels import used_kernels
from keras_efficient.export.c.places import Places
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
        return places

    def all_tables(self) -> list[str]:
        lines = [line for places in self.places.values() for line in places.tables(self._looks_up(places.name))]
        return [*self.tables, *lines]

    def used(self) -> list[list[str]]:
        """What the functions call: kernels, then the places of layouts."""
        called = [lines for name, lines in self.place_functions.items() if self._looks_up(name)]
        return [*used_kernels(self._text), *called]

    @cached_property
    def _text(self) -> str:
        """The functions, once all of them are written."""
        return "\n".join("\n".join(lines) for lines in self.functions)

    def _looks_up(self, name: str) -> bool:
        """Whether a pixel of a layout is looked up."""
        return f"network_place_{name}(" in self._text
