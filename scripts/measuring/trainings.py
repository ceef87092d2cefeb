"""What the scripts share that train a network for several seeds: finished runs on disk, models, spreads, options."""

import statistics
import time
from pathlib import Path

import keras
import numpy as np

from measuring.results import earlier_figures, write_results


class Ledger:
    """The finished runs of a script, in results/NAME.json after each of them; a later call goes on from there."""

    def __init__(self, name, quick):
        self.name, self.quick = name, quick
        self.summary, self.runs = self._read()

    def _read(self):
        found = earlier_figures(self.name, self.quick) or {"summary": {}, "runs": {}}
        return found["summary"], found["runs"]

    def run(self, name, settings, work):
        """The figures of a run: of an earlier call with these settings, or of `work()` now."""
        if self.runs.get(name, {}).get("settings") != settings:
            self.runs[name] = {"settings": settings, **work()}
            self.write({})
        accuracy = self.runs[name].get("accuracy", self.runs[name].get("validation_accuracy"))
        print(name, accuracy, flush=True)
        return accuracy

    def write(self, summary):
        """All runs, and the summary: what earlier calls said of other parts stays, and what others write meanwhile."""
        earlier_summary, earlier_runs = self._read()
        self.summary = earlier_summary | self.summary | summary
        self.runs = earlier_runs | self.runs
        seeds = sorted({run["settings"]["seed"] for run in self.runs.values()})
        figures = {"summary": self.summary, "runs": self.runs}
        return write_results(self.name, figures, seeds, self.quick, continued=True)


class Models:
    """Trained models, each in a file of a folder, with its figures in a ledger."""

    def __init__(self, folder, ledger):
        self.folder, self.ledger = Path(folder), ledger

    def train(self, name, settings, make, figures=lambda model: {}):
        """The accuracy of a model of an earlier call, or of `make()` now: (the model, its validation accuracy)."""

        def work():
            started = time.process_time()
            model, validation = make()
            seconds = round(time.process_time() - started, 1)
            self.folder.mkdir(parents=True, exist_ok=True)
            model.save(self.path(name))
            return {"validation_accuracy": validation, "cpu_seconds": seconds, **figures(model)}

        if not self.path(name).exists():
            self.ledger.runs.pop(name, None)
        return self.ledger.run(name, settings, work)

    def load(self, name):
        return keras.saving.load_model(self.path(name), compile=False)

    def path(self, name):
        return self.folder / f"{name.replace('/', '_')}.keras"


def spread(values):
    """Mean and standard deviation of the seeds' values, and each of them."""
    return {"mean": statistics.mean(values), "sd": statistics.pstdev(values), "each": values}


def one_hot(labels):
    """Labels as ten numbers each, for label smoothing."""
    return np.eye(10, dtype="float32")[labels]


def integers(text):
    """Comma-separated integers."""
    return [int(word) for word in text.split(",")]
