"""Wrong arguments of the public functions and classes."""

from _attacks import Attack

ATTACKS: list[Attack] = []
