"""Files of a data set: from a folder, or downloaded and checked."""

from __future__ import annotations

import hashlib
import urllib.request
from pathlib import Path

SECONDS = 60


def fetched(data_dir: Path | None, filename: str, url: str, sha256: str) -> bytes:
    """The bytes of data_dir/filename, or of a download whose SHA-256 is the expected one.

    Raises:
        FileNotFoundError: `data_dir` does not hold the file.
        ConnectionError: The download failed, or gave something else.
    """
    if data_dir is not None:
        path = data_dir / filename
        if not path.is_file():
            raise FileNotFoundError(
                f"No file {filename} in data_dir={str(data_dir)!r}. Without data_dir it is downloaded."
            )
        return path.read_bytes()
    hint = f"Where there is no network, name a folder with {filename} by data_dir (--data-dir on the command line)."
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as answer:
            data = answer.read()
    except OSError as error:
        raise ConnectionError(f"Could not download {url}: {error}. {hint}") from error
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise ConnectionError(f"{url} gave another file: its SHA-256 is {found}, not {sha256}. {hint}")
    return data
