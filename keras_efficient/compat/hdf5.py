"""Arrays in HDF5 files of strangers: no other file is opened, and sizes are known before memory is taken."""

import math
from typing import Any

import h5py
import numpy as np

# Of one chunk, which is read as a whole; those that h5py chooses hold less than a million numbers.
_MOST_NUMBERS = 2**26


def entry_within(group: h5py.Group, path: str) -> Any:
    """The group or data set at a path, none of whose steps is a link to somewhere else.

    Raises:
        ValueError: A soft or external link.
        KeyError: There is nothing of this name.
    """
    for name in path.split("/"):
        link = group.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise ValueError(f"{path!r} is a link to somewhere else")
        group = group[name]
    return group


def read_array(entry: Any, shape: tuple[int, ...]) -> np.ndarray:
    """The numbers of a data set, which must have this shape.

    Raises:
        ValueError: It is no data set of numbers, has another shape, lies in other files, or is not finite.
    """
    if not isinstance(entry, h5py.Dataset) or entry.dtype.kind not in "fiu":
        raise ValueError(f"{entry!r} is no array of numbers")
    if entry.shape != tuple(shape):
        raise ValueError(f"{entry.name!r} must have the shape {tuple(shape)}. Received: {entry.shape}")
    if entry.external or entry.is_virtual:
        raise ValueError(f"the numbers of {entry.name!r} lie in another file")
    if entry.chunks and math.prod(entry.chunks) > _MOST_NUMBERS:
        raise ValueError(f"{entry.name!r} is stored in chunks of {entry.chunks} numbers")
    array = entry[()]
    if not np.isfinite(array).all():
        raise ValueError(f"{entry.name!r} holds numbers that are not finite")
    return array
