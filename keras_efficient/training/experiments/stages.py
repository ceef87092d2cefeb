"""The section `stages`, with the settings that stand beside it as defaults of all stages."""

import json
from dataclasses import MISSING, fields
from functools import cache

import keras

from keras_efficient.training.experiments.keys import STAGE_SETTINGS
from keras_efficient.training.experiments.updates import merge
from keras_efficient.training.halving import Halving
from keras_efficient.training.stage import Stage

# The seeds of a study repeat its runs, so a stage has one trial unless it says more.
_DEFAULTS = {"trials": 1, **{field.name: field.default for field in fields(Stage) if field.default is not MISSING}}


def resolve_stages(settings: dict) -> list[dict]:
    """The settings of each stage, without those that are at their defaults.

    >>> resolve_stages({"epochs": 5, "trials": 1, "stages": [{"mode": "float"}]})
    [{'mode': 'float', 'epochs': 5}]

    Raises:
        ValueError: A setting is missing or wrong; the text says in which stage.
    """
    stages = settings.get("stages")
    if not isinstance(stages, list) or not stages or not all(isinstance(stage, dict) for stage in stages):
        raise ValueError(f"`stages` must be a list such as [{{mode: float, epochs: 20}}]. Received: {stages!r}")
    defaults = {name: settings[name] for name in STAGE_SETTINGS if name in settings}
    resolved = [_without_defaults(merge(defaults, stage)) for stage in stages]
    make_stages(resolved, samples=16)
    return resolved


def make_stages(stages: list[dict], samples: int) -> list[Stage]:
    """The `Stage` objects; the batch size is by default min(1024, samples // 16)."""
    return [_make_stage(stage, f"stages[{index}]", samples) for index, stage in enumerate(stages)]


def _without_defaults(stage):
    return {
        name: value
        for name, value in stage.items()
        if value is not None and (name not in _DEFAULTS or name == "batch_size" or value != _DEFAULTS[name])
    }


def _make_stage(settings, place, samples):
    for name in ("mode", "epochs"):
        if name not in settings:
            raise ValueError(f"`{place}.{name}` is missing")
    try:
        _check_names(settings)
        batch_size = max(1, min(1024, samples // 16))
        objects = {**_optimizer(settings), **_halving(settings)}
        stage = Stage(**{"trials": 1, "batch_size": batch_size, **settings, **objects})
        _check_optimizer(json.dumps(settings.get("optimizer", "adam")), stage.weight_decay is not None)
        return stage
    except (ValueError, TypeError) as error:
        raise ValueError(f"`{place}`: {error}") from None


@cache  # it takes longer than all the other checks
def _check_optimizer(optimizer, with_weight_decay):
    settings = {"optimizer": json.loads(optimizer)}
    named = {**settings, **_optimizer(settings), "weight_decay": 0.0 if with_weight_decay else None}
    Stage("float", 1, 1, **named).make_optimizer()


def _optimizer(settings):
    optimizer = settings.get("optimizer")
    if not isinstance(optimizer, dict):
        return {}
    if not isinstance(optimizer.get("class_name"), str) or not isinstance(optimizer.get("config", {}), dict):
        raise ValueError(f"`optimizer` must be a name or {{class_name: sgd, config: {{...}}}}. Received: {optimizer!r}")
    # A name of its own: Keras counts names up, and the run would not be known again.
    config = {**optimizer.get("config", {}), "name": optimizer["class_name"]}
    return {"optimizer": keras.optimizers.get({"class_name": optimizer["class_name"], "config": config})}


def _halving(settings):
    halving = settings.get("halving")
    if halving is None:
        return {}
    if not isinstance(halving, dict) or "first_epochs" not in halving:
        raise ValueError(f"`halving` must be settings such as {{first_epochs: 5, factor: 2}}. Received: {halving!r}")
    return {"halving": Halving(**{name: value for name, value in halving.items() if value is not None})}


def _check_names(settings):
    """What a file can name, while `Stage` also takes objects and functions."""
    if not isinstance(settings.get("schedule"), str | None):
        raise ValueError(f"`schedule` must be a name. Received: schedule={settings['schedule']!r}")
    if "loss" in settings:
        keras.losses.get(settings["loss"])
