"""How long an epoch of the driver takes, against plain `model.fit`, side by side.

The study's network on MNIST, batch 1,024, validation after every epoch. Both sides run in one process and in turn,
epoch by epoch; the figure is the median of the ratios of neighbours. Plain fit is what a user writes: TensorFlow
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
from keras_efficient.training.network_source import NetworkSource
from keras_efficient.training.stage_trainer import StageTrainer
from keras_efficient.training.trial import Trial, TrialResult

_WARM_UP = 2


class _InTurn(keras.callbacks.Callback):
    """After each epoch of `fit` (with its validation), an epoch of the driver; the seconds of both."""

    def __init__(self, trial):
        super().__init__()
        self.trial, self.fit, self.driver = trial, [], []

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        middle = time.perf_counter()
        self.fit.append(middle - self.started)
        self.trial.run_epoch(epoch)
        self.driver.append(time.perf_counter() - middle)


def compare(mode, data, epochs, steps_per_execution):
    """Epochs of plain fit and of the driver, in turn."""
    stage = ke.Stage(mode, 1, epochs)
    trainer = StageTrainer(NetworkSource(MNIST_2KB, (28, 28, 1)), stage, data)
    trial = Trial(trainer.model, trainer.engine, stage, TrialResult(trial=0, seed=0), on_epoch=None)
    in_turn = _InTurn(trial)
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
    fit, driver = in_turn.fit[_WARM_UP:], in_turn.driver[_WARM_UP:]
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
        figures[mode] = {"fit": compare(mode, data, epochs, 1), "best_fit": compare(mode, data, epochs, steps)}
        print(mode, figures[mode])
    command = "python scripts/benchmark_driver.py --data-dir DIR"
    write_results("benchmark_driver", figures, command=command, quick=arguments.quick)


if __name__ == "__main__":
    main()
