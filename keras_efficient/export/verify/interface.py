"""`Interface`: the numbers in a generated network.h, and images and results as bytes; `Spread`: counts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_efficient.export.c.text import renamed
from keras_efficient.export.firmware_report import code_folder, own_headers
from keras_efficient.export.verify.compilers import C_FOLDER


@dataclass(frozen=True)
class Spread:
    """Mean, smallest and largest count (cycles or instructions) over the images of a run."""

    mean: float
    min: int
    max: int


@dataclass(frozen=True)
class ProgramSizes:
    """A program that was compiled and not run: bytes of flash, of all of it, and of variables (.data + .bss)."""

    flash_bytes: int
    static_bytes: int


@dataclass(frozen=True)
class Interface:
    """What network.h defines.

    inputs: numbers of an image. logits: number of logits. arena_bytes: bytes of the activation buffer.
    input_bytes, input_signed: what a number of the input is. class_bytes: of the class in a program's results.
    prefix: what names begin with.
    """

    inputs: int
    logits: int
    arena_bytes: int
    input_bytes: int = 1
    input_signed: bool = False
    class_bytes: int = 1
    prefix: str = "network"

    @classmethod
    def read(cls, folder: Path | str) -> Interface:
        """From the header of a folder: that of `export_c`, or network.h."""
        folder = code_folder(folder)
        prefix = next(iter(own_headers(folder)), "network")
        header, macro = (folder / f"{prefix}.h").read_text(encoding="utf-8"), prefix.upper()
        names = (f"{macro}_INPUTS", f"{macro}_LOGITS", f"{macro}_ARENA_BYTES")
        inputs, logits, arena_bytes = (_defined_number(header, name) for name in names)
        if f"{macro}_INPUT_BYTES" not in header:  # written by hand, or by an earlier version
            return cls(inputs, logits, arena_bytes)
        size, signed = (_defined_number(header, f"{macro}_INPUT_{name}") for name in ("BYTES", "SIGNED"))
        classes = _defined_number(header, f"{macro}_CLASSES") if f"{macro}_CLASSES" in header else logits
        return cls(inputs, logits, arena_bytes, size, bool(signed), 2 if classes > 256 else 1, prefix)

    def own_program(self, name: str, temporary: Path) -> Path:
        """A C file of this package, for the network's names."""
        if self.prefix == "network":
            return C_FOLDER / name
        path = temporary / name
        path.write_text(renamed((C_FOLDER / name).read_text(encoding="utf-8"), self.prefix), encoding="utf-8")
        return path

    @property
    def result_bytes(self) -> int:
        """Bytes a program writes per image: logits of 16 bits, and the class."""
        return 2 * self.logits + self.class_bytes

    def pack(self, images: np.ndarray) -> bytes:
        """Images of shape (n, ...) with `inputs` whole numbers each, as bytes, low byte first.

        Of several inputs a list: their numbers follow one another.
        """
        images = one_after_another(images)
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
        logits = np.ascontiguousarray(rows[:, : -self.class_bytes]).view("<i2").astype(np.int16)
        return logits, np.ascontiguousarray(rows[:, -self.class_bytes :]).view(f"<u{self.class_bytes}")[:, 0]


def one_after_another(images: np.ndarray | Sequence[np.ndarray]) -> np.ndarray:
    """The numbers of several inputs as one array (n, numbers); an array stays as it is."""
    if not isinstance(images, (list, tuple)):
        return np.asarray(images)
    return np.concatenate([np.asarray(part).reshape(len(part), -1).astype(np.int64) for part in images], axis=1)


def _defined_number(header: str, name: str) -> int:
    found = re.search(rf"^[ \t]*#[ \t]*define[ \t]+{name}[ \t]+\(?(\d+)[uUlL]*\)?[ \t]*(?:/\*.*|//.*)?$", header, re.M)
    if found is None:
        raise ValueError(f"network.h must have a line '#define {name} <number>'")
    return int(found[1])
