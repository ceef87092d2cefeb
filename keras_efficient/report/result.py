"""Reading result.json, and the few questions every part of the report asks about it."""

import os
from pathlib import Path
from typing import TypeGuard

from keras_efficient.outside_files import MOST_RESULT_BYTES, read_json

# What training writes into result.json, and the report reads.
FORMAT = "keras_efficient result 1"


def load_result(directory: str | os.PathLike) -> dict:
    """Read the `result.json` that a finished run left in `directory`.

    Raises a TypeError when `directory` is not a path, and a ValueError when the folder or the file
    is missing, when the file is not JSON, or when it is not the result of a run.
    """
    if not isinstance(directory, str | os.PathLike):
        _refuse("must be the path of a folder that holds result.json", directory, TypeError)
    path = Path(directory) / "result.json"
    if not path.parent.is_dir():
        _refuse("must be an existing folder that holds result.json", str(directory))
    if not path.is_file():
        _refuse("must hold result.json, which a run writes at its end", str(directory))
    try:
        result = read_json(path, "result of a run", MOST_RESULT_BYTES)
    except ValueError as error:
        raise ValueError(f"result.json must be a JSON file. Received: {str(path)!r}, which is not ({error})") from error
    return check_result(result, f" in {str(path)!r}")


def _refuse(requirement: str, directory: object, error: type[Exception] = ValueError) -> None:
    raise error(f"`directory` {requirement}. Received: directory={directory!r}")


def check_result(result: object, place: str = "") -> dict:
    """Return `result` when it has the shape of a run's result.

    Else raise a TypeError (not a dict) or a ValueError. `place` tells where it came from.
    """
    if not isinstance(result, dict):
        kind = type(result).__name__
        raise TypeError(f"`result` must be the dict of a result.json. Received: a {kind}{place}")
    received = f"Received{place}:"
    if result.get("format") != FORMAT:
        found = result.get("format")
        raise ValueError(f"`result` must have format={FORMAT!r}. {received} format={found!r}")
    if not isinstance(result.get("best"), dict):
        found = result.get("best")
        raise ValueError(f"`result` must have a dict `best`, the choice. {received} best={found!r}")
    stages = result.get("stages")
    if not (_are_dicts(stages) and all(_are_dicts(stage.get("trials")) for stage in stages)):
        shape = "a list `stages` of dicts, each with a list `trials` of dicts"
        raise ValueError(f"`result` must have {shape}. {received} other stages")
    return result


def _are_dicts(items: object) -> TypeGuard[list[dict]]:
    return isinstance(items, list) and all(isinstance(item, dict) for item in items)


def is_chosen(stage: dict, trial: dict) -> bool:
    """Is `trial` the one that `stage` hands on?"""
    return stage.get("chosen") is not None and trial.get("trial") == stage["chosen"]


def chosen_trial(stage: dict) -> dict | None:
    """The trial of `stage` that was chosen, None when all failed."""
    return next((trial for trial in stage["trials"] if is_chosen(stage, trial)), None)


def has_failed(trial: dict) -> bool:
    """Did training stop before the trial had a checkpoint to compare?"""
    return trial.get("status") == "failed"


def named_stages(result: dict) -> list[tuple[str, dict]]:
    """(name, stage) pairs: stages count from 0, as in result.json."""
    return [
        (f"Stage {index}: {stage.get('mode') or 'unknown mode'}", stage) for index, stage in enumerate(result["stages"])
    ]
