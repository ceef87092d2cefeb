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

    inputs: numbers of an image. logits: number of logits. arena_bytes: bytes of the activation buffer.
    input_bytes, input_signed: what a number of the input is.
    """

    inputs: int
    logits: int
    arena_bytes: int
    input_bytes: int = 1
    input_signed: bool = False

    @classmethod
    def read(cls, folder: Path | str) -> Interface:
        """From the network.h in a folder."""
        header = (Path(folder) / "network.h").read_text(encoding="utf-8")
        names = ("NETWORK_INPUTS", "NETWORK_LOGITS", "NETWORK_ARENA_BYTES")
        inputs, logits, arena_bytes = (_defined_number(header, name) for name in names)
        if "NETWORK_INPUT_BYTES" not in header:  # written by hand, or by an earlier version
            return cls(inputs, logits, arena_bytes)
        size, signed = (_defined_number(header, f"NETWORK_INPUT_{name}") for name in ("BYTES", "SIGNED"))
        return cls(inputs, logits, arena_bytes, size, bool(signed))

    @property
    def result_bytes(self) -> int:
        """Bytes a program writes per image: logits of 16 bits, and the class."""
        return 2 * self.logits + 1

    def pack(self, images: np.ndarray) -> bytes:
        """Images of shape (n, ...) with `inputs` whole numbers each, as bytes, low byte first."""
        images = np.asarray(images)
        if images.ndim < 2 or images[0].size != self.inputs:
            raise ValueError(f"`images` must have the shape (n, {self.inputs}). Received: images.shape={images.shape}")
        kind = np.dtype(f"<{'i' if self.input_signed else 'u'}{self.input_bytes}")
        pixels = images.astype(kind)
        if not np.array_equal(pixels, images):
            low, high = np.iinfo(kind).min, np.iinfo(kind).max
            raise ValueError(
                f"`images` must hold whole numbers from {low} to {high}. Received: images.dtype={images.dtype}"
            )
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
