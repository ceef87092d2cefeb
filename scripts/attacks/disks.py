"""Full disks, small limits, folders that may not be written: nothing is lost, and there is room again later."""

import shlex
import subprocess
import sys
from functools import partial

from attacks.kills import COMMANDS, prepare, state, whole
from attacks.shared import Attack, check

SIZES = ("24k", "40k", "80k", "160k")
# A small disk that the command fills, and that then grows. `unshare` gives the mount to these processes alone.
ON_A_DISK = """
set -e
mount -t tmpfs -o size={size} none run
set +e
{command} 2> first; echo $? > first-code
mount -o remount,size=50m run
{command} 2> second; echo $? > second-code
mkdir out; cp -r run out/run
"""


def full_disk(name, size, folder):
    """The disk of the run's folder is full: a line that names a file; the same command then ends as if it never was."""
    expected, _, _ = whole(name)
    prepare(name, folder)
    (folder / "run").mkdir(exist_ok=True)
    command = shlex.join([sys.executable, "-m", "keras_efficient", *COMMANDS[name].split()])
    script = ON_A_DISK.format(size=size, command=command)
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", script], cwd=folder, capture_output=True, text=True
    )
    check(done.returncode == 0, f"no disk: {done.stderr}")
    said = (folder / "first").read_text()
    check((folder / "first-code").read_text().strip() in ("0", "2") and "Traceback" not in said, said)
    check((folder / "second-code").read_text().strip() == "0", (folder / "second").read_text())
    check({k: v for k, v in state(folder / "out").items() if k != "run"} == _of_run(expected), "another result")


def _of_run(expected):
    return {name: value for name, value in expected.items() if name.startswith("run/")}


def limited(name, limits, folder):
    """A limit of the process: a line, and the same command without it then ends as if it never was."""
    expected, _, _ = whole(name)
    prepare(name, folder)
    command = [sys.executable, "-m", "keras_efficient", *COMMANDS[name].split()]
    done = subprocess.run(
        ["sh", "-c", f"trap '' XFSZ; ulimit {limits}; exec {shlex.join(command)}"],
        cwd=folder, capture_output=True, text=True,
    )  # fmt: skip
    check(done.returncode in (0, 2) and "Traceback" not in done.stderr, done.stderr)
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    check(done.returncode == 0, done.stderr)
    check(state(folder) == expected, "another result")


def read_only(name, folder):
    """The folder may not be written: a line."""
    prepare(name, folder)
    mount = "mount --bind run run && mount -o remount,bind,ro run"
    (folder / "run").mkdir(exist_ok=True)
    command = shlex.join([sys.executable, "-m", "keras_efficient", *COMMANDS[name].split()])
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", f"{mount} || exit 99; {command}"],
        cwd=folder, capture_output=True, text=True,
    )  # fmt: skip
    check(done.returncode == 2 and "Traceback" not in done.stderr, f"{done.returncode} {done.stderr}")
    check(len(done.stderr.strip().splitlines()) == 1, done.stderr)


ATTACKS = [
    *(
        Attack(f"{name} on a disk of {size}", partial(full_disk, name, size))  # none is quick: not all may mount
        for name in ("train", "train, compiled", "search", "experiment")
        for size in SIZES
    ),
    *(
        Attack(f"{name} with ulimit {limits}", partial(limited, name, limits))
        for name in ("train", "export", "report")
        for limits in ("-f 8", "-f 40", "-n 24")
    ),
    *(Attack(f"{name} in a folder to read", partial(read_only, name)) for name in ("train", "search", "report")),
]
