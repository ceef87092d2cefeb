"""Where each data set comes from: one function each, returning `RawData`."""

import contextlib
import io
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from keras_efficient.datasets.splits import drawn_mask
from keras_efficient.outside_files import open_arrays

CIFAR10_FILE = "cifar10_jpeg.npz"


class RawData(NamedTuple):
    """Samples before the validation split: bytes (scaled later) or finished float32, and labels."""

    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


class Source(NamedTuple):
    """How to read one data set; `read` takes the folder of its files, or None to download them."""

    read: Callable[[Path | None], RawData]
    classes: int
    validation: int
    in_order: bool = False  # with seed 0 the last samples validate, as the source has split them


def read_digits(data_dir: Path | None) -> RawData:
    """The 1,797 digits (8x8) embedded in scikit-learn; `data_dir` is not used.

    Their values 0..16 become bytes min(255, 16 value). The 360 test images, 36 of each digit, are
    always the same, whatever the seed of the validation split.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    x = np.minimum(digits.images * 16, 255).astype(np.uint8)
    test = np.zeros(len(x), dtype=bool)
    for digit in range(10):
        members = np.flatnonzero(digits.target == digit)
        test[members[drawn_mask(len(members), 36, seed=digit)]] = True
    return RawData(x[~test], digits.target[~test], x[test], digits.target[test])


def read_mnist(data_dir: Path | None, name: str = "mnist") -> RawData:
    """MNIST or Fashion-MNIST: `NAME.npz` with x_train, y_train, x_test, y_test, or a download through Keras."""
    filename = f"{name}.npz"
    if data_dir is None:
        return _download(name, filename)
    raw = RawData(*read_npz(data_dir, filename, ("x_train", "y_train", "x_test", "y_test")))
    for x in (raw.x, raw.x_test):
        if x.dtype != np.uint8 or x.ndim != 3:
            raise ValueError(
                f"The images of {filename} must be uint8 (n, rows, columns). Received: {x.dtype} {x.shape}"
            )
    return raw


def read_cifar10(data_dir: Path | None) -> RawData:
    """CIFAR-10: a download through Keras, or `cifar10_jpeg.npz`.

    The file holds JPEG images one after the other (uint8 `jpeg_train`, `jpeg_test`), the bytes of
    each (`size_train`, `size_test`) and `y_train`, `y_test`. JPEG loses detail: its pixels are
    close to those of the download, not equal.
    """
    if data_dir is None:
        return _download("cifar10", CIFAR10_FILE)
    keys = ("jpeg_train", "size_train", "y_train", "jpeg_test", "size_test", "y_test")
    jpeg, size, y, jpeg_test, size_test, y_test = read_npz(data_dir, CIFAR10_FILE, keys)
    return RawData(decode_jpegs(jpeg, size), y, decode_jpegs(jpeg_test, size_test), y_test)


def decode_jpegs(data: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """RGB images (n, rows, columns, 3), uint8, from JPEG files of `sizes` bytes laid end to end."""
    from PIL import Image

    ends = np.cumsum(sizes, dtype=np.int64)
    if len(ends) == 0 or ends[-1] != len(data):
        raise ValueError(f"The JPEG sizes sum to {sizes.sum()} bytes, but there are {len(data)}.")
    files = (data[end - size : end].tobytes() for end, size in zip(ends, sizes, strict=True))
    try:
        return np.stack([np.asarray(Image.open(io.BytesIO(file)).convert("RGB")) for file in files])
    except OSError as error:
        raise ValueError(f"The JPEG images cannot be decoded: {error}") from error


def read_npz(data_dir: Path, filename: str, keys: tuple[str, ...]) -> list[np.ndarray]:
    """The arrays `keys` of data_dir/filename; a ValueError where it is no .npz file, or has not all of them."""
    path = _existing_file(data_dir, filename)
    with open_arrays(path, "data set", f"the arrays {', '.join(keys)}") as archive:
        return [archive[key] for key in keys]


def _download(name: str, filename: str) -> RawData:
    import keras  # slow to import, and needed for a download only

    with _downloading(name, filename):
        (x, y), (x_test, y_test) = getattr(keras.datasets, name).load_data()
    return RawData(x, y.reshape(-1), x_test, y_test.reshape(-1))


FLOWERS_FILE = "flowers_180.tar"
FLOWERS_URL = "https://storage.googleapis.com/download.tensorflow.org/example_images/flower_photos.tgz"
FLOWERS_SHA256 = "4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c"  # as in TensorFlow Datasets
FLOWERS = ("daisy", "dandelion", "roses", "sunflowers", "tulips")
FLOWERS_TEST = 50
FLOWER_SIZE = 180


def read_flowers(data_dir: Path | None, size: int = FLOWER_SIZE) -> RawData:
    """Images (n, size, size, 3), float32 from -1 to 1 (byte / 127.5 - 1), and kinds.

    They come from `flowers_180.tar` in `data_dir`, photographs of 180 x 180 pixels, or from the download of
    218 MiB, photographs of up to 500 pixels. Both are tars of JPEG images, each in a folder with the name of its
    kind; they are resized to `size`. The 50 test images are always the same.

    Source: the TensorFlow team's flower_photos, CC BY.
    """
    path = fetched(data_dir, FLOWERS_FILE, FLOWERS_URL, FLOWERS_SHA256)
    try:
        with tarfile.open(path) as archive:
            photographs = dict(_photographs(archive, size))
        # By kind and file name, whatever the folders above, so that both tars give the same test images.
        x, y = (np.stack(part) for part in zip(*(photographs[place] for place in sorted(photographs)), strict=True))
    except (tarfile.TarError, OSError, ValueError, IndexError) as error:
        raise ValueError(
            f"{path} must be a tar of JPEG images in folders {', '.join(FLOWERS)}. Received: {error}"
        ) from error
    test = drawn_mask(len(x), min(FLOWERS_TEST, len(x) // 2), seed=0)
    x = x.astype("float32") / 127.5 - 1
    return RawData(x[~test], y[~test], x[test], y[test])


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
            yield (kind, name), (np.asarray(image.resize((size, size))), np.array(FLOWERS.index(kind)))


def _existing_file(data_dir: Path, filename: str) -> Path:
    """The path of data_dir/filename; a FileNotFoundError where there is none."""
    path = data_dir / filename
    if not path.is_file():
        raise FileNotFoundError(f"No file {filename} in data_dir={str(data_dir)!r}. Without data_dir it is downloaded.")
    return path


def fetched(data_dir: Path | None, filename: str, url: str, sha256: str) -> Path:
    """The path of data_dir/filename, or of a download whose SHA-256 is the expected one, which stays in Keras's cache.

    A FileNotFoundError where `data_dir` does not hold the file, a ConnectionError where the download fails.
    """
    if data_dir is not None:
        return _existing_file(data_dir, filename)
    import keras  # slow to import, and needed for a download only

    with _downloading(f"{url} with SHA-256 {sha256}", filename):
        return Path(keras.utils.get_file(url.rsplit("/", 1)[-1], url, file_hash=sha256, hash_algorithm="sha256"))


@contextlib.contextmanager
def _downloading(what: str, filename: str) -> Iterator[None]:
    """A download by Keras: what goes wrong is a ConnectionError that names the file for `data_dir`."""
    try:
        # The progress bar of Keras belongs to standard error: standard output may carry JSON.
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except Exception as error:  # Keras raises bare Exceptions
        raise ConnectionError(
            f"Could not download {what}: {error}. Where there is no network, name a folder with {filename} by data_dir "
            "(--data-dir on the command line)."
        ) from error
