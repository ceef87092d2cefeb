"""What the scripts share that train a network for several seeds: finished runs on disk, spreads, options."""

import statistics

import numpy as np
from _results import earlier_figures, write_results


class Ledger:
    """The finished runs of a script, in results/NAME.json after each of them; a later call goes on from there."""

    def __init__(self, name, quick, command):
        self.name, self.quick, self.command = name, quick, command
        self.summary, self.runs = self._read()

    def _read(self):
        found = earlier_figures(self.name, self.quick) or {"summary": {}, "runs": {}}
        return found["summary"], found["runs"]

    def run(self, name, settings, work):
        """The figures of a run: of an earlier call with these settings, or of `work()` now."""
        if self.runs.get(name, {}).get("settings") != settings:
            self.runs[name] = {"settings": settings, **work()}
            self.write({})
        print(name, self.runs[name]["accuracy"], flush=True)
        return self.runs[name]["accuracy"]

    def write(self, summary):
        """All runs, and the summary: what earlier calls said of other parts stays, and what others write meanwhile."""
        earlier_summary, earlier_runs = self._read()
        self.summary = earlier_summary | self.summary | summary
        self.runs = earlier_runs | self.runs
        seeds = sorted({run["settings"]["seed"] for run in self.runs.values()})
        figures = {"summary": self.summary, "runs": self.runs}
        return write_results(self.name, figures, seeds=seeds, command=self.command, quick=self.quick)


def spread(values):
    """Mean and standard deviation of the seeds' values, and each of them."""
    return {"mean": statistics.mean(values), "sd": statistics.pstdev(values), "each": values}


def one_hot(labels):
    """Labels as ten numbers each, for label smoothing."""
    return np.eye(10, dtype="float32")[labels]


def integers(text):
    """Comma-separated integers."""
    return [int(word) for word in text.split(",")]
