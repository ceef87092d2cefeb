"""How long an epoch of the driver takes, against plain `model.fit`, side by side.

The study's network on MNIST, batch 1,024, validation after every epoch, both sides in one process
and in turn. Plain fit is what a user writes: TensorFlow defaults, accuracy as a metric. The
stage comparison counts everything, with a new model for each plain trial.

    python scripts/benchmark_driver.py --data-dir DIR [--quick]
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import keras
from _results import write_results

import keras_efficient as ke
from keras_efficient.networks import MNIST_2KB
from keras_efficient.training.data import TrainingData
from keras_efficient.training.network_source import NetworkSource
from keras_efficient.training.stage_trainer import StageTrainer


class _Clock(keras.callbacks.Callback):
    """Seconds of each epoch with its validation."""

    def __init__(self):
        super().__init__()
        self.seconds = []

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self.started)


def plain_trial(mode, data, epochs, steps_per_execution=1):
    """Epoch seconds of a trial as a user writes it."""
    clock = _Clock()
    model = ke.build_network(MNIST_2KB, mode=mode)
    model.compile(
        keras.optimizers.Adam(0.005),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        steps_per_execution=steps_per_execution,
    )
    validation = (data.x_val, data.y_val)
    model.fit(
        data.x_train, data.y_train, batch_size=1024, epochs=epochs, validation_data=validation,
        verbose=0, callbacks=[clock],
    )  # fmt: skip
    return clock.seconds


def driver_trial(trainer, number, directory):
    """Epoch seconds of a trial of the driver."""
    times = [time.perf_counter()]
    trainer.run(number, number, Path(directory) / str(number), lambda logs: times.append(time.perf_counter()))
    return [end - start for start, end in zip(times, times[1:], strict=False)]


def compare(mode, data, trials, epochs):
    """Both sides in turn; the first epoch of each trial (tracing) counts for the stage only."""
    source = NetworkSource(MNIST_2KB, (28, 28, 1))
    steady, whole = {"fit": [], "best_fit": [], "driver": []}, {"fit": 0.0, "driver": 0.0}
    with tempfile.TemporaryDirectory() as directory:
        started = time.perf_counter()
        trainer = StageTrainer(source, ke.Stage(mode, trials, epochs), data)
        whole["driver"] += time.perf_counter() - started
        for number in range(trials):
            started = time.perf_counter()
            steady["fit"].append(statistics.median(plain_trial(mode, data, epochs)[1:]))
            whole["fit"] += time.perf_counter() - started
            started = time.perf_counter()
            steady["driver"].append(statistics.median(driver_trial(trainer, number, directory)[1:]))
            whole["driver"] += time.perf_counter() - started
            steady["best_fit"].append(statistics.median(plain_trial(mode, data, epochs, 49)[1:]))
    medians = {name: statistics.median(seconds) for name, seconds in steady.items()}
    return {
        "trials": trials,
        "epochs": epochs,
        "epoch_seconds": medians,
        "epoch_seconds_of_each_trial": steady,
        "stage_seconds": whole,
        "driver_to_fit_epoch": medians["driver"] / medians["fit"],
        "driver_to_best_fit_epoch": medians["driver"] / medians["best_fit"],
        "driver_to_fit_stage": whole["driver"] / whole["fit"],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", help="folder with mnist.npz; without it the data is downloaded")
    parser.add_argument("--quick", action="store_true", help="one trial of two epochs")
    arguments = parser.parse_args()
    trials, epochs = (1, 2) if arguments.quick else (5, 4)
    images = ke.datasets.load_dataset("mnist", arguments.data_dir)
    data = TrainingData.from_arrays(images.arrays())
    figures = {mode: compare(mode, data, trials, epochs) for mode in ("float", "learn_scales", "freeze_scales")}
    for mode, figure in figures.items():
        print(mode, {name: round(value, 3) for name, value in figure.items() if name.startswith("driver_")})
    command = "python scripts/benchmark_driver.py --data-dir DIR"
    write_results("benchmark_driver", figures, command=command, quick=arguments.quick)


if __name__ == "__main__":
    main()
