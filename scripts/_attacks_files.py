"""Hostile files: descriptions, experiments, checkpoints of 2019, tinyBIG files, archives, results."""

from _attacks import Attack

ATTACKS: list[Attack] = []
