"""How long an epoch of the driver takes, against plain `model.fit`, side by side.

The study's network on MNIST, batch 1,024, validation after every epoch. Fit and the driver with each of its engines
run in one process and in turn, epoch by epoch; the figure is the median of the ratios (driver to fit) of neighbours.
"fit" and "best_fit" are the ratios of the engine "keras", "compiled_fit" and "compiled_best_fit" those of "compiled".
Plain fit is what a user writes: TensorFlow
defaults, accuracy as a metric. "best fit" is fit with a whole epoch as one execution. The first two epochs (tracing)
do not count.

    python scripts/benchmark_driver.py --data-dir DIR [--quick]
"""

import argparse
import statistics
import time

import keras
from _results import write_results

import keras_efficient as ke
from keras_efficient.networks import MNIST_2KB
from keras_efficient.training.data import TrainingData
from keras_efficient.training.engines import ENGINES
from keras_efficient.training.network_source import NetworkSource
from keras_efficient.training.stage_trainer import StageTrainer
from keras_efficient.training.trial import Trial, TrialResult

_WARM_UP = 2


class _InTurn(keras.callbacks.Callback):
    """After each epoch of `fit` (with its validation), an epoch of the driver with each engine; the seconds of all."""

    def __init__(self, trials):
        super().__init__()
        self.trials, self.fit, self.driver = trials, [], {engine: [] for engine in trials}

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        middle = time.perf_counter()
        self.fit.append(middle - self.started)
        for engine, trial in self.trials.items():
            started = time.perf_counter()
            trial.run_epoch(epoch)
            self.driver[engine].append(time.perf_counter() - started)


def make_trial(mode, data, epochs, engine):
    """A trial of the driver, ready to run epoch by epoch."""
    stage = ke.Stage(mode, 1, epochs)
    trainer = StageTrainer(NetworkSource(MNIST_2KB, (28, 28, 1)), stage, data, engine=engine)
    return Trial(trainer.model, trainer.engine, stage, TrialResult(trial=0, seed=0), on_epoch=None)


def compare(mode, data, epochs, steps_per_execution):
    """Epochs of plain fit and of the driver, in turn; for each engine the ratios to fit."""
    in_turn = _InTurn({engine: make_trial(mode, data, epochs, engine) for engine in ENGINES})
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
        verbose=0, callbacks=[in_turn],
    )  # fmt: skip
    return {engine: summary(in_turn.fit[_WARM_UP:], driver[_WARM_UP:]) for engine, driver in in_turn.driver.items()}


def summary(fit, driver):
    """The median ratio of neighbours, and what it is made of."""
    ratios = [b / a for a, b in zip(fit, driver, strict=True)]
    return {
        "ratio": statistics.median(ratios),
        "ratio_range": [min(ratios), max(ratios)],
        "fit_seconds": statistics.median(fit),
        "driver_seconds": statistics.median(driver),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", help="folder with mnist.npz; without it the data is downloaded")
    parser.add_argument("--quick", action="store_true", help="one epoch that counts")
    arguments = parser.parse_args()
    epochs = _WARM_UP + (1 if arguments.quick else 15)
    data = TrainingData.from_arrays(ke.datasets.load_dataset("mnist", arguments.data_dir).arrays())
    figures = {}
    for mode in ("float", "learn_scales", "freeze_scales"):
        steps = -(-len(data.x_train) // 1024)
        plain, best = compare(mode, data, epochs, 1), compare(mode, data, epochs, steps)
        figures[mode] = {
            "fit": plain["keras"],
            "best_fit": best["keras"],
            "compiled_fit": plain["compiled"],
            "compiled_best_fit": best["compiled"],
        }
        print(mode, figures[mode])
    command = "python scripts/benchmark_driver.py --data-dir DIR"
    write_results("benchmark_driver", figures, command=command, quick=arguments.quick)


if __name__ == "__main__":
    main()
