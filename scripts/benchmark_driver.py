"""How many trial-epochs per second the driver makes, against plain `model.fit`, both with all cores.

The study's network on MNIST, batch 1,024, validation after every epoch; or (--signals) two convolutions along time over
8,192 signals of 128 x 3, batch 256. Four ways of the driver: the engine "keras", and what "auto", the default, takes
here ("compiled"), each in one process with all cores and in as many processes as there are cores, with a core each (the
workers of `process_pool`). Plain fit is what a user writes: TensorFlow defaults, accuracy as a metric. "best_fit" is
fit with a whole epoch as one execution. All sides stand ready in processes of their own and take turns, one of them
running at any time; a figure is the median over the rounds of the ratio of neighbours, in trial-epochs per second.
The first two epochs (tracing) do not count.

    python scripts/benchmark_driver.py --data-dir DIR [--signals] [--quick]
"""

import argparse
import statistics
import time
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import keras
import numpy as np

import keras_efficient as ke
from keras_efficient.networks import MNIST_2KB
from keras_efficient.training.engine_choice import choose_engine, reason_against_stages
from keras_efficient.training.executors.pool import available_cores, limit_threads
from keras_efficient.training.measures import Measures
from keras_efficient.training.network_source import NetworkSource
from keras_efficient.training.preparation import prepare
from keras_efficient.training.stage_trainer import StageTrainer
from keras_efficient.training.trial import Trial, TrialResult
from measuring.results import write_results

_WARM_UP = 2


class Images:
    """The study's network on MNIST; of each part so many images (None: all)."""

    batch, shape = 1024, (28, 28, 1)

    def __init__(self, data_dir, images):
        self.data_dir, self.images = data_dir, images

    def __call__(self):
        """The network."""
        return ke.build_network(MNIST_2KB)

    def data(self):
        """Training and validation data."""
        return [part[: self.images] for part in ke.datasets.load_dataset("mnist", self.data_dir).arrays()[:4]]


class Signals:
    """A small network of convolutions along time, on noise."""

    batch, shape = 256, (128, 3)

    def __call__(self):
        """The network."""
        layers = [
            ke.Conv1DQ(8, 5, activation="relu"),
            keras.layers.MaxPooling1D(2),
            ke.Conv1DQ(16, 5, activation="relu"),
            keras.layers.MaxPooling1D(2),
            keras.layers.Flatten(),
            ke.DenseQ(6, activation_bits=8),
            keras.layers.Activation("softmax"),
        ]
        return keras.Sequential([keras.Input(self.shape), *layers])

    def data(self):
        """Training and validation data."""
        random = np.random.default_rng(0)
        parts = ((random.normal(size=(n, *self.shape)), random.integers(0, 6, n)) for n in (8192, 2048))
        return [array for part in parts for array in part]


def arrays(task):
    """The data as a run prepares it."""
    return prepare(task, task.data(), [ke.Stage("float", 1, 1)], None, None, None).data


class PlainFit:
    """What a user writes; epochs of `model.fit`."""

    def __init__(self, mode, task, steps_per_execution=1):
        self.data, self.batch = arrays(task), task.batch
        self.model = task()
        ke.set_mode(self.model, mode)
        self.model.compile(
            keras.optimizers.Adam(0.005),
            "sparse_categorical_crossentropy",
            metrics=["accuracy"],
            steps_per_execution=steps_per_execution,
        )

    def run(self, epochs):
        """Train so many epochs."""
        data = self.data
        validation = (data.x_val, data.y_val)
        self.model.fit(
            data.x_train, data.y_train, batch_size=self.batch, epochs=epochs, validation_data=validation, verbose=0
        )


