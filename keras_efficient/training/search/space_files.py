"""Search spaces in JSON files."""

from pathlib import Path

from keras_efficient.files import read_json
from keras_efficient.training.search.space import SearchSpace


def read_space(path: str | Path, default: SearchSpace | None = None) -> SearchSpace:
    """Read a search space from a JSON file: an object with attributes of `SearchSpace`.

        {"filters": [4, 8], "kernel_sizes": {"C": [3]}, "max_layers": 2}

    What the file leaves out is as in `default`, or the study's space.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not JSON or holds something else; the text names the file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no search space at {path}")
    content = read_json(path)
    if not isinstance(content, dict):
        raise ValueError(f'{path} must hold an object such as {{"filters": [4, 8]}}. Received: {content!r}')
    try:
        return (default or SearchSpace()).with_changes(content)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
