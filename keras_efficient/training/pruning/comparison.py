"""What recipes are worth: differences between paired trainings, with standard errors and win counts."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_efficient.files import json_value

BASELINE = "unpruned"


@dataclass(frozen=True)
class Variant:
    """All trainings of one recipe, one per seed.

    Attributes:
        name: The recipe, or the control.
        losses, accuracies: (seeds,) on the evaluation data, at the end; accuracies of other tasks than classes are NaN.
        history: (seeds, epochs) mean training loss of each epoch, of all phases of the recipe.
        sparsity: Share of the prunable weights that are zero at the end.
        seconds: Of computing, of all seeds together; compilation included.
    """

    name: str
    losses: np.ndarray
    accuracies: np.ndarray
    history: np.ndarray
    sparsity: float
    seconds: float

    @property
    def epochs(self) -> int:
        """Epochs of training in all, retraining included: the budget."""
        return self.history.shape[1]


@dataclass(frozen=True)
class Comparison:
    """Variants whose k-th trainings start from the same weights and see the data in the same order.

    `str()` is a table; each row compares a variant with its `controls` entry (by default the unpruned
    network): mean paired difference of the losses, its standard error, and how many of the pairs it wins.
    """

    variants: tuple[Variant, ...]
    seeds: tuple[int, ...]
    controls: dict[str, str]

    def __getitem__(self, name: str) -> Variant:
        for variant in self.variants:
            if variant.name == name:
                return variant
        raise KeyError(f"no variant {name!r}; there are {[variant.name for variant in self.variants]}")

    def difference(self, name: str, control: str = BASELINE) -> dict[str, float]:
        """Loss of a variant minus that of a control, pair by pair: mean, standard error, wins (lower loss)."""
        pairs = self[name].losses - self[control].losses
        error = float(pairs.std(ddof=1) / np.sqrt(len(pairs))) if len(pairs) > 1 else float("nan")
        return {"mean": float(pairs.mean()), "standard_error": error, "wins": int((pairs < 0).sum())}

    def epochs_to_baseline(self, name: str) -> list[int | None]:
        """For each seed, the first epoch (from 1, of all phases) whose training loss is at most the last of the
        unpruned training; None if there is none."""
        goal = self[BASELINE].history[:, -1]
        reached = self[name].history <= goal[:, None]
        return [int(row.argmax()) + 1 if row.any() else None for row in reached]

    def rows(self) -> list[dict]:
        """One dictionary per variant."""
        rows = []
        for variant in self.variants:
            reached = [epoch for epoch in self.epochs_to_baseline(variant.name) if epoch is not None]
            per_epoch = variant.seconds / max(1, variant.epochs) / len(self.seeds)
            row = {
                "variant": variant.name,
                "epochs": variant.epochs,
                "sparsity": variant.sparsity,
                "loss": float(variant.losses.mean()),
                "loss_deviation": float(variant.losses.std(ddof=1)) if len(self.seeds) > 1 else None,
                "accuracy": json_value(variant.accuracies.mean()),
                "epochs_to_baseline": float(np.mean(reached)) if reached else None,
                "seconds_to_baseline": float(np.mean(reached)) * per_epoch if reached else None,
                "reached_baseline": len(reached),
                "seconds_per_training": variant.seconds / len(self.seeds),
            }
            for control in dict.fromkeys((BASELINE, self.controls.get(variant.name, BASELINE))):
                if control != variant.name:
                    row[f"against {control}"] = self.difference(variant.name, control)
            rows.append(row)
        return rows

    def to_dict(self) -> dict:
        """Everything as plain values, for JSON."""
        trainings = {
            variant.name: {"losses": variant.losses.tolist(), "accuracies": variant.accuracies.tolist()}
            for variant in self.variants
        }
        return json_value({"seeds": self.seeds, "rows": self.rows(), "trainings": trainings})

    def to_json(self) -> str:
        """`to_dict` as a JSON string."""
        return json.dumps(self.to_dict())

    def __str__(self) -> str:
        width = max(len(variant.name) for variant in self.variants)
        head = f"{'variant':{width}}  epochs  sparse  loss            accuracy  paired difference, wins"
        lines = [head, "-" * len(head)]
        for row in self.rows():
            deviation = f" +- {row['loss_deviation']:.3f}" if row["loss_deviation"] is not None else ""
            text = f"{row['variant']:{width}}  {row['epochs']:6}  {row['sparsity']:6.1%}  {row['loss']:.3f}"
            text += f"{deviation:9}  {'' if row['accuracy'] is None else format(row['accuracy'], '.2%'):>8}"
            for name, pair in row.items():
                if name.startswith("against"):
                    text += f"  {pair['mean']:+.3f} (se {pair['standard_error']:.3f}), {pair['wins']}/{len(self.seeds)}"
                    text += f" {name}"
            lines.append(text)
        return "\n".join(lines)

    def plot(self, path: str | Path) -> None:
        """The paired differences to the unpruned network as an image: a dot per seed, a bar for mean and error."""
        from matplotlib.figure import Figure

        others = [variant for variant in self.variants if variant.name != BASELINE]
        figure = Figure(figsize=(7, 0.6 * len(others) + 1.2), layout="constrained")
        axes = figure.subplots()
        for place, variant in enumerate(others):
            pairs, row = variant.losses - self[BASELINE].losses, self.difference(variant.name)
            axes.plot(pairs, np.full(len(pairs), place), ".", alpha=0.4)
            axes.errorbar(row["mean"], place, xerr=row["standard_error"], fmt="o", color="black", capsize=3)
        axes.axvline(0, color="gray", linewidth=1)
        axes.set_yticks(range(len(others)), [variant.name for variant in others])
        axes.invert_yaxis()
        axes.set_xlabel(f"loss minus that of the unpruned network, {len(self.seeds)} pairs")
        figure.savefig(path)