class BestFit(PlainFit):
    """The fastest setting of `model.fit` on a CPU."""

    def __init__(self, mode, task):
        super().__init__(mode, task, -(-len(task.data()[0]) // task.batch))


class Driver:
    """A trial of the driver."""

    def __init__(self, mode, task, engine):
        stage = ke.Stage(mode, 1, 10_000, batch_size=task.batch)
        source, data = NetworkSource(task, task.shape), arrays(task)
        against = partial(reason_against_stages, source, [stage], data.one_hot)
        with TemporaryDirectory() as folder:
            chosen = choose_engine(engine, Path(folder), against)
        if chosen not in (engine, "compiled"):
            raise SystemExit("the default engine is not the compiled one here")
        trainer = StageTrainer(source, stage, data, Measures(), engine=chosen)
        result = TrialResult(trial=0, seed=0)
        self.trial = Trial(trainer, result, None, 0)
        self.epoch = 0

    def run(self, epochs):
        """Train so many epochs more."""
        for _ in range(epochs):
            self.trial.run_epoch(self.epoch)
            self.epoch += 1


class KerasDriver(Driver):
    """Epochs of the engine "keras"."""

    def __init__(self, mode, task):
        super().__init__(mode, task, "keras")


class CompiledDriver(Driver):
    """Epochs of the engine that "auto" takes, which is to be "compiled"."""

    def __init__(self, mode, task):
        super().__init__(mode, task, "auto")


class Side:
    """Processes that train the same number of epochs each, when they are told to."""

    def __init__(self, kind, mode, task, processes):
        context = get_context("spawn")
        threads = max(1, available_cores() // processes) if processes > 1 else None
        self.pipes, self.processes = [], []
        for _ in range(processes):
            pipe, end = context.Pipe()
            process = context.Process(target=_serve, args=(end, kind, mode, task, threads), daemon=True)
            process.start()
            self.pipes.append(pipe)
            self.processes.append(process)

    def seconds(self, trial_epochs):
        """Seconds per trial-epoch, all processes at work."""
        share = -(-trial_epochs // len(self.pipes))
        started = time.perf_counter()
        for pipe in self.pipes:
            pipe.send(share)
        for pipe in self.pipes:
            pipe.recv()
        return (time.perf_counter() - started) / (share * len(self.pipes))

    def close(self):
        """End the processes."""
        for pipe, process in zip(self.pipes, self.processes, strict=True):
            pipe.send(0)
            process.join()


def _serve(pipe, kind, mode, task, threads):
    if threads:
        limit_threads(threads)
    worker = kind(mode, task)
    while epochs := pipe.recv():
        worker.run(epochs)
        pipe.send(epochs)


def compare(mode, task, rounds, trial_epochs):
    """All sides in turn; figures of each way of the driver."""
    cores = available_cores()
    kinds = {
        "fit": (PlainFit, 1),
        "best_fit": (BestFit, 1),
        "keras_one_process": (KerasDriver, 1),
        "keras_process_per_core": (KerasDriver, cores),
        "compiled_one_process": (CompiledDriver, 1),
        "compiled_process_per_core": (CompiledDriver, cores),
    }
    sides = {}
    for name, (kind, processes) in kinds.items():
        sides[name] = Side(kind, mode, task, processes)
        sides[name].seconds(_WARM_UP * processes)
    seconds = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            seconds[name].append(side.seconds(trial_epochs))
    for side in sides.values():
        side.close()
    return summary(seconds)


def summary(seconds):
    """Medians of the seconds, and of the speeds as multiples of that of fit and of the best fit, with their ranges."""
    figures = {}
    for name, own in seconds.items():
        figures[name] = {"seconds_per_trial_epoch": statistics.median(own)}
        for other in ("fit", "best_fit"):
            ratios = [a / b for a, b in zip(seconds[other], own, strict=True)]
            figures[name][f"times_{other}"] = statistics.median(ratios)
            figures[name][f"times_{other}_range"] = [min(ratios), max(ratios)]
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", help="folder with mnist.npz; without it the data is downloaded")
    parser.add_argument("--signals", action="store_true", help="a network along time in place of MNIST")
    parser.add_argument("--quick", action="store_true", help="one short round, one mode, 2,048 images")
    arguments = parser.parse_args()
    rounds, trial_epochs = (1, 2) if arguments.quick else (3, 4)
    figures = {}
    task = Signals() if arguments.signals else Images(arguments.data_dir, 2_048 if arguments.quick else None)
    for mode in ("learn_scales",) if arguments.quick else ("float", "learn_scales", "freeze_scales"):
        figures[mode] = compare(mode, task, rounds, trial_epochs)
        print(mode, *(f"\n  {name}: {figures[mode][name]}" for name in figures[mode]), flush=True)
    write_results("benchmark_driver" + "measuring.signals" * arguments.signals, figures, quick=arguments.quick)


if __name__ == "__main__":
    main()
