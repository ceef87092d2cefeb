"""The tables of the trials: what each scored, which one was chosen, why some failed."""

from keras_efficient.markup import Column, Html, details, join, paragraph, section, table, tag
from keras_efficient.report import numbers
from keras_efficient.report.objective import Objective
from keras_efficient.report.result import has_failed, is_chosen, named_stages

MANY = 12  # a stage with more trials has its table folded
SETTINGS = ("epochs", "batch_size", "learning_rate", "decay")


def trial_tables(result: dict) -> Html:
    """Every trial of every stage, the chosen one first."""
    objective = Objective.of(result)
    rule = f"The rule of the selection was {result['rule']}. " if result.get("rule") else ""
    explanation = paragraph(
        f"The chosen trial first, then by {'score' if objective.is_accuracy else 'loss'}. What was measured is that of "
        f"the kept epoch. {rule}",
        "A higher score is better." if objective.is_accuracy else "",
    )
    stages = (_stage_table(name, stage, objective) for name, stage in named_stages(result))
    return section("Trials", explanation, *stages)


def _stage_table(name: str, stage: dict, objective: Objective) -> Html:
    def row_class(trial: dict) -> str:
        return "chosen" if is_chosen(stage, trial) else "failed" if has_failed(trial) else ""

    trials = sorted(stage["trials"], key=lambda trial: _rank(stage, trial))
    written = table(_columns(stage, objective), trials, row_class)
    if len(trials) > MANY:
        written = details(f"Show all {len(trials)} trials", written)
    steps = [f"{len(rung['trials'])} to epoch {numbers.count(rung['epochs'])}" for rung in stage.get("rungs") or []]
    return join(
        tag("h3", name),
        paragraph(_settings(stage), f" Successive halving: of the trials, {', '.join(steps)}." if steps else ""),
        written,
    )


def _rank(stage: dict, trial: dict) -> tuple:
    """The chosen one, then by score, then by loss, then those without either."""
    score, loss = trial.get("score"), trial.get("val_loss")
    by_score = -score if numbers.is_number(score) else float("inf")
    by_loss = loss if numbers.is_number(loss) else float("inf")
    return not is_chosen(stage, trial), by_score, by_loss, has_failed(trial)


def _columns(stage: dict, objective: Objective) -> list[Column]:
    best = "highest" if objective.larger else "lowest"
    measured = not objective.is_loss
    columns = [
        Column("trial", lambda trial: _trial_cell(stage, trial), "text"),
        Column("score", lambda trial: numbers.signed(trial.get("score"))) if objective.is_accuracy else None,
        Column("val loss", lambda trial: numbers.loss(trial.get("val_loss"))),
        Column(f"val {objective.words}", lambda trial: objective.text(objective.value(trial))) if measured else None,
        Column("kept epoch", lambda trial: numbers.count(trial.get("epoch"))),
        Column(f"{best} {objective.words}", lambda trial: _best(trial, objective)) if measured else None,
        Column("seed", lambda trial: numbers.setting(trial.get("seed"))),
        Column("time", lambda trial: numbers.duration(trial.get("train_seconds"))),
    ]
    return [column for column in columns if column]


def _trial_cell(stage: dict, trial: dict) -> Html:
    index = numbers.setting(trial.get("trial"))
    if is_chosen(stage, trial):
        return join(index, tag("span", "chosen", class_="tag"))
    if has_failed(trial):
        return join(index, tag("span", "failed", class_="tag bad"), f" {trial.get('reason') or ''}")
    if trial.get("status") == "stopped":
        epochs = numbers.count(len((trial.get("history") or {}).get("loss") or []))
        return join(index, tag("span", f"stopped after epoch {epochs}", class_="tag"))
    return join(index)


def _best(trial: dict, objective: Objective) -> str:
    best = trial.get("best_objective") or trial.get("max_accuracy") or {}
    if not numbers.is_number(objective.value(best)):
        return numbers.DASH
    return f"{objective.text(objective.value(best))} in epoch {numbers.count(best.get('epoch'))}"


def _settings(stage: dict) -> str:
    trials, seconds = numbers.plural(len(stage["trials"]), "trial"), stage.get("train_seconds")
    parts = [f"{key.replace('_', ' ')} {numbers.setting(stage[key])}" for key in SETTINGS if stage.get(key) is not None]
    time = [f"trained in {numbers.duration(seconds)}"] if numbers.is_number(seconds) else []
    return ", ".join([trials, *parts, *time]) + "."
