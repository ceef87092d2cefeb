"""Compilers, caches and homes that are broken, foreign or planted."""

from _attacks import Attack

ATTACKS: list[Attack] = []
