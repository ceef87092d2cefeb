"""The flowers: 3,670 photographs of five kinds."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np

from keras_efficient.datasets.splits import drawn_mask

FILENAME = "flowers_180.tar"
KINDS = ("daisy", "dandelion", "roses", "sunflowers", "tulips")
TEST = 50
SIZE = 180


def read_flowers(data_dir: Path | None, size: int = SIZE):
    """Images (n, size, size, 3), float32 from -1 to 1 (byte / 127.5 - 1), and kinds.

    `flowers_180.tar` in `data_dir` holds JPEG images, each in a folder with the name of its kind; they are resized
    to `size`. The 50 test images are always the same.

    Source: the TensorFlow team's flower_photos, CC BY.
    """
    from PIL import Image

    if data_dir is None:
        raise ValueError(
            f"The flowers are read from a folder only. Right would be data_dir (--data-dir) with {FILENAME}: a tar of "
            "flower_photos, JPEG images in folders named by their kinds. Received: data_dir=None"
        )
    path = data_dir / FILENAME
    if not path.is_file():
        raise FileNotFoundError(f"No file {FILENAME} in data_dir={str(data_dir)!r}.")
    try:
        with tarfile.open(path) as archive:
            members = sorted((m for m in archive if m.isfile() and m.name.endswith(".jpg")), key=lambda m: m.name)
            kinds = [member.name.split("/")[-2] for member in members]
            images = [Image.open(io.BytesIO(archive.extractfile(member).read())) for member in members]
            x = np.stack([np.asarray(image.convert("RGB").resize((size, size))) for image in images])
            y = np.array([KINDS.index(kind) for kind in kinds])
    except (tarfile.TarError, OSError, ValueError, IndexError) as error:
        raise ValueError(
            f"{path} must be a tar of JPEG images in folders {', '.join(KINDS)}. Received: {error}"
        ) from error
    test = drawn_mask(len(x), min(TEST, len(x) // 2), seed=0)
    x = x.astype("float32") / 127.5 - 1
    return x[~test], y[~test], x[test], y[test]


def flipped(x: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Images (n, rows, columns, channels), each turned from left to right with probability 1/2."""
    turned = random.random(len(x)) < 0.5
    return np.where(turned[:, None, None, None], x[:, :, ::-1], x)
