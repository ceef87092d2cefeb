"""Files of a data set: from a folder, or downloaded, checked and kept by Keras."""

from __future__ import annotations

from pathlib import Path


def fetched(data_dir: Path | None, filename: str, url: str, sha256: str) -> Path:
    """The path of data_dir/filename, or of a download whose SHA-256 is the expected one.

    Downloads stay in Keras's cache, as those of `keras.datasets` do.

    Raises:
        FileNotFoundError: `data_dir` does not hold the file.
        ConnectionError: The download failed, or gave something else.
    """
    import keras

    if data_dir is not None:
        path = data_dir / filename
        if not path.is_file():
            raise FileNotFoundError(
                f"No file {filename} in data_dir={str(data_dir)!r}. Without data_dir it is downloaded."
            )
        return path
    try:
        return Path(keras.utils.get_file(url.rsplit("/", 1)[-1], url, file_hash=sha256, hash_algorithm="sha256"))
    except Exception as error:  # get_file raises plain Exceptions for what the network answers
        raise ConnectionError(
            f"Could not download {url} with SHA-256 {sha256}: {error}. Where there is no network, name a folder with "
            f"{filename} by data_dir (--data-dir on the command line)."
        ) from error
