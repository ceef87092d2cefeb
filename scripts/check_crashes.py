"""kill -9 at random moments of a small run on the digits: the restarted run ends as the uninterrupted one.

Compared are result.json without its clocks and every weight of every checkpoint, bit for bit. The
same with halving and distillation; with worker processes and with Ray, whose
workers are killed as well as the driver.

    python scripts/check_crashes.py [--quick]
"""

import argparse
import importlib.util
import io
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np

from keras_efficient.files import is_temporary
from measuring.results import write_results

# The command line, with the state of a running trial saved after every epoch.
PROGRAM = """
import functools
import keras_efficient as ke
from keras_efficient import cli
ke.train_network = functools.partial(ke.train_network, save_seconds=0)
cli.main()
"""
NETWORK = [["C", 6, 3, 4, 8, 4], ["M", 2, 4], ["D", 0.2, 4], ["S", 10, 4, 8, 8]]
ARGUMENTS = ["--trials", "3,2,2", "--epochs", "25,12,12", "--batch-size", "32", "--seed", "5", "--engine", "keras"]
SEED = 0


def start(directory, arguments):
    """Start the command on `directory`; its messages go to a file beside it."""
    network = directory.with_name("network.json")
    network.write_text(json.dumps(NETWORK))
    command = [sys.executable, "-c", PROGRAM, "train", "--network", network, "--out", directory, *arguments]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    with open(directory.with_name(f"{directory.name}.log"), "ab") as log:
        return subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=log, env=environment)


def finish(directory, arguments):
    """Run the command to its end; its seconds."""
    started = time.perf_counter()
    if code := start(directory, arguments).wait():
        raise RuntimeError(f"exit code {code}: {directory.with_name(f'{directory.name}.log').read_text()[-2000:]}")
    return time.perf_counter() - started


def contents(directory):
    """result.json without its clocks, and the bytes of all weights of all checkpoints."""
    result = without_clocks(json.loads((directory / "result.json").read_text()))
    checkpoints = sorted(directory.rglob("*.keras"))
    return result, {path.relative_to(directory).as_posix(): weights(path) for path in checkpoints}


def without_clocks(value):
    """`value` without what differs from run to run."""
    if isinstance(value, dict):
        return {k: without_clocks(v) for k, v in value.items() if "seconds" not in k and "date" not in k}
    return [without_clocks(v) for v in value] if isinstance(value, list) else value


def weights(path):
    """The bytes of every array in a .keras file."""
    found = {}

    def keep(name, item):
        if isinstance(item, h5py.Dataset):
            found[name] = np.asarray(item).tobytes()

    with zipfile.ZipFile(path) as archive:
        h5py.File(io.BytesIO(archive.read("model.weights.h5"))).visititems(keep)
    return found


def check_whole(directory):
    """Raise unless every file that has its final name is whole."""
    for path in directory.rglob("*"):
        if any(map(is_temporary, path.parents)):
            continue
        if path.suffix in (".keras", ".npz"):
            with zipfile.ZipFile(path) as archive:
                assert archive.testzip() is None, path
        elif path.suffix == ".json":
            json.loads(path.read_text())


def worker_processes(directory):
    """The processes that ever began a trial which is not finished yet."""
    lines = []
    for path in directory.rglob("progress.jsonl"):
        with suppress(FileNotFoundError):
            lines += path.read_text().splitlines()
    return {json.loads(line)["process"] for line in lines if line.startswith('{"process"') and line.endswith("}")}


def alive(process):
    """Whether a process runs (a dead one that nobody has asked about does not)."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def kill_driver(directory, arguments, moment):
    """Kill the command `moment` seconds after its start; what it left behind. Its workers must follow it."""
    process = start(directory, arguments)
    with suppress(subprocess.TimeoutExpired):
        process.wait(moment)
    workers = worker_processes(directory)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 20
    while any(map(alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, workers)), "workers outlive the driver"
    check_whole(directory)
    return {
        "moment_seconds": round(moment, 2),
        "trials_finished": len(list(directory.rglob("trial.json"))),
        "states_found": len(list(directory.rglob("state.npz"))),
    }


def workers_at_work(directory, process):
    """The workers of the command, as soon as there are any: between two stages nobody works."""
    deadline = time.monotonic() + 120
    while not (found := worker_processes(directory)) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert found, "no worker to kill"
    return found


def kill_worker(directory, arguments, moment):
    """Kill one worker `moment` seconds after a trial has begun; the run must end by itself."""
    process = start(directory, arguments)
    workers_at_work(directory, process)
    time.sleep(moment)
    worker = max(workers_at_work(directory, process), key=lambda process: (alive(process), process))
    was_alive = alive(worker)
    os.kill(worker, signal.SIGKILL)
    code = process.wait()
    assert code == 0, directory.with_name(f"{directory.name}.log").read_text()[-2000:]
    return {"moment_seconds": round(moment, 2), "killed_a_running_worker": was_alive}


def check(name, root, arguments, moments, kill):
    """Kill at each moment and compare with the uninterrupted run; the figures of this kind of crash."""
    reference = root / f"{name}_whole"
    seconds = finish(reference, arguments)
    expected = contents(reference)
    crashes = []
    for number, share in enumerate(moments):
        directory = root / f"{name}_{number:02d}"
        crash = kill(directory, arguments, share * seconds)
        finish(directory, arguments)
        result, checkpoints = contents(directory)
        same = {"result_equal": result == expected[0], "weights_equal": checkpoints == expected[1]}
        crashes.append({**crash, **same})
        print(name, crashes[-1], flush=True)
    figures = {
        "uninterrupted_seconds": round(seconds, 1),
        "checkpoints_compared": len(expected[1]),
        "crashes": len(crashes),
        "all_equal": all(crash["result_equal"] and crash["weights_equal"] for crash in crashes),
        "each": crashes,
    }
    if kill is kill_driver:
        figures["continued_within_a_trial"] = sum(crash["states_found"] > 0 for crash in crashes)
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="2 moments, no workers")
    quick = parser.parse_args().quick
    generator = random.Random(SEED)

    def shares(count, first, last):
        # A part of each interval, so that a few moments reach from the first trial to the last file.
        return [first + (last - first) * (k + generator.random()) / count for k in range(count)]

    halved = ["--trials", "6,2,2", *ARGUMENTS[2:], "--halving", "5", "--distillation", "0.5"]
    pool, ray = [*ARGUMENTS, "--workers", "2"], [*ARGUMENTS, "--ray", "local"]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        figures = {"driver": check("driver", root, ARGUMENTS, shares(2 if quick else 20, 0.3, 1.0), kill_driver)}
        if not quick:
            figures["halved"] = check("halved", root, halved, shares(6, 0.3, 1.0), kill_driver)
            figures["pool_driver"] = check("pool_driver", root, pool, shares(4, 0.4, 1.0), kill_driver)
            figures["pool_worker"] = check("pool_worker", root, pool, shares(4, 0.0, 0.4), kill_worker)
        if not quick and importlib.util.find_spec("ray"):
            figures["ray_driver"] = check("ray_driver", root, ray, shares(2, 0.5, 1.0), kill_driver)
            figures["ray_worker"] = check("ray_worker", root, ray, shares(3, 0.0, 0.3), kill_worker)
    print(json.dumps(figures, indent=1))
    write_results("crashes", figures, seeds=[SEED], quick=quick)
    if not all(kind["all_equal"] for kind in figures.values()):
        sys.exit("A restarted run differs from the uninterrupted one")


if __name__ == "__main__":
    main()
