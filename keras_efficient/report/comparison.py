"""Float against quantized: what the chosen trial of each stage reached; and the classes that the network mixes up."""

from keras_efficient.markup import Column, Html, paragraph, section, table
from keras_efficient.report import numbers
from keras_efficient.report.objective import Objective
from keras_efficient.report.result import chosen_trial, named_stages

MOST_CLASSES = 20  # of a table that can be read
MISTAKEN = 0.1  # a share of a class that deserves attention


def stages_compared(result: dict) -> Html:
    """The chosen trials side by side, with what each stage changed. Nothing for one stage."""
    objective = Objective.of(result)
    rows = [{"name": name, **(chosen_trial(stage) or {})} for name, stage in named_stages(result)]
    if len(rows) < 2:
        return Html()
    explanation = paragraph("The chosen trial of each stage on the validation data, and its difference to the first.")
    columns = [Column("stage", lambda row: row["name"], "text")]
    for measure in [Objective("loss", False)] + [objective] * (not objective.is_loss):
        columns += _columns(measure, rows[0])
    return section("Float against quantized", explanation, table(columns, rows))


def _columns(measure, first):
    def difference(row):
        found = measure.value(row), measure.value(first)
        if row is first or not all(map(numbers.is_number, found)):
            return ""
        sign = "+" if found[0] > found[1] else ""
        return sign + measure.text(found[0] - found[1]).replace("-", "−")

    return [Column(f"val {measure.words}", lambda row: measure.text(measure.value(row))), Column("change", difference)]


def confusion(result: dict) -> Html:
    """Classes against predictions of the chosen network. Nothing for many classes, or none."""
    counts = result.get("confusion")
    if not counts or len(counts) > MOST_CLASSES:
        return Html()
    labels = result.get("labels") or range(len(counts))
    rows = [
        {"name": name, "index": i, "counts": row} for i, (name, row) in enumerate(zip(labels, counts, strict=False))
    ]
    explanation = paragraph(
        "Validation samples of the chosen network: a row for each class, a column for each prediction. "
        f"Highlighted: more than {numbers.percent(MISTAKEN, 0)} of a class taken for another one."
    )
    columns = [Column("class", lambda row: row["name"], "text")]
    columns += [_predicted(name, index) for index, name in enumerate(labels)]
    return section("Confusion matrix", explanation, table(columns, rows))


def _predicted(name, index):
    def warns(row):
        return row["index"] != index and row["counts"][index] > MISTAKEN * sum(row["counts"])

    return Column(str(name), lambda row: numbers.count(row["counts"][index]), warns=warns)
