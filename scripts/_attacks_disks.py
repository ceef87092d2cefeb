"""Full disks, small limits, folders that may not be written."""

from _attacks import Attack

ATTACKS: list[Attack] = []
