"""Hostile files: descriptions, experiments, spaces, results, checkpoints of 2019, tinyBIG files, models, arrays."""

from attacks.hostile_archives import archives, models
from attacks.hostile_arrays import checkpoints, tinybig_files
from attacks.hostile_files import Batch
from attacks.hostile_texts import descriptions, experiments, results, spaces
from attacks.shared import Attack

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

# In the quick run: each in a process of its own, as a user would meet it.
_QUICK = {"description": ("a Lambda in a wrapper",)}


def _attacks(kind: str) -> list[Attack]:
    cases = _KINDS[kind]()
    quick = [case for case in cases if case.name in _QUICK.get(kind, ())]
    return [*(case.alone(kind) for case in quick), *Batch(cases).attacks(kind)]


ATTACKS: list[Attack] = [attack for kind in _KINDS for attack in _attacks(kind)]
