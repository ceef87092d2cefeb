"""`run_experiment`: everything that is missing is trained, then the table is written."""

from collections.abc import Mapping
from pathlib import Path

from keras_efficient.folders import locked, tidy_up
from keras_efficient.training.executors.tasks import Executor, Task, Tasks
from keras_efficient.training.experiments.data import DataSettings
from keras_efficient.training.experiments.execution import execute, say, status
from keras_efficient.training.experiments.network import check_shapes, make_builder
from keras_efficient.training.experiments.plan import plan_experiment
from keras_efficient.training.experiments.resolve import settings_hash
from keras_efficient.training.experiments.search_run import execute_search
from keras_efficient.training.experiments.summary import ExperimentResult, write_summary
from keras_efficient.training.progress import ProgressFile


def run_experiment(
    experiment: str | Path | Mapping,
    storage: str | Path | None = None,
    executor: Executor | None = None,
    verbose: bool | str = "auto",
) -> ExperimentResult:
    """Run what is missing of a study that a YAML file describes, and compare its settings.

        data: {dataset: digits}
        network: [[C, 4, 3, 4, 8, 4], [M, 2, 4], [S, 10, 4, 8, 8]]
        epochs: 10
        stages: [{mode: float}, {mode: learn_scales}]
        seeds: [0, 1, 2]
        variants:
          ~long: {epochs: 40}
        methods:
          plain: []
          elastic: [~long, {data.augment: [1, 3]}]

    A run is a point of the grid of a method, with a seed. It is found again by the SHA-256 of its
    settings, in storage/runs/<first 16 digits>/: a run that is there is not repeated, whatever
    else changed in the file, and an interrupted one continues. One that fails (all trials of a
    stage failed, a builder raised) is recorded with its reason, and tried again the next time.

    With `search`, the method looks for good settings instead, by Optuna (the extra `optuna`; see `SearchSettings`):
    configurations are drawn from the space, priced, trained for a few epochs of the first stage, and the better ones
    go on; those at the end run all stages, and the one with the best validation stands for the method. Any setting
    may be in the space:

        search:
          configurations: 100
          max_epochs: 81
          max_bytes: 2048                                   # what needs more is never trained
          space:
            learning_rate: {log_uniform: [1e-4, 1e-1]}      # also uniform, integers
            weight_decay: [null, 1e-4, 1e-2]
            network.arguments.rank: [2, 4, 8]               # of a builder; network.1.config.rank: item 1 (from 0)

    Each configuration is a run of its own, found again by its hash; a paused one goes on where it was.

    Args:
        experiment: A YAML file or a mapping with its content: `data` (see `DataSettings`),
            `network` (a description, a JSON file, or `{builder: "module:function", arguments}`),
            `stages` (settings of `Stage`; those that stand beside `stages` are defaults of all),
            `metric` (val_accuracy, val_loss or test_accuracy), `rule`, `seeds`, `engine`, `search`,
            `storage`, `variants` and `methods`. Paths are relative to the file.
        storage: Folder of the runs, instead of the file's. Without both: runs/NAME-OF-THE-FILE.
        executor: A `concurrent.futures.Executor` whose workers each take one run, or configuration of
            a search (`parallel` of them), at a time; of a single run they take the trials. One whose worker
            dies is run again. None runs all in this process.
        verbose: Progress: True, False, or "auto" (in a terminal or notebook).

    Returns:
        An `ExperimentResult`; storage/experiment.json holds the same.

    Raises:
        ValueError, TypeError: Something in the file is wrong; nothing was written.
        ImportError: There is a `search`, and Optuna is not installed.
        OSError: A file or the data is missing, the disk is full, or another process is at work in the storage.
        ChildProcessError: If a run loses its worker again and again.
    """
    plan = plan_experiment(experiment, storage)
    missing = [run for run in plan.runs if status(run) != "done"]
    _check_builders(missing)
    _check_data(missing)
    if not missing:
        tidy_up(plan.storage)
        return write_summary(plan)
    with locked(plan.storage):
        _run(missing, executor, verbose)
        return write_summary(plan)


def _run(missing, executor, verbose):
    single = [run for run in missing if run.search is None]
    if executor is not None and len(single) > 1:
        tasks = {
            index: Task(f"run {run.folder.name}", execute, (run,), ProgressFile(run.folder))
            for index, run in enumerate(single)
        }
        for number, (index, _) in enumerate(Tasks(executor, tasks).results(), start=1):
            run = single[index]
            say(f"run {number}/{len(single)}  {run.folder.name}  {status(run)}", verbose)
        single = []
    for number, run in enumerate(single, start=1):
        say(f"run {number}/{len(single)}  {run.folder.name}  seed {run.settings['seed']}", verbose)
        execute(run, executor, verbose)
    for run in missing:
        if run.search is not None:
            say(f"search {run.folder.name}  seed {run.settings['seed']}", verbose)
            execute_search(run, executor, verbose)


def _check_builders(runs):
    """Raise an error where a function cannot be imported or called so, before anything is written.

    A plan only names them: whoever lists the runs of a file that he was sent runs no code of it.
    """
    networks = {}
    for run in runs:
        for each in [run] if run.search is None else run.search.ends():
            network = each.settings["network"]
            if not isinstance(network, list):
                networks[settings_hash(network)] = network, each.modules
    for network, folder in networks.values():
        make_builder(network, folder).check()


def _check_data(runs):
    """Raise an error where data is missing or does not fit the network, before anything is written."""
    shapes = {}
    for run in runs:
        data = DataSettings(**{**run.settings["data"], "augment": 0})
        key = settings_hash({**run.settings["data"], "augment": 0, "limit": None})
        if key not in shapes:
            shapes[key] = data.load(run.settings["seed"]).x_train.shape[1:]
        try:
            check_shapes(run.settings["network"], shapes[key])
        except ValueError as error:
            raise ValueError(f"`network`: {error}") from error
