"""The flowers: 3,670 photographs of five kinds."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from keras_efficient.datasets.downloads import fetched
from keras_efficient.datasets.splits import drawn_mask

FILENAME = "flowers_180.tar"
URL = "https://storage.googleapis.com/download.tensorflow.org/example_images/flower_photos.tgz"
SHA256 = "4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c"  # as in TensorFlow Datasets
KINDS = ("daisy", "dandelion", "roses", "sunflowers", "tulips")
TEST = 50
SIZE = 180


def read_flowers(data_dir: Path | None, size: int = SIZE) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Images (n, size, size, 3), float32 from -1 to 1 (byte / 127.5 - 1), and kinds.

    They come from `flowers_180.tar` in `data_dir`, photographs of 180 x 180 pixels, or from the download of
    218 MiB, photographs of up to 500 pixels. Both are tars of JPEG images, each in a folder with the name of its
    kind; they are resized to `size`. The 50 test images are always the same.

    Source: the TensorFlow team's flower_photos, CC BY.
    """
    path = fetched(data_dir, FILENAME, URL, SHA256)
    try:
        with tarfile.open(path) as archive:
            photographs = dict(_photographs(archive, size))
        # By kind and file name, whatever the folders above, so that both tars give the same test images.
        x, y = (np.stack(part) for part in zip(*(photographs[place] for place in sorted(photographs)), strict=True))
    except (tarfile.TarError, OSError, ValueError, IndexError) as error:
        raise ValueError(
            f"{path} must be a tar of JPEG images in folders {', '.join(KINDS)}. Received: {error}"
        ) from error
    test = drawn_mask(len(x), min(TEST, len(x) // 2), seed=0)
    x = x.astype("float32") / 127.5 - 1
    return x[~test], y[~test], x[test], y[test]


def _photographs(
    archive: tarfile.TarFile, size: int
) -> Iterator[tuple[tuple[str, str], tuple[np.ndarray, np.ndarray]]]:
    """((kind, file name), (pixels, number of the kind)) in the order of the archive."""
    from PIL import Image

    for member in archive:
        if member.isfile() and member.name.endswith(".jpg"):
            kind, name = member.name.split("/")[-2:]
            file = archive.extractfile(member)
            assert file is not None  # only of what is no file
            image = Image.open(io.BytesIO(file.read())).convert("RGB")
            yield (kind, name), (np.asarray(image.resize((size, size))), np.array(KINDS.index(kind)))
