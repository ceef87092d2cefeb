"""What a killed run leaves behind and nobody needs."""

from pathlib import Path

from keras_efficient.files import is_temporary
from keras_efficient.training.progress_file import PROGRESS
from keras_efficient.training.state import STATE
from keras_efficient.training.trial import RECORD


def remove_leftovers(directory: Path) -> None:
    """Delete half-written temporary files, the lines of workers, and the states of trials that are finished."""
    for path in directory.rglob("*"):
        of_finished = path.name == STATE and path.with_name(RECORD).exists()
        if is_temporary(path) or path.name == PROGRESS or of_finished:
            path.unlink(missing_ok=True)
