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
from keras_efficient.training.data import class_indices
from keras_efficient.training.manifest import package_versions, rule_name
from keras_efficient.training.results import StageResult
from keras_efficient.training.run import Run
from keras_efficient.training.selection import candidates, expected_accuracy
from keras_efficient.training.trial import ACCURACY_CHECKPOINT, LOSS_CHECKPOINT, check_checkpoint, read_correct

RESULT, BEST, REPORT = "result.json", "best.keras", "report.html"
_BYTES = ("weight_bytes", "activation_bytes", "total_bytes")
_DIAGNOSED_SAMPLES = 1000


def is_complete(run: Run) -> bool:
    """Whether all files of the finished run are there. A missing one is written again from the trials."""
    return all((run.directory / name).exists() for name in (RESULT, BEST, REPORT))


def read_result(run: Run) -> dict:
    """The content of result.json."""
    return read_json(run.directory / RESULT, "Delete it, and the same call writes it again from the trials.")


def write_outcome(run: Run, outcomes: Sequence[StageResult]) -> None:
    """Write the three files of a finished run; result.json comes last and says that all is there."""
    last = len(outcomes) - 1
    checkpoint = run.trial_directory(last, outcomes[last].chosen) / LOSS_CHECKPOINT
    check_checkpoint(checkpoint)
    model = run.source.build(outcomes[last].mode, seed=0)
    model.load_weights(checkpoint)
    result = _result_json(run, outcomes, model)
    write_atomically(run.directory / BEST, lambda path: path.write_bytes(checkpoint.read_bytes()))
    write_report(result, run.directory / REPORT)
    write_json(run.directory / RESULT, result)


def _result_json(run, outcomes, model):
    storage = run.source.storage(model)
    data = run.data
    return {
        "format": FORMAT,
        "network": run.source.description(),
        "input_shape": list(data.input_shape),
        "classes": int(class_indices(data.y_train).max()) + 1,
        "dataset": {
            "train": len(data.x_train),
            "validation": len(data.x_val),
            "test": 0 if data.x_test is None else len(data.x_test),
        },
        "seed": run.seed,
        "rule": rule_name(run.rule),
        "backend": keras.backend.backend(),
        "engine": run.engine,
        "versions": package_versions(),
        "best": {**_best_json(run, outcomes, model), **{name: getattr(storage, name, None) for name in _BYTES}},
        "stages": [_stage_json(run, number, outcome) for number, outcome in enumerate(outcomes)],
        "storage": None if storage is None else storage.to_dict(),
        "diagnostics": diagnose(model, data.x_val[:_DIAGNOSED_SAMPLES]) if MODES[outcomes[-1].mode].quantized else [],
        "finished_date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _best_json(run, outcomes, model):
    last = len(outcomes) - 1
    chosen = outcomes[last][outcomes[last].chosen]
    return {
        "path": BEST,
        "stage": last,
        "trial": chosen.trial,
        "val_loss": chosen.val_loss,
        "val_accuracy": chosen.val_accuracy,
        "expected_accuracy": _expected_accuracy(run, last, outcomes[last]),
        **_test(run, model),
    }


def _expected_accuracy(run, number, outcome):
    usable = [trial.trial for trial, usable in zip(outcome, candidates(outcome), strict=True) if usable]
    correct = [read_correct(run.trial_directory(number, index)) for index in usable]
    return float(expected_accuracy(np.stack(correct))[usable.index(outcome.chosen)])


def _test(run, model):
    """Loss and accuracy on the test data: the only place that looks at it."""
    data = run.data
    if data.x_test is None:
        return {"test_loss": None, "test_accuracy": None}
    outputs = model.predict(data.x_test, batch_size=1024, verbose=0)
    loss = keras.losses.get(run.stages[-1].loss_for(data.one_hot))
    accuracy = (outputs.argmax(axis=-1) == class_indices(data.y_test)).mean()
    return {
        "test_loss": float(keras.ops.convert_to_numpy(keras.ops.mean(loss(data.y_test, outputs)))),
        "test_accuracy": float(accuracy),
    }


def _stage_json(run, number, outcome):
    return {
        **run.stages[number].describe(),
        **_rungs(run.stages[number], outcome),
        "chosen": outcome.chosen,
        "train_seconds": sum(trial.train_seconds for trial in outcome),
        "trials": [{**asdict(trial), **_paths(run, number, trial)} for trial in outcome],
    }


def _rungs(stage, outcome):
    """Which trials were on each rung of successive halving."""
    if stage.halving is None:
        return {}
    climbers = stage.halving.climbers([trial.history for trial in outcome], stage.epochs)
    return {"rungs": [{"epochs": epochs, "trials": trials} for epochs, trials in climbers]}


def _paths(run, number, trial):
    if trial.status == "failed":
        return {}
    directory = run.trial_directory(number, trial.trial).relative_to(run.directory)
    return {
        "loss_path": (directory / LOSS_CHECKPOINT).as_posix(),
        "accuracy_path": (directory / ACCURACY_CHECKPOINT).as_posix(),
    }
