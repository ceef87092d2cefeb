"""The end of a run: test the chosen network once, write best.keras, report.html, result.json."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

import keras
import numpy as np

from keras_efficient.files import read_json, write_atomically, write_json
from keras_efficient.layers.quantized.mode import MODES
from keras_efficient.quantization import diagnose
from keras_efficient.report import write_report
from keras_efficient.report.result import FORMAT
from keras_efficient.training.data import class_indices, count, samples
from keras_efficient.training.engines.engine import validation_loss
from keras_efficient.training.manifest import describe_measures, package_versions
from keras_efficient.training.measures import ACCURACY, Measuring
from keras_efficient.training.results import StageResult
from keras_efficient.training.run import Run
from keras_efficient.training.selection import candidates, expected_accuracy
from keras_efficient.training.trial import LOSS_CHECKPOINT, read_correct

RESULT, BEST, REPORT = "result.json", "best.keras", "report.html"
_BYTES = ("weight_bytes", "activation_bytes", "total_bytes")
_DIAGNOSED_SAMPLES = 1000
_MOST_CONFUSED = 50  # classes


def is_complete(run: Run) -> bool:
    """Whether all files of the finished run are there. A missing one is written again from the trials."""
    return all((run.directory / name).exists() for name in (RESULT, BEST, REPORT))


def read_result(run: Run) -> dict:
    return read_json(run.directory / RESULT, "Delete it, and the same call writes it again from the trials.")


def write_outcome(run: Run, outcomes: Sequence[StageResult]) -> None:
    """Write the three files of a finished run; result.json comes last and says that all is there."""
    last = len(outcomes) - 1
    checkpoint = run.checkpoint(last, outcomes[last].chosen)
    model = run.source.build(outcomes[last].mode, seed=0)
    model.load_weights(checkpoint)
    result = _result_json(run, outcomes, model)
    write_atomically(run.directory / BEST, lambda path: path.write_bytes(checkpoint.read_bytes()))
    write_report(result, run.directory / REPORT)
    write_json(run.directory / RESULT, result)


def _result_json(run, outcomes, model):
    try:
        storage, reason = run.source.storage(model), None
    except ValueError as error:
        storage, reason = None, str(error)
    data, quantized = run.data, MODES[outcomes[-1].mode].quantized
    return {
        "format": FORMAT,
        "network": run.source.description(),
        "input_shape": list(data.input_shape),
        "classes": int(class_indices(data.y_train).max()) + 1 if run.measures.accuracy else None,
        "labels": run.labels,
        "dataset": {
            "train": count(data.x_train),
            "validation": count(data.x_val),
            "test": 0 if data.x_test is None else count(data.x_test),
        },
        "seed": run.seed,
        **describe_measures(run.measures),
        "backend": keras.backend.backend(),
        "engine": run.engine,
        "versions": package_versions(),
        "best": {
            **_best_json(run, outcomes, model),
            **{name: getattr(storage, name, None) for name in _BYTES},
            "storage_reason": reason,
        },
        "confusion": _confusion(run, model),
        "stages": [_stage_json(run, number, outcome) for number, outcome in enumerate(outcomes)],
        "storage": None if storage is None else storage.to_dict(),
        "diagnostics": diagnose(model, samples(data.x_val, slice(_DIAGNOSED_SAMPLES))) if quantized else [],
        "finished_date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _confusion(run, model):
    """Validation samples by their class (rows) and what the chosen network takes them for; None without classes."""
    if not run.measures.accuracy:
        return None
    outputs = model.predict(run.data.x_val, batch_size=1024, verbose=0)
    single = outputs.shape[-1] == 1
    found = (outputs[:, 0] > run.measures.threshold).astype(int) if single else outputs.argmax(axis=-1)
    classes = 2 if single else outputs.shape[-1]
    if classes > _MOST_CONFUSED:
        return None
    pairs = class_indices(run.data.y_val) * classes + found
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes).tolist()


def _best_json(run, outcomes, model):
    last = len(outcomes) - 1
    chosen = outcomes[last][outcomes[last].chosen]
    return {
        "path": BEST,
        "stage": last,
        **{name: getattr(chosen, name) for name in ("trial", "val_loss", "val_accuracy", "val_metrics")},
        "expected_accuracy": _expected_accuracy(run, last, outcomes[last]) if run.measures.accuracy else None,
        **_test(run, model),
    }


def _expected_accuracy(run, number, outcome):
    usable = [trial.trial for trial, usable in zip(outcome, candidates(outcome), strict=True) if usable]
    correct = [read_correct(run.trial_directory(number, index)) for index in usable]
    return float(expected_accuracy(np.stack(correct))[usable.index(outcome.chosen)])


def _test(run, model):
    """Loss and metrics on the test data: the only place that looks at it."""
    data = run.data
    if data.x_test is None:
        return {"test_loss": None, "test_accuracy": None, "test_metrics": None}
    outputs = model.predict(data.x_test, batch_size=1024, verbose=0)
    model.compile(loss=run.stages[-1].loss_for(data.one_hot))
    loss = validation_loss(model, data.y_test, outputs, data.w_test)
    metrics = Measuring(run.measures)(data.y_test, outputs)[0]
    return {
        "test_loss": loss,
        "test_accuracy": metrics[ACCURACY] if run.measures.accuracy else None,
        "test_metrics": {"loss": loss, **metrics},
    }


def _stage_json(run, number, outcome):
    stage = run.stages[number]
    result = stage.describe()
    if stage.halving is not None:
        histories = [trial.history for trial in outcome]
        climbers = stage.halving.climbers(histories, stage.epochs, run.measures.objective)
        result["rungs"] = [{"epochs": epochs, "trials": trials} for epochs, trials in climbers]
    return {
        **result,
        "chosen": outcome.chosen,
        "train_seconds": sum(trial.train_seconds for trial in outcome),
        "trials": [{**asdict(trial), **_paths(run, number, trial)} for trial in outcome],
    }


def _paths(run, number, trial):
    if trial.status == "failed":
        return {}
    directory = run.trial_directory(number, trial.trial).relative_to(run.directory)
    objective = (directory / run.measures.objective_checkpoint).as_posix()
    paths = {"loss_path": (directory / LOSS_CHECKPOINT).as_posix(), "objective_path": objective}
    return paths | ({"accuracy_path": objective} if trial.max_accuracy else {})
