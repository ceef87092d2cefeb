"""Networks of MLPerf Tiny's size, trained in full: ResNet-8 on CIFAR-10, and raw spoken digits.

* float: SGD with momentum and a cosine rate after a warm start, weight decay on kernels; training samples are varied
  anew in each epoch (`measuring/tiny_tasks.py`). int8, int4: `ke.quantize_model` of it, then plain `fit` with Adam
  and a cosine rate, nine tenths of the epochs with scales that learn, the rest with frozen ones; half of each label is
  what the float network says of the same varied sample.
* Weights of the last epoch, not of the best; validation samples only tell how it went, test samples are looked at once
  for each model, through the integer model. The C runs on this computer on every test sample, some with sanitizers.
* litert: the float network as LiteRT int8, converted after training. cortex_m4: what one inference takes there.
* speech_number splits the recordings as their authors do; speech_speaker tests a speaker who was not heard before (the
  seed says which one, another validates).

CIFAR-10 read from `cifar10_jpeg.npz` comes from JPEG files: close to the original, not equal.

    python scripts/mlperf_tiny.py --data-dir DIR [--tasks resnet8] [--seeds 0,1] [--epochs 60,8,16] [--keep] [--quick]

Every finished step is written to results/mlperf_tiny.json, its model to --models; a call that was stopped goes on from
its last epoch. --keep puts the quantized models of the first seed into models/.
"""

import argparse
import json
import os
from pathlib import Path

import keras
import numpy as np

import keras_efficient as ke
from measuring.model_card import keep_network
from measuring.results import ROOT, typed_command
from measuring.tiny_tasks import TASKS
from measuring.trainings import Ledger, Models, integers, one_hot, spread
from own_models import accuracy, firmware_figures, float_figures, integer_figures, litert_figures

BATCH, CALIBRATION, WARM = 128, 512, 0.1
BITS = (8, 4)
QUANTIZED_RATES = {8: 5e-4, 4: 2e-3}
LEARNING = 0.9  # share of the quantized epochs in which scales learn
CHIP = "cortex-m4"


class Training:
    """Epochs of one model on samples that are varied anew in each; it goes on from the last finished epoch.

    teacher: a model whose answers are half of each label.
    """

    def __init__(self, task, data, seed, path, teacher=None):
        self.task, self.data, self.seed, self.path, self.teacher = task, data, seed, Path(path), teacher

    def fit(self, model, optimizer, epochs, first=0):
        """`model` after all `epochs`; `first` is the number of the first, for samples of its own."""
        model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"])
        if self.path.exists():
            model = keras.saving.load_model(self.path)
        x_val, y_val = self.data[2], one_hot(self.data[3])
        done = int(model.optimizer.iterations) // steps_of(self.data)
        for epoch in range(done, epochs):
            x, y = self.samples(first + epoch)
            kept = model.fit(x, y, BATCH, shuffle=False, validation_data=(x_val, y_val), verbose=0).history
            print(self.path.stem, epoch + 1, {key: round(values[0], 4) for key, values in kept.items()}, flush=True)
            temporary = self.path.with_suffix(".new.keras")
            model.save(temporary)
            os.replace(temporary, self.path)
        self.path.unlink(missing_ok=True)
        return model

    def samples(self, epoch):
        """The training samples of an epoch, in its order, whole batches of them; the same after a stop."""
        random = np.random.default_rng([self.seed, epoch])
        chosen = random.permutation(len(self.data[0]))[: steps_of(self.data) * BATCH]
        x = np.concatenate(
            [self.task.vary(self.data[0][part], random) for part in np.split(chosen, steps_of(self.data))]
        )
        y = one_hot(self.data[1][chosen])
        return x, y if self.teacher is None else (y + self.teacher.predict(x, batch_size=500, verbose=0)) / 2


def steps_of(data):
    return len(data[0]) // BATCH


def train_float(task, settings, data, path):
    """(model, validation accuracy) of the plain network."""
    keras.utils.set_random_seed(settings["seed"])
    model, epochs = task.make(), settings["epochs"]
    steps = epochs * steps_of(data)
    warm = max(int(WARM * steps), 1)
    rate = keras.optimizers.schedules.CosineDecay(0.0, steps - warm, warmup_target=task.rate, warmup_steps=warm)
    optimizer = keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, weight_decay=task.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    model = Training(task, data, settings["seed"], path).fit(model, optimizer, epochs)
    return model, accuracy(model.predict(data[2], batch_size=500, verbose=0), data[3])


def train_quantized(task, settings, data, path, teacher):
    """(quantized copy of `teacher`, validation accuracy), fine-tuned."""
    keras.utils.set_random_seed(settings["seed"])
    bits, epochs = settings["bits"], settings["epochs"]
    x = data[0][:CALIBRATION]
    model = ke.quantize_model(teacher, bits, activation_bits=bits, x=x, input_bits=task.input_bits)
    learning = max(round(LEARNING * epochs), 1)
    frozen = path.with_suffix(".frozen.keras")
    rate = QUANTIZED_RATES[bits]
    if not frozen.exists():
        training = Training(task, data, settings["seed"], path, teacher)
        model = training.fit(model, adam(rate, 0.1, learning * steps_of(data)), learning)
        ke.quantization.round_scales(model)
        ke.set_mode(model, "freeze_scales")
    if epochs > learning:
        training = Training(task, data, settings["seed"], frozen, teacher)
        optimizer = adam(0.1 * rate, 0.01, (epochs - learning) * steps_of(data))
        model = training.fit(model, optimizer, epochs - learning, learning)
    return model, accuracy(model.predict(data[2], batch_size=500, verbose=0), data[3])


