"""What several tests share: the study's network, and results that can be compared."""

import json

# Gural & Murmann, ICML 2019: 1,947 bytes for MNIST. Written out, as the tests must not follow the package.
STUDY = [
    ("A", 2, 4),
    ("C", 5, 3, 3, 1, 1, 4, 8, 4),
    ("C", 8, 3, 3, 1, 1, 4, 8, 4),
    ("C", 11, 3, 3, 1, 1, 4, 8, 4),
    ("M", 2, 4),
    ("D", 0.1, 4),
    ("S", 10, 4, 8, 8),
]


def result_without_clocks(directory, name="result.json"):
    """The result.json of a run, or another file, without what differs from run to run."""
    return _without_clocks(json.loads((directory / name).read_text()))


def _without_clocks(value):
    if isinstance(value, dict):
        return {k: _without_clocks(v) for k, v in value.items() if "seconds" not in k and "date" not in k}
    return [_without_clocks(v) for v in value] if isinstance(value, list) else value
