"""`Interface`: the numbers in a generated network.h, and images and results as bytes; `Spread`: counts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Spread:
    """Mean, smallest and largest count (cycles or instructions) over the images of a run."""

    mean: float
    min: int
    max: int


@dataclass(frozen=True)
class Interface:
    """What network.h defines.

    inputs: bytes of an image. logits: number of logits. arena_bytes: bytes of the activation buffer.
    """

    inputs: int
    logits: int
    arena_bytes: int

    @classmethod
    def read(cls, folder: Path | str) -> Interface:
        """From the network.h in a folder."""
        header = (Path(folder) / "network.h").read_text(encoding="utf-8")
        names = ("NETWORK_INPUTS", "NETWORK_LOGITS", "NETWORK_ARENA_BYTES")
        return cls(*(_defined_number(header, name) for name in names))

    @property
    def result_bytes(self) -> int:
        """Bytes a program writes per image: logits of 16 bits, and the class."""
        return 2 * self.logits + 1

    def pack(self, images: np.ndarray) -> bytes:
        """Images of shape (n, ...) with `inputs` whole numbers from 0 to 255 each, as bytes."""
        images = np.asarray(images)
        if images.ndim < 2 or images[0].size != self.inputs:
            raise ValueError(f"`images` must have the shape (n, {self.inputs}). Received: images.shape={images.shape}")
        pixels = images.astype(np.uint8)
        if not np.array_equal(pixels, images):
            raise ValueError(f"`images` must hold whole numbers from 0 to 255. Received: images.dtype={images.dtype}")
        return pixels.tobytes()

    def unpack(self, results: bytes, count: int) -> tuple[np.ndarray, np.ndarray]:
        """The logits (count, logits) as int16 and the classes (count,) in a program's results."""
        if len(results) != count * self.result_bytes:
            expected = f"{count} results of {self.result_bytes} bytes"
            raise ValueError(f"The program must write {expected}. Received: {len(results)} bytes")
        rows = np.frombuffer(results, np.uint8).reshape(count, self.result_bytes)
        logits = np.ascontiguousarray(rows[:, :-1]).view("<i2").astype(np.int16)
        return logits, rows[:, -1].copy()


def _defined_number(header: str, name: str) -> int:
    found = re.search(rf"^[ \t]*#[ \t]*define[ \t]+{name}[ \t]+\(?(\d+)[uUlL]*\)?[ \t]*(?:/\*.*|//.*)?$", header, re.M)
    if found is None:
        raise ValueError(f"network.h must have a line '#define {name} <number>'")
    return int(found[1])
