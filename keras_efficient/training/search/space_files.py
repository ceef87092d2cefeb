"""Search spaces in JSON files."""

from pathlib import Path

from keras_efficient.descriptions.expand import shown
from keras_efficient.outside_files import read_json
from keras_efficient.training.search.space import SearchSpace


def read_space(path: str | Path, default: SearchSpace | None = None) -> SearchSpace:
    """Read a search space from a JSON file: an object with attributes of `SearchSpace`.

        {"filters": [4, 8], "kernel_sizes": {"C": [3]}, "max_layers": 2}

    What the file leaves out is as in `default`, or the study's space.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not JSON, holds something else or is above 1 MB; the text names the file.
    """
    content = read_json(path, "search space")
    if not isinstance(content, dict):
        raise ValueError(f'{path} must hold an object such as {{"filters": [4, 8]}}. Received: {shown(content)}')
    try:
        return (default or SearchSpace()).with_changes(content)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
