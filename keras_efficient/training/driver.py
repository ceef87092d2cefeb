"""`train_network`: stages of trials, the best of each goes on, files that survive a crash."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_efficient.training.engines import DEFAULT_ENGINE
from keras_efficient.training.executors.tasks import Executor
from keras_efficient.training.outcome import is_complete, read_result, write_outcome
from keras_efficient.training.progress import SilentProgress, make_progress, without_retracing_warnings
from keras_efficient.training.results import Selection
from keras_efficient.training.run import Run
from keras_efficient.training.selection import Rule
from keras_efficient.training.stage import Stage
from keras_efficient.training.state import SAVE_SECONDS
from keras_efficient.training.trial import TrialResult


def train_network(
    config: list | Callable[[], keras.Model],
    data: Sequence,
    stages: Sequence[Stage],
    directory: str | Path,
    executor: Executor | None = None,
    rule: str | Callable | None = None,
    seed: int = 0,
    verbose: bool | str = "auto",
    save_seconds: float = SAVE_SECONDS,
    engine: str = DEFAULT_ENGINE,
    metrics: Any = None,
    objective: str | tuple[str, str] | None = None,
) -> Selection:
    """Train a network in stages of several trials each and keep the best.

    Each stage runs its trials, which differ in nothing but their seed; every stage after the
    first starts from the best trial of the one before. From a float stage to a quantized one
    the scales are calibrated; before frozen scales they are rounded. Source: Gural & Murmann,
    ICML 2019.

    The directory receives, for each trial, the checkpoint of the lowest validation loss, the
    one of the best objective (the highest validation accuracy), and a record; at the end best.keras (the choice of
    the last stage), result.json and report.html. A call with the same arguments continues an
    interrupted run: finished trials are neither repeated nor overwritten, and a trial goes on
    from the state that it saved (one with callbacks starts again). The result is that of a run
    that was never interrupted, bit for bit if the number of threads is the same. A finished run
    is only read.

    Args:
        config: A network description (see `build_network`), or a function without arguments
            that builds a Keras model whose outputs are class probabilities (or what the loss
            of the stages takes). A description ends as the loss wants: in a softmax, in a sigmoid
            (binary cross-entropy, or one output), or linear.
        data: (x_train, y_train, x_val, y_val) or these and (x_test, y_test): arrays or tables; or
            (train, val) or (train, val, test), each a tuple (x, y[, weights]) of arrays, or a
            `tf.data.Dataset`, `keras.utils.PyDataset` or iterable of batches (x, y[, weights]), which is
            gathered into arrays in memory first. Several inputs or outputs: lists or dictionaries by
            name. Labels are integers, texts (sorted into classes; result.json has them as `labels`),
            one-hot rows, 0 and 1 for a binary cross-entropy, or targets of the shape of the outputs.
            Weights count in the losses, not in the metrics. Test data is used once, for the chosen
            network.
        stages: The stages in order.
        directory: Where the files go: new, empty, or a run with the same arguments.
        executor: `process_pool(n)`, a `RayExecutor`, or anything else with the protocol of
            `concurrent.futures.Executor`, whose workers run the trials; a trial whose worker
            dies is run again. None runs them one after the other in this process, with all cores; a
            process per core gets through more trials in the same time (`scripts/benchmark_driver.py`).
        rule: How to choose among trials: `"score"` (see `selection_score`), `"objective"`, `"val_loss"`,
            `"val_accuracy"`, or a function from a list of `TrialResult` to an index. None: the score
            where there is an accuracy, else the objective. By the objective a trial goes on with the
            weights of its best objective, by any other rule with those of its lowest validation loss.
        seed: Decides all initial weights, shuffles and dropout.
        verbose: Progress bars: True, False, or "auto" (in a terminal or notebook).
        save_seconds: How much time passes between two saves of a running trial's state, at
            least; 0 saves after every epoch.
        engine: What computes the epochs: `"auto"`, `"compiled"` or `"keras"`. The compiled engine, C code for
            networks of the description language, is several times faster; where it cannot compute all
            stages (another layer, optimizer or loss, no C compiler) a warning says why, and Keras does it.
            What it came to is decided before the first file and stands in the manifest and in result.json;
            a run that continues keeps it (silently under `"auto"`), and fails the trials of a worker that
            does not have it.

        metrics: As of `compile`: names, metrics or functions; of several outputs lists or dictionaries by
            output name. They are computed on the validation samples after each epoch, and on the test samples. None:
            the accuracy where the loss is a cross-entropy of classes or of one probability, else none.
        objective: `"val_loss"`, `"val_NAME"` of a metric, or `("val_NAME", "max")` (or `"min"`) for a metric that does
            not say which is better. None: the accuracy where there is one, else the loss.

    Raises:
        ValueError: If an argument is wrong, the directory holds something else or a damaged
            file, or all trials of a stage fail.
        OSError: If a file cannot be written; what was written before is kept. If another process is at work
            in the directory (BlockingIOError).
        ChildProcessError: If a trial loses its worker again and again.
    """
    if executor is not None and not callable(getattr(executor, "submit", None)):
        raise TypeError(f"`executor` must be None, or have `submit` as process_pool(2) has. Received: {executor=}")
    run = Run.prepare(config, data, stages, directory, rule, seed, save_seconds, engine, metrics, objective)
    if is_complete(run):
        run.tidy()
        return Selection.from_json(read_result(run), run.directory)
    with without_retracing_warnings(), run.opened():
        with make_progress(verbose) as progress:
            outcomes = run.all_stages(executor, progress)
        write_outcome(run, outcomes)
    return Selection.from_json(read_result(run), run.directory)


def train_until(
    epochs: int,
    config: list | Callable[[], keras.Model],
    data: Sequence[np.ndarray],
    stages: Sequence[Stage],
    directory: str | Path,
    rule: Rule | None = None,
    seed: int = 0,
    engine: str = DEFAULT_ENGINE,
) -> list[TrialResult]:
    """Train the first stage of a run until so many epochs of each trial are done, in this process, and pause there.

    Called with more epochs, or `train_network` with the same arguments, goes on from there, bit for bit as if the run
    had never paused. Each result has its history, and the status "paused" where there are epochs left to train.
    """
    run = Run.prepare(config, data, stages, directory, rule, seed, SAVE_SECONDS, engine)
    with run.opened():
        return run.first_stage_until(epochs, SilentProgress())
