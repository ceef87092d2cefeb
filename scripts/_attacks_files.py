"""Hostile files: descriptions, experiments, spaces, results, checkpoints of 2019, tinyBIG files, models, arrays."""

from _attacks import Attack
from _file_attacks import Batch
from _hostile_arrays import archives, checkpoints, models, tinybig_files
from _hostile_texts import descriptions, experiments, results, spaces

_KINDS = {
    "description": descriptions,
    "experiment": experiments,
    "space": spaces,
    "result": results,
    "2019": checkpoints,
    "tinyBIG": tinybig_files,
    "model": models,
    "arrays": archives,
}

ATTACKS: list[Attack] = [attack for kind, cases in _KINDS.items() for attack in Batch(cases()).attacks(kind)]
