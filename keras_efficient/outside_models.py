"""Files of Keras models that somebody else may have written: looked at before Keras reads them."""

import zipfile
from pathlib import Path

from keras_efficient.descriptions.objects import objects_within
from keras_efficient.outside_files import MOST_RESULT_BYTES, check_archive_size, check_plain_file, parse_json

_CONFIG = "config.json"


def check_model_file(path: str | Path) -> None:
    """Raise an error for a file that Keras's safe mode would let do harm, on some version of Keras.

    A FileNotFoundError, or a ValueError: no plain file; a .keras file that unpacks to far more than it is, or holds a
    layer that runs a graph saved elsewhere.
    """
    check_plain_file(path, "file")
    if not zipfile.is_zipfile(path):
        return
    check_archive_size(path)
    with zipfile.ZipFile(path) as archive:
        member = archive.NameToInfo.get(_CONFIG)
        if member is None:
            return
        if member.file_size > MOST_RESULT_BYTES:
            raise ValueError(f"{_CONFIG} in it has more than {MOST_RESULT_BYTES:,} bytes")
        config = parse_json(archive.read(member).decode("utf-8"), path, "Keras model")
    if any(part.get("class_name") == "TFSMLayer" for part in objects_within(config)):
        raise ValueError("a TFSMLayer in it would run a graph that is saved elsewhere")
