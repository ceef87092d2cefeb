"""What a run prints at its end: the stages, and the network it chose."""

from keras_efficient.markup import align
from keras_efficient.report import numbers
from keras_efficient.report.objective import Objective
from keras_efficient.report.result import check_result, chosen_trial, has_failed

WORDS = ["stage", "mode"]  # columns aligned to the left
NUMBERS = ["trials", "failed", "chosen", "epoch", "val loss"]


def summary_table(result: dict) -> str:
    """The stages and the chosen network of `result` as aligned lines of plain text."""
    check_result(result)
    objective = Objective.of(result)
    headings = [*WORDS, *NUMBERS, *([] if objective.is_loss else [f"val {objective.words}"]), "time"]
    stages = [_stage_row(index, stage, objective) for index, stage in enumerate(result["stages"])]
    facts = _facts(result["best"], objective)
    width = max(map(len, facts))
    chosen = [f"{name:{width}}  {value}" for name, value in facts.items()]
    return "\n".join([*align([headings, *stages], WORDS), "", *chosen])


def _stage_row(index: int, stage: dict, objective: Objective) -> list[str]:
    chosen = chosen_trial(stage) or {}
    return [
        str(index),
        numbers.setting(stage.get("mode")),
        str(len(stage["trials"])),
        str(sum(map(has_failed, stage["trials"]))),
        numbers.setting(stage.get("chosen")),
        numbers.count(chosen.get("epoch")),
        numbers.loss(chosen.get("val_loss")),
        *([] if objective.is_loss else [objective.text(objective.value(chosen))]),
        numbers.duration(stage.get("train_seconds")),
    ]


def _facts(best: dict, objective: Objective) -> dict[str, str]:
    stage, trial = numbers.setting(best.get("stage")), numbers.setting(best.get("trial"))
    facts = {
        "chosen": f"{best.get('path') or numbers.DASH} (stage {stage}, trial {trial})",
        "bytes": _bytes(best),
        "validation": _measured(best, "val", objective),
        "expected": f"{numbers.percent(best.get('expected_accuracy'))} on new data",
        "test": _measured(best, "test", objective),
    }
    return {name: fact for name, fact in facts.items() if name != "expected" or objective.is_accuracy}


def _bytes(best: dict) -> str:
    if not numbers.is_number(best.get("total_bytes")):
        return f"unknown: {best['storage_reason']}" if best.get("storage_reason") else "unknown"
    total, weights, activations = (
        numbers.size(best.get(f"{part}_bytes")) for part in ("total", "weight", "activation")
    )
    return f"{total} = {weights} weights + {activations} activations"


def _measured(best: dict, data: str, objective: Objective) -> str:
    value, loss = objective.value(best, data), f"loss {numbers.loss(best.get(f'{data}_loss'))}"
    if not numbers.is_number(value):
        return "not measured"
    if objective.is_loss:
        return loss
    name = "" if "accuracy" in objective.name else f"{objective.words} "
    return f"{name}{objective.text(value)}, {loss}"
