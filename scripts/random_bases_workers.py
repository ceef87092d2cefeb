"""Processes that train one network together and exchange coordinates only: bytes per step, checksums, accuracy.

Each process gets 32 images a step of MNIST (FC, d = 250). Three ways: as many directions as weights, which is SGD with
the full gradient; coordinates in one shared basis (RBD); coordinates in bases of their own (RBD). Bytes are those of
the loopback device while the steps run, both directions and protocol included; other traffic on this machine counts,
too. JAX with gloo.

    python scripts/random_bases_workers.py [--data-dir DIR] [--workers 2] [--ways full,shared,independent]
        [--steps 300] [--ray ADDRESS] [--quick]

Without --ray the processes run here. With it they are tasks of that Ray cluster ("auto": the one this machine
belongs to), spread over its machines; Ray starts them and takes no part in the exchange; no bytes are counted.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

from keras_efficient.files import write_json

BATCH = 32
WEIGHTS = 101_770
DIMENSIONS = {"full": WEIGHTS, "shared": 250, "independent": 250}
RATES = {"full": 0.125, "shared": 4.0, "independent": 4.0}


def work(way, rank, workers, coordinator, data_dir, steps, samples):
    """What one process does; its figures."""
    os.environ["KERAS_BACKEND"] = "jax"
    import jax

    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(coordinator, num_processes=workers, process_id=rank)
    import keras
    import numpy as np

    import keras_efficient as ke

    arrays = ke.datasets.load_dataset("mnist", data_dir).arrays()
    x, y, x_val, y_val = (part[:samples] for part in arrays[:4])
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Flatten(), keras.layers.Dense(128, activation="relu"), keras.layers.Dense(10)]
    model = keras.Sequential([keras.Input((28, 28, 1)), *layers])
    optimizer = ke.RandomBases(keras.optimizers.SGD(RATES[way]), DIMENSIONS[way])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    group = ke.training.CoordinateWorkers(model, optimizer, loss, independent=way == "independent")
    random = np.random.default_rng(0)
    batches = [random.choice(len(x), (workers, BATCH), replace=False)[rank] for _ in range(steps + 1)]
    group.step(x[batches[0]], y[batches[0]])  # compiles
    before = loopback_bytes()
    losses = [group.step(x[batch], y[batch]) for batch in batches[1:]]
    sent = loopback_bytes() - before
    group.update_model()
    answers = model.predict(x_val, batch_size=1000, verbose=0).argmax(axis=1)
    content = b"".join(np.ascontiguousarray(w).tobytes() for w in model.get_weights())
    return {
        "checksum": zlib.crc32(content),
        "loss": float(np.mean(losses[-20:])),
        "validation": float((answers == y_val).mean()),
        "loopback_bytes_per_step": sent / steps,
    }


def loopback_bytes():
    """What the loopback device received and sent so far; 0 where Linux does not say it."""
    try:
        lines = Path("/proc/net/dev").read_text().splitlines()
    except OSError:
        return 0
    fields = next(line.split(":")[1].split() for line in lines if line.strip().startswith("lo:"))
    return int(fields[0]) + int(fields[8])


def run_here(way, arguments):
    """All processes on this machine; their figures."""
    coordinator = f"localhost:{free_port()}"
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{rank}.json" for rank in range(arguments.workers)]
        processes = []
        for rank, path in enumerate(paths):
            settings = settings_of(way, rank, coordinator, arguments)
            command = [sys.executable, __file__, "--process", json.dumps(settings), "--figures", str(path)]
            environment = {"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ, "KERAS_BACKEND": "jax"}
            processes.append(subprocess.Popen(command, env=environment))
        try:
            codes = [process.wait() for process in processes]
            if any(codes):
                sys.exit(f"a process of '{way}' failed")
        finally:
            for process in processes:
                process.kill()
        return [json.loads(path.read_text()) for path in paths]


def run_on_ray(way, arguments):
    """A task for each process, on the machines of a Ray cluster in turn."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    ray.init(address=arguments.ray, ignore_reinit_error=True, runtime_env={"env_vars": {"KERAS_BACKEND": "jax"}})
    nodes = [node for node in ray.nodes() if node["Alive"]]
    # A process of its own for each task: JAX can be told once only who it is.
    remote = ray.remote(num_cpus=1, max_calls=1, max_retries=0)(work)
    port = free_port()
    coordinator = f"{nodes[0]['NodeManagerAddress']}:{port}"
    tasks = []
    for rank in range(arguments.workers):
        where = NodeAffinitySchedulingStrategy(nodes[rank % len(nodes)]["NodeID"], soft=False)
        settings = settings_of(way, rank, coordinator, arguments)
        tasks.append(remote.options(scheduling_strategy=where).remote(**settings))
    return ray.get(tasks)


def settings_of(way, rank, coordinator, arguments):
    """The arguments of `work`."""
    return {
        "way": way,
        "rank": rank,
        "workers": arguments.workers,
        "coordinator": coordinator,
        "data_dir": arguments.data_dir,
        "steps": arguments.steps,
        "samples": 3_000 if arguments.quick else None,
    }


def free_port():
    """A port that is free on this machine now."""
    with socket.socket() as listener:
        listener.bind(("", 0))
        return listener.getsockname()[1]


def summary(figures):
    """One way's figures from those of all processes."""
    checksums = [each["checksum"] for each in figures]
    if len(set(checksums)) > 1:
        sys.exit(f"the processes ended with different weights: checksums {checksums}")
    return {**figures[0], "loss": sum(each["loss"] for each in figures) / len(figures), "checksums": checksums}


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", help="folder with mnist.npz; without it the data is downloaded")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--ways", type=lambda text: text.split(","), default=list(RATES))
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--ray", metavar="ADDRESS", help="of a Ray cluster that starts the processes")
    parser.add_argument("--quick", action="store_true", help="20 steps on 3,000 images")
    parser.add_argument("--process", type=json.loads, help=argparse.SUPPRESS)
    parser.add_argument("--figures", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def main():
    arguments = parse()
    if arguments.process:
        write_json(arguments.figures, work(**arguments.process))
        return
    if arguments.quick:
        arguments.steps = 20
    run = run_on_ray if arguments.ray else run_here
    figures = {way: summary(run(way, arguments)) for way in arguments.ways}
    if "full" in figures and not arguments.ray:
        full = figures["full"]["loopback_bytes_per_step"]
        for way in figures:
            figures[way]["times_fewer_bytes"] = full / max(figures[way]["loopback_bytes_per_step"], 1)
    print(json.dumps(figures, indent=1))
    kept = {"workers": arguments.workers, "steps": arguments.steps, "batch": BATCH, "ways": figures}
    from measuring.results import write_results

    write_results("random_bases_workers", kept, seeds=[0], quick=arguments.quick)


if __name__ == "__main__":
    main()
