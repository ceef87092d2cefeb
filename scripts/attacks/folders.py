"""Two processes on one folder, planted links and files, odd names, deleted folders."""

import shutil
import subprocess
import sys
import time
from functools import partial

from attacks.kills import COMMANDS, prepare, state, trained, whole
from attacks.shared import Attack, check, check_refused, command, program
from keras_efficient.files import is_temporary
from keras_efficient.folders import LOCK

HOLDER = """
import pathlib, sys, time
from keras_efficient.folders import locked
with locked(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""
# A folder name, and whether it may be used.
NAMES = (
    "two words",
    "a\nb",
    "-run",
    "--out",
    "größe 😀",
    ".hidden",
    "a;rm -rf b",
    "$HOME",
    "*",
    "x" * 255,
    "..",
    "'",
    "\\",
)
LONG = "x" * 256
PLANTED = ("best.keras", "result.json", "report.html", "manifest.json", LOCK, "stages")
MINE = (
    "notes.tmp.txt",
    "old.tmp.d/result.tmp.json",
    "mine/progress.jsonl",
    "shared_data/x.npy",
    ".keras_efficient-mine/a",
)


def second(name, out, folder):
    """A second process on a folder that is held says who holds it, and touches nothing."""
    prepare(name, folder)
    words = [sys.executable, "-c", HOLDER, folder / out]
    with subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE, text=True) as holder:
        try:
            holder.stdout.readline()
            said = check_refused(COMMANDS[name].split(), folder, 120)
            check(f"in use by process {holder.pid} on" in said, said)
        finally:
            holder.kill()


def race(name, folder):
    """Two processes at once: one stops in a line or sees the finished run; the other ends as if it were alone."""
    expected, _, _ = whole(name)
    prepare(name, folder)
    words = [sys.executable, "-m", "keras_efficient", *COMMANDS[name].split()]
    started = [subprocess.Popen(words, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for _ in range(2)]
    said = [process.communicate()[1].decode() for process in started]
    codes = sorted(process.returncode for process in started)
    check(codes in ([0, 0], [0, 2]) and not any("Traceback" in each for each in said), said)
    check(codes == [0, 0] or any("is in use by process" in each for each in said), said)
    check(state(folder) == expected, "differs from the run that was alone")


def planted(name, folder):
    """A link to a file of somebody's is not followed, a folder in the place of a file is refused."""
    prepare("train", folder)
    victim = folder / "victim"
    victim.write_text("mine")
    (folder / "run").mkdir()
    (folder / "run" / name).symlink_to(victim)
    done = command(COMMANDS["train"].split(), folder, 300)
    check(done.returncode in (0, 2) and "Traceback" not in done.stderr, done.stderr)
    check(victim.read_text() == "mine", "the victim was overwritten")


def planted_later(name, folder):
    """The same in a run that is to go on."""
    _finished(folder)
    victim = folder / "victim"
    victim.write_text("mine")
    for other in ("result.json", name):
        (folder / "run" / other).unlink()
    (folder / "run" / name).symlink_to(victim)
    done = command(COMMANDS["train"].split(), folder, 300)
    check(done.returncode in (0, 2) and "Traceback" not in done.stderr, done.stderr)
    check(victim.read_text() == "mine", "the victim was overwritten")


def folder_for_file(name, folder):
    _finished(folder)
    (folder / "run/result.json").unlink()
    (folder / "run" / name).unlink(missing_ok=True)
    (folder / "run" / name).mkdir()
    done = command(COMMANDS["train"].split(), folder, 300)
    check(done.returncode == 2 and "Traceback" not in done.stderr, done.stderr)


def own_files(folder):
    """Files of the user's in a run's folder stay."""
    _finished(folder)
    (folder / "run/result.json").unlink()
    for name in MINE:
        (folder / "run" / name).parent.mkdir(exist_ok=True)
        (folder / "run" / name).write_text("mine")
    done = command(COMMANDS["train"].split(), folder, 300)
    check(done.returncode == 0, done.stderr)
    check(all((folder / "run" / name).read_text() == "mine" for name in MINE), "deleted")


def odd_name(name, folder):
    """Train, export with --verify and report into a folder of this name."""
    prepare("report", folder)
    out = folder / "place"
    out.mkdir()
    shutil.move(folder / "run", out / name)
    for words in (
        ["report", "--", name],
        ["train", *COMMANDS["train"].split()[1:-2], f"--out={name}"],
        ["export", f"--model={name}/best.keras", f"--out={name if len(name) < 250 else ''}-c", "--verify"],
    ):
        (out / "network.json").write_bytes((folder / "network.json").read_bytes())
        done = command(words, out, 300)
        check(done.returncode == 0, done.stderr)
    check(not [path for path in out.rglob("*") if is_temporary(path) or path.name == LOCK], "something was left")


def deleted_while_running(folder):
    """Somebody deletes the folder of a run: it ends in a line, or makes what it lacks anew."""
    prepare("train", folder)
    words = [sys.executable, "-m", "keras_efficient", *COMMANDS["train"].split()]
    with subprocess.Popen(words, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        while process.poll() is None and not list(folder.glob("run/stages/0*/trial_000/trial.json")):
            time.sleep(0.05)
        shutil.rmtree(folder / "run", ignore_errors=True)
        said = process.communicate()[1].decode()
    check(process.returncode in (0, 2) and "Traceback" not in said, said)


def deleted_here(arguments, folder):
    """The working folder is gone."""
    text = f"""
import os
os.mkdir("gone"); os.chdir("gone"); os.rmdir("../gone")
import sys
sys.argv = ["keras-efficient", *{arguments!r}]
from keras_efficient import cli
cli.main()
"""
    done = program(text, folder, 120)
    check(done.returncode in (0, 2) and "Traceback" not in done.stderr, done.stderr)


def _finished(folder):
    prepare("train", folder)
    for path, content in trained().items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


ATTACKS = [
    Attack("second train", partial(second, "train", "run"), is_quick=True),
    Attack("second search", partial(second, "search", "run")),
    Attack("second experiment", partial(second, "experiment", "run")),
    Attack("second export", partial(second, "export", "firmware")),
    *(Attack(f"two at once: {name}", partial(race, name)) for name in ("train", "search", "experiment", "export")),
    *(Attack(f"link at {name}", partial(planted, name)) for name in PLANTED),
    *(Attack(f"link at {name}, later", partial(planted_later, name)) for name in ("best.keras", "report.html")),
    *(Attack(f"folder at {name}", partial(folder_for_file, name)) for name in ("best.keras", "result.json", LOCK)),
    Attack("files of the user's", own_files),
    *(Attack(f"name {name!r}"[:40], partial(odd_name, name)) for name in NAMES if name != ".."),
    Attack("a name too long", lambda folder: check_refused(["train", f"--out={LONG}"], folder, 120)),
    Attack("a file for a folder", lambda folder: _file_for_folder(folder)),
    Attack("deleted while running", deleted_while_running),
    *(
        Attack(f"deleted working folder: {words[0]}", partial(deleted_here, words))
        for words in (["storage"], ["train", "--out", "run"], ["report", "run"], ["check", "--model", "a.keras"])
    ),
]


def _file_for_folder(folder):
    (folder / "run").write_text("mine")
    check_refused(["train", "--out", "run"], folder, 120)
