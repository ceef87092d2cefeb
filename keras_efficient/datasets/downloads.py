"""Files of a data set: from a folder, or downloaded, checked and kept by Keras."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path


def existing_file(data_dir: Path, filename: str) -> Path:
    """The path of data_dir/filename; a FileNotFoundError where there is none."""
    path = data_dir / filename
    if not path.is_file():
        raise FileNotFoundError(f"No file {filename} in data_dir={str(data_dir)!r}. Without data_dir it is downloaded.")
    return path


def fetched(data_dir: Path | None, filename: str, url: str, sha256: str) -> Path:
    """The path of data_dir/filename, or of a download whose SHA-256 is the expected one.

    Downloads stay in Keras's cache, as those of `keras.datasets` do.

    Raises:
        FileNotFoundError: `data_dir` does not hold the file.
        ConnectionError: The download failed, or gave something else.
    """
    if data_dir is not None:
        return existing_file(data_dir, filename)
    import keras  # slow to import, and needed for a download only

    with downloading(f"{url} with SHA-256 {sha256}", filename):
        return Path(keras.utils.get_file(url.rsplit("/", 1)[-1], url, file_hash=sha256, hash_algorithm="sha256"))


@contextlib.contextmanager
def downloading(what: str, filename: str) -> Iterator[None]:
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
