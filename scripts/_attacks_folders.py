"""Two processes on one folder, planted links and files, odd names, deleted folders."""

from _attacks import Attack

ATTACKS: list[Attack] = []
