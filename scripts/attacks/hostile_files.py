"""Many hostile files in one process: imports take longer than most of the refusals.

A file is a `Case`. Those of a `Batch` run one after the other in a process of their own, each in a folder of its own; a
case that crashes or never ends is noticed, as it and all after it leave no outcome.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from attacks.shared import Attack, check, check_refused, program

# Of one case; imports and the others of its batch are not counted.
SECONDS = 25
BATCH_SECONDS = 600


@dataclass(frozen=True)
class Case:
    """A file, and what reads it.

    Attributes:
        name: What it tries.
        reader: The arguments of the command, "FILE" for the file; or a Python expression over `ke`, `Path` and `path`.
        content: Text, bytes, or a function that makes something at a path.
        file: Its name.
        is_harmless: A control: it must be accepted.
    """

    name: str
    reader: Sequence[str] | str
    content: str | bytes | Callable[[Path], object]
    file: str = "file.json"
    is_harmless: bool = False

    def write(self, folder: Path) -> None:
        path = folder / self.file
        path.parent.mkdir(parents=True, exist_ok=True)
        if callable(self.content):
            self.content(path)
        else:
            path.write_bytes(self.content.encode() if isinstance(self.content, str) else self.content)

    def alone(self, kind: str) -> Attack:
        """The same file of a command in a process of its own, in the quick run, too."""

        def run(folder):
            self.write(folder)
            check_refused([self.file if word == "FILE" else word for word in self.reader], folder)
            check(not list(folder.rglob("CODE_RAN")), "its code ran")

        return Attack(f"{kind}, one command: {self.name}", run, is_quick=True)

    def check(self, outcome: dict | None) -> None:
        """Raise `NotHeldError` unless a hostile file was refused as promised, or a harmless one accepted."""
        check(outcome is not None, "not ended, or the process is gone")
        assert outcome is not None
        seen = f"exit code {outcome['code']} after {outcome['seconds']:.0f} s: {outcome['said']}"
        check(not outcome["marks"], "its code ran")
        check(outcome["seconds"] < SECONDS, seen)
        if self.is_harmless:
            check(outcome["code"] == 0, seen)
        else:
            check(outcome["code"] == 2 and outcome["lines"] == 1 and "Traceback" not in outcome["said"], seen)
            check(not outcome["changed"], f"files were changed: {outcome['changed']}")


@dataclass
class Batch:
    """Cases that run in one process, when the first of them is asked for."""

    cases: Sequence[Case]
    outcomes: dict | None = field(default=None)

    def attacks(self, kind: str) -> list[Attack]:
        """One attack for each case."""
        return [Attack(f"{kind}: {case.name}", lambda folder, case=case: self._run(case)) for case in self.cases]

    def _run(self, case):
        if self.outcomes is None:
            self.outcomes = _outcomes(self.cases)
        case.check(self.outcomes.get(case.name))


def _outcomes(cases):
    with TemporaryDirectory(prefix="attack-") as name:
        folder = Path(name)
        for number, case in enumerate(cases):
            (folder / str(number)).mkdir()
            case.write(folder / str(number))
        plan = [[case.name, case.reader, case.file] for case in cases]
        (folder / "plan.json").write_text(json.dumps(plan))
        program(_PROGRAM, folder, BATCH_SECONDS)
        said = folder / "outcomes.jsonl"
        rows = [json.loads(line) for line in said.read_text().splitlines()] if said.exists() else []
        return {row["name"]: row for row in rows}


_PROGRAM = """
import contextlib, io, json, os, signal, sys, time, traceback
from pathlib import Path

import keras_efficient as ke
from keras_efficient.cli import main

home = Path.cwd()

def never_ends(*_):
    raise BaseException("it does not end")

def files():
    small = lambda p: p.is_file() and p.stat().st_size < 10_000_000
    return {str(p): p.read_bytes() if small(p) else None for p in Path().rglob("*")}

def run(reader, file):
    if isinstance(reader, str):
        try:
            eval(reader, {"ke": ke, "path": file, "Path": Path})
            return 0, ""
        except (ValueError, TypeError, OSError) as error:
            return 2, str(error).replace("\\n", " ")
    sys.argv = ["keras-efficient", *[file if word == "FILE" else word for word in reader]]
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            main()
        except SystemExit as end:
            return end.code, said.getvalue()

signal.signal(signal.SIGALRM, never_ends)
for number, (name, reader, file) in enumerate(json.loads(Path("plan.json").read_text())):
    os.chdir(home / str(number))
    before, started = files(), time.perf_counter()
    signal.alarm(60)
    try:
        code, said = run(reader, file)
    except BaseException:
        code, said = 1, traceback.format_exc()
    signal.alarm(0)
    outcome = {"name": name, "code": code, "said": said[-400:], "lines": len(said.strip().splitlines()),
        "seconds": time.perf_counter() - started, "changed": [p for p, c in files().items() if before.get(p, 0) != c],
        "marks": [str(p) for p in home.rglob("CODE_RAN")]}
    with open(home / "outcomes.jsonl", "a") as out:
        out.write(json.dumps(outcome) + "\\n")
"""
