"""The pictures of the trials: learning curves, and accuracy against loss."""

from keras_efficient.report import numbers
from keras_efficient.report.learning_curves import learning_curves
from keras_efficient.report.markup import Html, join, paragraph, section, tag
from keras_efficient.report.result import has_failed, named_stages
from keras_efficient.report.scatter import accuracy_against_loss


def curves(result: dict) -> Html:
    """Validation loss and accuracy over the epochs, a row of two plots for each stage."""
    stages = [
        join(tag("h3", name), _curve_pair(index, stage)) for index, (name, stage) in enumerate(named_stages(result))
    ]
    explanation = paragraph(
        "Thick: the chosen trial; its dot is the epoch of the lowest validation loss, the one that "
        "was kept. Dashed with a cross: a trial that failed."
    )
    return section("Learning curves", explanation, *stages)


def _curve_pair(index: int, stage: dict) -> Html:
    keys = ("val_loss", "val_accuracy")
    plots = [learning_curves(stage, key, f"curve-{index}-{key}") for key in keys]
    figures = [tag("figure", plot) for plot in plots if plot]
    if not figures:
        return paragraph("No trial of this stage kept its history.")
    return tag("div", *figures, class_="plots")


def selection(result: dict) -> Html:
    """Accuracy against loss of all trials, a plot for each stage."""
    samples = (result.get("dataset") or {}).get("validation")
    figures = [
        tag("figure", tag("figcaption", name), _points(index, stage, samples), class_="small")
        for index, (name, stage) in enumerate(named_stages(result))
    ]
    plots = tag("div", *figures, class_="plots")
    return section("Accuracy against loss", _explanation(samples), plots, _failures(result))


def _points(index: int, stage: dict, samples: int | None) -> Html:
    plot = accuracy_against_loss(stage, samples, f"selection-{index}")
    return plot or paragraph("No trial to show.")


def _explanation(samples: int | None) -> Html:
    error = f" Its bar is the sampling error of one accuracy on {numbers.count(samples)} samples."
    return paragraph(
        "One point a trial, at its epoch of lowest validation loss; upper left is better. "
        "The chosen trial is labelled.",
        error if numbers.is_number(samples) else "",
    )


def _failures(result: dict) -> Html:
    failed = [
        f"{name}, trial {trial.get('trial')} ({trial.get('reason') or 'no reason given'})"
        for name, stage in named_stages(result)
        for trial in stage["trials"]
        if has_failed(trial)
    ]
    listed = paragraph("Without a point, as they failed: ", "; ".join(failed), ".")
    return listed if failed else Html()