def adam(rate, floor, steps):
    return keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, steps, alpha=floor))


def chip_figures(model, data):
    """Flash, memory and instructions of one inference."""
    estimate = ke.estimate_firmware(model, CHIP)
    names = ("flash_bytes", "ram_bytes", "stack_bytes", "instructions", "how")
    return {name: getattr(estimate, name) for name in names}


class Series(Models):
    """The steps of one task and one seed: each is done once, its model lies in a file."""

    def __init__(self, name, seed, arguments, ledger):
        super().__init__(arguments.models, ledger)
        self.name, self.seed, self.task = name, seed, TASKS[name]
        self.epochs = (1, 1, 1) if arguments.quick else arguments.epochs or self.task.epochs
        self.arrays = self.task.load(arguments.data_dir, seed)
        if arguments.quick:
            self.arrays = tuple(array[:256] for array in self.arrays)

    def run(self):
        epochs, *quantized = self.epochs
        settings = {"seed": self.seed, "epochs": epochs, "samples": len(self.arrays[0])}
        self.make("float", settings, lambda path: train_float(self.task, settings, self.arrays, path), float_figures)
        self.check("float", "litert", settings, litert_figures)
        for bits, count in zip(BITS, quantized, strict=True):
            settings = {**settings, "bits": bits, "epochs": count}
            self.make(f"int{bits}", settings, lambda path, its=settings: self.quantized(its, path), integer_figures)
            self.check(f"int{bits}", "c", settings, firmware_figures)
            self.check(f"int{bits}", "cortex_m4", settings, chip_figures)

    def quantized(self, settings, path):
        return train_quantized(self.task, settings, self.arrays, path, self.load(self.step("float")))

    def make(self, kind, settings, make, figures):
        """The step that makes a model; its epochs so far stand beside it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.path(self.step(kind)).with_suffix(".epochs.keras")
        self.train(self.step(kind), settings, lambda: make(path), lambda model: figures(model, self.arrays))

    def check(self, kind, check, settings, figures):
        """A step that looks at a model of an earlier one."""
        name = self.step(f"{kind}_{check}")
        self.ledger.run(name, settings, lambda: figures(self.load(self.step(kind)), self.arrays))

    def step(self, kind):
        return f"{self.name}/{self.seed}/{kind}"

    def keep(self, bits):
        """The quantized model in models/, with its card."""
        figures = self.ledger.runs[self.step(f"int{bits}")]
        accuracies = {"validation": figures["validation_accuracy"], "test": figures["accuracy"]}
        facts = {
            "name": f"{self.name}_{bits}bit",
            "title": f"{self.task.title} with {bits} bits",
            "data": self.task.file.removesuffix(".npz").removesuffix("_jpeg"),
            "split": f"{self.task.source} Weights of the last epoch of the first seed, whatever the others gave; the "
            "test samples were looked at once, through the integer model. All seeds: `results/mlperf_tiny.json`.",
            "recipe": typed_command(),
            "seed": self.seed,
            "accuracy": accuracies,
        }
        if self.task.input_bits == 16:
            facts["input"] = "16-bit integer / 32768"
        keep_network(self.path(self.step(f"int{bits}")), facts, *self.arrays[4:])


def summary(runs):
    """For each task the accuracies over its seeds by kind of model, and the bytes of the first seed."""
    table = {}
    for name in TASKS:
        found = [key for key in runs if key.startswith(f"{name}/")]
        for kind in sorted({key.split("/")[2] for key in found}):
            rows = [runs[key] for key in sorted(found) if key.endswith(f"/{kind}")]
            first = {key: value for key, value in rows[0].items() if key not in ("settings", "accuracy")}
            spreads = {"accuracy": spread([row["accuracy"] for row in rows])} if "accuracy" in rows[0] else {}
            table.setdefault(name, {})[kind] = {**spreads, **first}
    return table


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", required=True, help="folder of the data files")
    parser.add_argument("--tasks", default=",".join(TASKS), help="comma-separated")
    parser.add_argument("--seeds", type=integers, default=[0], help="comma-separated")
    parser.add_argument("--epochs", type=integers, help="in float, with 8 bits, with 4 bits; else those of the task")
    parser.add_argument("--models", default=ROOT / "runs/mlperf_tiny", help="folder for the trained models")
    parser.add_argument("--keep", action="store_true", help="put the quantized models of the first seed into models/")
    parser.add_argument("--quick", action="store_true", help="256 samples and one epoch of each kind; keeps nothing")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.models = Path(arguments.models) / "quick"
    names = arguments.tasks.split(",")
    ledger = Ledger("mlperf_tiny", arguments.quick)
    for name in names:
        for seed in arguments.seeds:
            series = Series(name, seed, arguments, ledger)
            series.run()
            if arguments.keep and not arguments.quick and seed == arguments.seeds[0]:
                for bits in BITS:
                    series.keep(bits)
    found = summary(ledger.runs)
    print(json.dumps(found, indent=2))
    print(ledger.write(found).name)


if __name__ == "__main__":
    main()
