"""Which trial of a stage went on: the later stages stand on it."""

from pathlib import Path

from keras_efficient.files import read_json, write_json

_NAME = "choice.json"


def keep_choice(directory: Path, chosen: int) -> None:
    """Write down the choice of a finished stage, or find that it is the same as before.

    Raises:
        ValueError: If it is another one: a rule or a trial was changed in between.
    """
    path = directory / _NAME
    if not path.exists():
        write_json(path, {"chosen": chosen})
        return
    before = read_json(path, "Delete it, and the choice is made again.")
    if before != {"chosen": chosen}:
        raise ValueError(
            f"'{path}' says {before}, but now the rule chooses trial {chosen}: the rule or a trial of the stage has "
            "changed. Delete it and the folders of the later stages to go on from the new choice"
        )
