"""One training of `random_bases_table.py` in a process of its own: settings as JSON in, a record as JSON out.

PYTHONPATH=scripts python -m measuring.random_bases_run SETTINGS RECORD.json [DATA_DIR]
"""

import dataclasses
import json
import statistics
import sys
import time
from pathlib import Path

BATCH, OFFSPRING = 32, 250
METHODS = ("nes", "fpd", "rbd", "sgd", "sgd_matched")


@dataclasses.dataclass(frozen=True)
class Run:
    """What decides the result of a training.

    Attributes:
        dimensions: d of fpd and rbd; 0 for the other methods.
        epochs: Of `nes` the number of steps, as in the source.
        test: Whether the test images are looked at after the last epoch.
    """

    dataset: str
    network: str
    method: str
    dimensions: int
    learning_rate: float
    epochs: int
    augment: bool
    seed: int
    test: bool = True
    quick: bool = False

    @property
    def name(self):
        """Of the record's file."""
        parts = [self.network, self.dataset, self.method]
        parts += [f"d{self.dimensions}"] if self.dimensions else []
        parts += [f"rate{self.learning_rate:.6g}", f"{self.epochs}x", "augmented" if self.augment else "plain"]
        parts += ["search"] * (not self.test) + ["quick"] * self.quick
        return "-".join([*parts, f"seed{self.seed}"])


def train(run, data_dir):
    """The record of a run."""
    import keras
    import numpy as np

    import measuring.random_bases_data as source
    from measuring.epochs import accuracy

    x, y, x_val, y_val, x_test, y_test = source.load(run.dataset, data_dir, run.quick)
    x_val, x_test = (source.as_input(part, run.dataset) for part in (x_val, x_test))
    keras.utils.set_random_seed(run.seed)
    model = source.network(run.network, x.shape[1:])

    def epoch(number):
        """The samples of an epoch, in their order."""
        random = np.random.default_rng([run.seed, number])
        order = random.permutation(len(x))
        images = source.augmented(x[order], run.dataset, random) if run.augment else x[order]
        return source.as_input(images, run.dataset), y[order]

    validation, losses, seconds = descend(run, model, epoch, (x_val, y_val))
    record = {"settings": dataclasses.asdict(run), "backend": keras.backend.backend(), "losses": losses}
    record |= {"validation": validation, "seconds_per_epoch": statistics.median(seconds)}
    if run.test:
        record["test_accuracy"] = accuracy(model, x_test, y_test)
    return record


def descend(run, model, epoch, validation_data):
    """Train; validation accuracies, losses and seconds of the epochs. A training that diverged ends."""
    import keras
    import numpy as np

    import keras_efficient as ke
    from measuring.epochs import Epochs, accuracy

    if run.method == "nes":
        started = time.perf_counter()
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        sizes = {"offspring": 4 if run.quick else OFFSPRING, "batch_size": BATCH, "seed": run.seed}
        losses = ke.training.train_nes(model, *epoch(0), run.epochs, run.learning_rate, **sizes)
        seconds = (time.perf_counter() - started) / run.epochs
        return [accuracy(model, *validation_data)], losses, [seconds]
    optimizer = keras.optimizers.SGD(run.learning_rate)
    if run.method in ("fpd", "rbd"):
        optimizer = ke.RandomBases(optimizer, run.dimensions, run.seed, redraw=int(run.method == "rbd"))
    epochs, validation, losses, seconds = Epochs(model, optimizer, BATCH), [], [], []
    for number in range(run.epochs):
        started = time.perf_counter()
        losses.append(epochs.run(*epoch(number)))
        seconds.append(time.perf_counter() - started)
        validation.append(accuracy(model, *validation_data))
        if not np.isfinite(losses[-1]):
            losses[-1] = None
            break
    return validation, losses, seconds


def main():
    settings, record, *folder = sys.argv[1:]
    from keras_efficient.files import write_json

    write_json(Path(record), train(Run(**json.loads(settings)), folder[0] if folder else None))


if __name__ == "__main__":
    main()
