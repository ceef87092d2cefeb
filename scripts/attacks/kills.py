"""Kills at any step of the file system, or at any moment, and what the restarts then make of it.

A run is killed several times, each time further on, then left alone: it must end as one that never was killed.
"""

import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from functools import cache, partial
from pathlib import Path

from attacks.shared import SECONDS, Attack, check, command
from check_crashes import check_whole, weights, without_clocks
from keras_efficient.files import is_temporary

KILLS = 6  # of a run
# The command line with the state of a trial saved after every epoch. It counts the steps that change the file system,
# and dies at the one that the environment names.
PROGRAM = """
import functools, os, signal
steps, last = 0, int(os.environ.pop("DIE_AT", "0"))
def counted(function):
    def step(*arguments, **named):
        global steps
        steps += 1
        if steps == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **named)
    return step
for name in ("replace", "unlink", "fsync", "mkdir", "rmdir"):
    setattr(os, name, counted(getattr(os, name)))
import keras_efficient as ke
from keras_efficient import cli
from keras_efficient.training.search import brief_training
from keras_efficient.training.experiments import execution
ke.train_network = functools.partial(ke.train_network, save_seconds=0)
brief_training.train_network = execution.train_network = ke.train_network
try:
    cli.main()
finally:
    print("steps", steps)
"""
NETWORK = [["C", 4, 3, 4, 8, 4], ["M", 2, 4], ["D", 0.2, 4], ["S", 10, 4, 8, 8]]
STUDY = """
data: {dataset: digits}
network: [[M, 2, 4], [S, 10, 4, 8, 8]]
epochs: 3
stages: [{mode: float}, {mode: learn_scales}]
seeds: [0, 1]
"""
TRAIN = "train --network network.json --trials 3,2,2 --epochs 6,3,3 --out run"
COMMANDS = {
    "train": f"{TRAIN} --engine keras",
    "train, compiled": f"{TRAIN} --engine compiled",
    "train, halving and distillation": f"{TRAIN} --halving 2 --distillation 0.5",
    "train, workers": f"{TRAIN} --workers 2",
    "search": "search --max-bytes 600 --samples 3 --epochs 3,2 --out run",
    "search, workers": "search --max-bytes 600 --samples 3 --epochs 3,2 --workers 2 --out run",
    "experiment": "experiment study.yaml --out run",
    "experiment, workers": "experiment study.yaml --workers 2 --out run",
    "export": "export --model run/best.keras --out firmware",
    "export over another": "export --model run/best.keras --out firmware",
    "report": "report run",
}
TRAINED = ("export", "export over another", "report")


def kill(name: str, folder: Path, kills: int = KILLS) -> None:
    """Kill a command so many times, then let it end."""
    expected, steps, seconds = whole(name)
    prepare(name, folder)
    generator = random.Random(name)
    for number in range(kills):
        share = (number + generator.random()) / kills
        if "workers" in name:  # in another process there are other steps
            kill_after(folder, name, share * seconds, generator.choice((signal.SIGKILL, signal.SIGTERM, signal.SIGINT)))
        else:
            # As each restart goes on where the last one was, a kill in the last part would come too late.
            done = run(name, folder, die_at=1 + int(share * steps / (2 if name not in TRAINED else 1)))
            check(done.returncode in (0, -signal.SIGKILL), done.stderr)
        check_whole(folder)
        check_export(folder / "firmware")
    done = run(name, folder)
    check(done.returncode == 0 and "Traceback" not in done.stderr, done.stderr)
    check(state(folder) == expected, f"differs from the uninterrupted run: {difference(state(folder), expected)}")


def check_export(folder):
    """The C is whole, or no compiler takes it; a report is true of the C beside it."""
    if not (folder / "network.c").exists():
        return
    command = ["cc", "-std=c99", "-fsyntax-only", folder / "network.c"]
    compiles = subprocess.run(command, capture_output=True).returncode == 0
    numbers = [network_id(path) for path in (folder / "network.c", folder / "network.h")]
    check(compiles == (numbers[0] == numbers[1]), f"compiles: {compiles}, NETWORK_ID {numbers}")
    if (report := folder / "report.json").exists():
        check([json.loads(report.read_text())["network_id"]] * 2 == numbers, "a report of other C")


def network_id(path):
    found = re.search("NETWORK_ID (?:!= )?(0x[0-9a-f]{8})", path.read_text()) if path.exists() else None
    return found and found[1]


@cache
def whole(name):
    """What the command leaves where nobody kills it, in how many steps and seconds."""
    with tempfile.TemporaryDirectory(prefix="attack-") as place:
        folder = Path(place)
        prepare(name, folder)
        started = time.perf_counter()
        done = run(name, folder)
        check(done.returncode == 0, done.stderr)
        steps = int(re.search(r"^steps (\d+)$", done.stdout, re.MULTILINE)[1])
        return state(folder), steps, time.perf_counter() - started


def prepare(name, folder):
    """The files that the command reads."""
    (folder / "network.json").write_text(json.dumps(NETWORK))
    (folder / "study.yaml").write_text(STUDY)
    if name in TRAINED:
        for path, content in trained().items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
    if name == "export over another":
        for path, content in other_export().items():
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_bytes(content)


@cache
def trained():
    """The files of a finished run."""
    with tempfile.TemporaryDirectory(prefix="attack-") as place:
        folder = Path(place)
        prepare("train", folder)
        done = command(COMMANDS["train"].split(), folder, seconds=10 * SECONDS)
        check(done.returncode == 0, done.stderr)
        return {path.relative_to(folder): path.read_bytes() for path in (folder / "run").rglob("*") if path.is_file()}


@cache
def other_export():
    """The export of another stage of that run."""
    with tempfile.TemporaryDirectory(prefix="attack-") as place:
        folder = Path(place)
        (folder / "other.keras").write_bytes(trained()[Path("run/stages/1_learn_scales/trial_000/min_val_loss.keras")])
        done = command(["export", "--model", "other.keras", "--out", "firmware"], folder)
        check(done.returncode == 0, done.stderr)
        return {path.relative_to(folder): path.read_bytes() for path in (folder / "firmware").iterdir()}


def run(name, folder, die_at=0):
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "DIE_AT": str(die_at)}
    words = [sys.executable, "-c", PROGRAM, *COMMANDS[name].split()]
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)


def kill_after(folder, name, seconds, number):
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    words = [sys.executable, "-c", PROGRAM, *COMMANDS[name].split()]
    process = subprocess.Popen(words, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    time.sleep(seconds)
    process.send_signal(number)
    _, messages = process.communicate()
    check(b"Traceback" not in messages, messages.decode())


def state(folder):
    """What a folder holds, without clocks: JSON, weights, code; of pages, that they are there."""
    return {path.relative_to(folder).as_posix(): content(path) for path in sorted(folder.rglob("*"))}


def content(path):
    if path.suffix == ".json":
        return without_clocks(json.loads(path.read_text()))
    if path.suffix == ".keras":
        return weights(path)
    if path.suffix in (".c", ".h", ".md"):
        return path.read_text()
    return is_temporary(path)


def difference(found, expected):
    names = sorted({*found, *expected})
    return [name for name in names if found.get(name) != expected.get(name)]


ATTACKS = [
    *(Attack(f"{name}, {KILLS} kills", partial(kill, name)) for name in COMMANDS),
    Attack("experiment, one kill", partial(kill, "experiment", kills=1), is_quick=True),
]
