"""One run: train it, or find what it left."""

import logging
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from datetime import UTC, datetime

from keras_efficient.files import read_json, write_json
from keras_efficient.training.driver import train_network
from keras_efficient.training.experiments.data import DataSettings
from keras_efficient.training.experiments.network import make_source
from keras_efficient.training.experiments.plan import PlannedRun
from keras_efficient.training.experiments.stages import make_stages
from keras_efficient.training.outcome import BEST, REPORT, RESULT

_FORMAT = "keras_efficient experiment run 1"
# In the folder of a run: its settings, what train_network leaves, and why it failed.
SETTINGS, TRAINING, FAILURE = "settings.json", "training", "failure.json"


def status(run: PlannedRun) -> str:
    """ "done", "failed", "unfinished" or "missing"."""
    if all((run.folder / TRAINING / name).exists() for name in (RESULT, BEST, REPORT)):
        return "done"
    if (run.folder / FAILURE).exists():
        return "failed"
    return "unfinished" if run.folder.exists() else "missing"


def result(run: PlannedRun) -> dict:
    """The result.json of a run that is done."""
    return read_json(run.folder / TRAINING / RESULT)


def failure(run: PlannedRun) -> str:
    """Why a run failed."""
    return read_json(run.folder / FAILURE)["reason"]


def execute(run: PlannedRun, executor=None, verbose: bool | str = False) -> None:
    """Train a run, or continue it. An error of its own is recorded; what stops all runs is raised.

    Raises:
        OSError: The disk, or the data: the next run would meet the same.
        BrokenExecutor: The executor's workers are gone.
        ValueError: The folder belongs to other settings.
    """
    _open_folder(run)
    try:
        with _without_warnings():
            _train(run, executor, verbose)
    except Exception as error:  # a user's function may raise anything
        if isinstance(error, OSError | BrokenExecutor) and not isinstance(error, ChildProcessError):
            raise
        _record_failure(run, error)
    else:
        (run.folder / FAILURE).unlink(missing_ok=True)


def _train(run, executor, verbose):
    settings = run.settings
    data, seed = DataSettings(**settings["data"]), settings["seed"]
    others = {"engine": settings["engine"]} if "engine" in settings else {}
    train_network(
        make_source(settings["network"], run.modules),
        data.arrays(seed),
        make_stages(settings["stages"], data.training_samples(seed)),
        run.folder / TRAINING,
        executor=executor,
        rule=settings.get("rule", "score"),
        seed=seed,
        verbose=verbose,
        **others,
    )


@contextmanager
def _without_warnings():
    """TensorFlow finds it worth a warning that each run traces its own step."""
    logger = logging.getLogger("tensorflow")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _open_folder(run):
    path = run.folder / SETTINGS
    content = {"format": _FORMAT, "sha256": run.sha256, "settings": run.settings}
    if not path.exists():
        write_json(path, content)
    elif read_json(path).get("sha256") != run.sha256:
        raise ValueError(f"'{run.folder}' holds a run with other settings; nothing was touched")


def _record_failure(run, error):
    kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
    reason = " ".join(f"{kind}{error}".split()).replace(str(run.folder / TRAINING), TRAINING)
    if status(run) != "failed" or failure(run) != reason:
        write_json(run.folder / FAILURE, {"reason": reason, "failed_date": datetime.now(UTC).isoformat("T", "seconds")})
