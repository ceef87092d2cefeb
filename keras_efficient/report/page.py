"""The page of a run: all sections in order, and a write that never leaves half a file."""

import os
from pathlib import Path

from keras_efficient.files import write_text
from keras_efficient.markup import escape, join, tag
from keras_efficient.report.comparison import confusion, stages_compared
from keras_efficient.report.firmware import firmware
from keras_efficient.report.overview import footer, network, overview, page_title, reproduction
from keras_efficient.report.quantizers import diagnostics, scale_paths
from keras_efficient.report.result import check_result
from keras_efficient.report.storage import byte_bars, storage_table
from keras_efficient.report.style import STYLE
from keras_efficient.report.trial_tables import trial_tables
from keras_efficient.report.trials import curves, selection

SECTIONS = [
    network,
    byte_bars,
    firmware,
    stages_compared,
    curves,
    confusion,
    selection,
    trial_tables,
    storage_table,
    diagnostics,
    scale_paths,
    reproduction,
]

# The policy makes the promise binding: the browser itself refuses to load anything.
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{body}
</body>
</html>
"""


def write_report(result: dict, path: str | os.PathLike) -> None:
    """Write the report of a run, one self-contained HTML page, to `path`.

    The page shows the chosen network and its bytes, the stages, the learning curves, the confusion matrix, all trials,
    the storage table, the state of the quantizers and how to reproduce the run. It loads nothing from the network, and
    the same `result` gives the same bytes. When writing fails, a page that was there before stays as it was.

    Args:
        result: what `load_result` returns. Keys that are missing leave their part of the page out.
        path: the HTML file to write, e.g. `report.html`; its folder must exist.

    Raises:
        TypeError: `result` is no dict, or `path` no path.
        ValueError: `result` is not the result of a run, or the folder of `path` is missing.
    """
    check_result(result)
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"`path` must be the path of the HTML file to write. Received: path={path!r}")
    path = Path(path)
    if not path.parent.is_dir():
        raise ValueError(f"`path` must lie in an existing folder. Received: path={str(path)!r}")
    try:
        page = render(result)
    except (AttributeError, LookupError, TypeError) as error:  # a file that was changed by hand
        raise ValueError(f"`result` must hold what a run writes. Received: a part of another kind ({error})") from error
    write_text(path, page)


def render(result: dict) -> str:
    parts = [overview(result), *(write(result) for write in SECTIONS), footer(result)]
    return PAGE.format(
        title=escape(page_title(result)),
        style=STYLE,
        body=tag("main", join(*parts, separator="\n")),
    )
