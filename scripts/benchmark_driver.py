"""How many trial-epochs per second the driver makes, against plain `model.fit`, both with all cores.

The study's network on MNIST, batch 1,024, validation after every epoch. Five ways of the driver: its engines "keras"
and "compiled", each in one process with all cores and in as many processes as there are cores, with a core each (the
workers of `process_pool`). Plain fit is what a user writes: TensorFlow defaults, accuracy as a metric. "best_fit" is
fit with a whole epoch as one execution. All sides stand ready in processes of their own and take turns, one of them
running at any time; a figure is the median over the rounds of the ratio of neighbours, in trial-epochs per second.
The first two epochs (tracing) do not count.

    python scripts/benchmark_driver.py --data-dir DIR [--quick]
"""

import argparse
import statistics
import time
from multiprocessing import get_context

import keras
from _results import write_results

import keras_efficient as ke
from keras_efficient.networks import MNIST_2KB
from keras_efficient.training.data import TrainingData
from keras_efficient.training.executors.threads import available_cores, limit_threads
from keras_efficient.training.measures import Measures
from keras_efficient.training.network_source import NetworkSource
from keras_efficient.training.stage_trainer import StageTrainer
from keras_efficient.training.trial import Trial, TrialResult

BATCH = 1024
_WARM_UP = 2


class PlainFit:
    """What a user writes; epochs of `model.fit`."""

    def __init__(self, mode, data, steps_per_execution=1):
        self.data = data
        self.model = ke.build_network(MNIST_2KB, mode=mode)
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
            data.x_train, data.y_train, batch_size=BATCH, epochs=epochs, validation_data=validation, verbose=0
        )


class BestFit(PlainFit):
    """The fastest setting of `model.fit` on a CPU."""

    def __init__(self, mode, data):
        super().__init__(mode, data, -(-len(data.x_train) // BATCH))


class Driver:
    """A trial of the driver."""

    def __init__(self, mode, data, engine):
        stage = ke.Stage(mode, 1, 10_000, batch_size=BATCH)
        trainer = StageTrainer(NetworkSource(MNIST_2KB, (28, 28, 1)), stage, data, Measures(), engine=engine)
        result = TrialResult(trial=0, seed=0)
        self.trial = Trial(trainer.model, trainer.engine, stage, result, None, 0, trainer.measuring, data.y_val)
        self.epoch = 0

    def run(self, epochs):
        """Train so many epochs more."""
        for _ in range(epochs):
            self.trial.run_epoch(self.epoch)
            self.epoch += 1


class KerasDriver(Driver):
    """Epochs of the engine "keras"."""

    def __init__(self, mode, data):
        super().__init__(mode, data, "keras")


class CompiledDriver(Driver):
    """Epochs of the engine "compiled"."""

    def __init__(self, mode, data):
        super().__init__(mode, data, "compiled")


class Side:
    """Processes that train the same number of epochs each, when they are told to."""

    def __init__(self, kind, mode, source, processes):
        context = get_context("spawn")
        threads = max(1, available_cores() // processes) if processes > 1 else None
        self.pipes, self.processes = [], []
        for _ in range(processes):
            pipe, end = context.Pipe()
            process = context.Process(target=_serve, args=(end, kind, mode, source, threads), daemon=True)
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


def _serve(pipe, kind, mode, source, threads):
    if threads:
        limit_threads(threads)
    data_dir, images = source
    arrays = [part[:images] for part in ke.datasets.load_dataset("mnist", data_dir).arrays()]
    data = TrainingData.from_arrays(tuple(arrays))
    worker = kind(mode, data)
    while epochs := pipe.recv():
        worker.run(epochs)
        pipe.send(epochs)


def compare(mode, source, rounds, trial_epochs):
    """All sides in turn; figures of each way of the driver. `source`: folder, and images of each part."""
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
        sides[name] = Side(kind, mode, source, processes)
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
    parser.add_argument("--quick", action="store_true", help="one short round, one mode, 2,048 images")
    arguments = parser.parse_args()
    rounds, trial_epochs = (1, 2) if arguments.quick else (3, 4)
    figures = {}
    source = (arguments.data_dir, 2_048 if arguments.quick else None)
    for mode in ("learn_scales",) if arguments.quick else ("float", "learn_scales", "freeze_scales"):
        figures[mode] = compare(mode, source, rounds, trial_epochs)
        print(mode, *(f"\n  {name}: {figures[mode][name]}" for name in figures[mode]), flush=True)
    command = "python scripts/benchmark_driver.py --data-dir DIR"
    write_results("benchmark_driver", figures, command=command, quick=arguments.quick)


if __name__ == "__main__":
    main()
