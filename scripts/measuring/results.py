"""Writes results/NAME.json: the figures of a script, with what is needed to repeat them."""

import datetime
import hashlib
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from keras_efficient.files import write_atomically

ROOT = Path(__file__).resolve().parents[2]
# The environment variable keeps tests away from the figures of the repository.
RESULTS = Path(os.environ.get("KERAS_EFFICIENT_RESULTS", ROOT / "results")).resolve()
STARTED = time.perf_counter()
ABSOLUTE_PATH = re.compile(r"""[\s="'](/|~|[A-Za-z]:\\)[\w.]""")
PACKAGES = ("numpy", "keras", "tensorflow", "jax", "torch", "keras_efficient")


def record(name: str, directory: Path = ROOT / "results") -> dict:
    """All of results/NAME.json, as `write_results` wrote it."""
    return json.loads((directory / f"{name}.json").read_text(encoding="utf-8"))


def has_record(name: str) -> bool:
    """Whether there is a results/NAME.json: what was not measured yet has none."""
    return (ROOT / "results" / f"{name}.json").exists()


def figures(name: str) -> dict:
    """The figures of results/NAME.json."""
    return record(name)["figures"]


def earlier_figures(name: str, quick: bool) -> dict | None:
    """The figures that an earlier call of a script left, for it to go on from; None without such a call."""
    path = RESULTS / f"{name}{'_quick' * quick}.json"
    return json.loads(path.read_text(encoding="utf-8"))["figures"] if path.exists() else None


def write_results(
    name: str,
    figures: dict,
    seeds: Sequence[int] = (),
    quick: bool = False,
    directory: Path = RESULTS,
    continued: bool = False,
) -> Path:
    """Write the figures of a script, whole or not at all; beside them the seconds that this call took.

    Args:
        name: of the file, without suffix. With `quick` it gets "_quick" after it, so that a
            quick run never overwrites the figures of a full one.
        figures: what was measured, as JSON.
        seeds: that the figures are made of.
        quick: the script ran with fewer samples or repeats.
        directory: where the file goes.
        continued: the figures go on from those of the file: its commands and data count, too.

    Returns:
        The path written.

    Raises:
        ValueError: an absolute path among the figures, or a number that JSON cannot hold (NaN).
        TypeError: something that JSON cannot hold.
    """
    path = Path(directory) / f"{name}{'_quick' * quick}.json"
    earlier = json.loads(path.read_text(encoding="utf-8")) if continued and path.exists() else {}
    commands = list(dict.fromkeys([*commands_of(earlier), typed_command()]))
    written = {
        "name": path.stem,
        "command": " && ".join(commands),
        "commands": commands,
        "commit": COMMIT,
        "data": {**earlier.get("data", {}), **_digests()},
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(),
        "seeds": list(seeds),
        "seconds": round(time.perf_counter() - STARTED),
        "figures": figures,
    }
    text = json.dumps(written, indent=2, allow_nan=False, default=_plain) + "\n"
    if found := ABSOLUTE_PATH.search(text):
        excerpt = text[found.start() : found.end() + 40]
        raise ValueError(f"Results must not hold an absolute path. Received: ...{excerpt!r}...")
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
    return path


def commands_of(record: dict) -> list[str]:
    """What was typed for a record; before 0.2.0 one string holds it."""
    return record.get("commands") or [command for command in record.get("command", "").split(" && ") if command]


def _digests() -> dict[str, str]:
    """The data files that this process has read, with their SHA-256."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(_READ)}


def typed_command() -> str:
    """The running command, relative to the repository: `KERAS_BACKEND=jax python scripts/x.py --data-dir DIR`."""
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    chosen = [] if backend == "tensorflow" else [f"KERAS_BACKEND={backend}"]
    return " ".join([*chosen, "python", *map(_relative, (str(Path(sys.argv[0]).resolve()), *sys.argv[1:]))])


def commit() -> str | None:
    """The commit that is checked out, with "-dirty" where files differ from it; None where git does not know."""
    words = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


# Of the code that runs, before it writes anything.
COMMIT = commit()


def machine() -> dict:
    """Processor, cores this process may use, and memory."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"cpu": _cpu_model(), "cores": cores, "memory_gb": _memory_gb()}


def versions() -> dict:
    """Versions of Python and of the packages that are installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor() or platform.machine())


def _memory_gb() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (ValueError, OSError, AttributeError):
        return None


def _relative(word: str) -> str:
    """A path inside the repository relative to it; of one outside, the last part of a file, and DIR of a folder."""
    option, equals, value = word.rpartition("=")
    path = Path(value).expanduser()
    if path.is_absolute() or path.parts[:1] == ("..",):
        path = Path(os.path.abspath(path))
        outside = "DIR" if path.is_dir() or not path.suffix else path.name
        value = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else outside
    return option + equals + value


def _data_folder() -> str | None:
    """What --data-dir names, without links."""
    words = [part for word in sys.argv for part in word.split("=", 1)]
    place = words.index("--data-dir") + 1 if "--data-dir" in words else len(words)
    return os.path.realpath(words[place]) if place < len(words) else None


def _note_data(event: str, arguments: tuple) -> None:
    if event == "open" and isinstance(arguments[0], str):
        path = os.path.realpath(arguments[0])
        if os.path.dirname(path) == _DATA:
            _READ.add(Path(path))


_READ: set[Path] = set()
if _DATA := _data_folder():
    sys.addaudithook(_note_data)


def _plain(value):
    """A numpy number or array as Python's own; `json` calls this for what it does not know."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"Results must be JSON. Received: {type(value).__name__} {value!r}")
