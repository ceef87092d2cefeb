"""Kills at any moment, and what a restart then finds."""

from _attacks import Attack

ATTACKS: list[Attack] = []
