"""The epochs of a trial that runs in a worker, as lines of a file that the driver reads."""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from keras_efficient.files import json_value
from keras_efficient.training.progress import SilentProgress

PROGRESS = "progress.jsonl"


class ProgressFile(SilentProgress):
    """Appends what a trial does to a file in its folder. A file that cannot be written stops no trial."""

    def __init__(self, directory: Path, name: str = PROGRESS):
        self.path = Path(directory) / name

    def begin(self) -> None:
        """The trial is in the hands of this process."""
        # Behind a line that a dying worker may have left unfinished.
        self._append({"process": os.getpid()}, before=b"\n")

    def epoch(self, trial: int, epoch: int, logs: dict[str, Any]) -> None:
        self._append({"epoch": epoch, **logs})

    def _append(self, line, before=b""):
        with suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, "ab", buffering=0, opener=_without_links) as file:
                file.write(before + json.dumps(json_value(line)).encode() + b"\n")


def _without_links(path, flags):
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o644)


class ProgressReader:
    """Reads what a `ProgressFile` appends.

    Args:
        file: The `ProgressFile`.

    Attributes:
        begun: Whether a process has begun the trial; who hands the trial out anew sets it back.
    """

    def __init__(self, file: ProgressFile):
        self.path = file.path
        self.begun = False
        self._place = 0

    def new_lines(self) -> list[dict]:
        """The lines since the last call; a line that a dying worker left unfinished is skipped."""
        try:
            with open(self.path, "rb") as file:
                file.seek(self._place)
                text = file.read()
        except FileNotFoundError:
            return []
        whole = text[: text.rfind(b"\n") + 1]
        self._place += len(whole)
        lines = []
        for line in whole.splitlines():
            with suppress(ValueError):
                lines.append(json.loads(line))
        self.begun |= any("process" in line for line in lines)
        return lines

    def remove(self) -> None:
        """The trial is done."""
        self.path.unlink(missing_ok=True)
