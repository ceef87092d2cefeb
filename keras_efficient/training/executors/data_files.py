"""The training data on its way to the workers: once, not with every trial."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from keras_efficient.files import make_temporary_folder, write_atomically
from keras_efficient.training.data import TrainingData
from keras_efficient.training.executors.tasks import Executor

_NAMES = ("x_train", "y_train", "x_val", "y_val")


@contextmanager
def shared(data: TrainingData, executor: Executor | None, directory: Path) -> Iterator[Any]:
    """What to hand to `executor` in the place of `data`. Test data stays where it is.

    An executor with a method `share` has a way of its own. Otherwise the arrays are written into
    a temporary folder of the run the first time they are sent to another process, which maps the
    files into its memory; threads use the arrays themselves. The files go at the end of the block.
    """
    data = replace(data, x_test=None, y_test=None)
    if executor is not None and hasattr(executor, "share"):
        yield executor.share(data)
        return
    files = DataFiles(**{name: getattr(data, name) for name in _NAMES}, directory=directory.resolve())
    try:
        yield files
    finally:
        files.remove()


@dataclass(frozen=True)
class DataFiles(TrainingData):
    """Training data that another process gets as files.

    Attributes:
        directory: Where their folder is made, once they are needed.
        folder: That folder, once it is made.
    """

    directory: Path | None = None
    folder: Path | None = None

    def __reduce__(self):
        # The first time only: every trial is sent with a reference to the same files.
        if self.folder is None and self.directory is not None:
            folder = make_temporary_folder(self.directory)
            object.__setattr__(self, "folder", folder)
            for name in _NAMES:
                write_atomically(folder / f"{name}.npy", partial(np.save, arr=getattr(self, name)))
        return _open, (self.folder,)

    def remove(self) -> None:
        """Delete the files, if they were needed."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)


def _open(folder):
    """The data in files, mapped read-only."""
    return TrainingData(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in _NAMES))
