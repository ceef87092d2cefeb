"""One stage of training: what every trial of it does."""

import hashlib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import keras

from keras_efficient.checks import is_number, non_negative_number, positive_integer, positive_number
from keras_efficient.copies.compiling import copy_exclusions
from keras_efficient.layers.quantized.mode import check_mode
from keras_efficient.training.engines.engine import Loss
from keras_efficient.training.halving import Halving
from keras_efficient.training.stage_checks import (
    check_callbacks,
    check_class_weight,
    check_loss,
    check_optimizer,
    check_schedule,
)

# The study's factors per epoch: fast while the network is float, slow while it is quantized.
_DECAYS = {"float": 0.95, "learn_scales": 0.98, "freeze_scales": 0.98}
COSINE = "cosine"


@dataclass(frozen=True)
class Stage:
    """A stage of `train_network`: n trials that differ in nothing but their seed.

    The learning rate of epoch e (from 0) is

        max(min_learning_rate, learning_rate * decay**e)

    or, with `schedule="cosine"`, of E epochs,

        min_learning_rate + (learning_rate - min_learning_rate) (1 + cos(pi e / (E - 1))) / 2

    or `schedule(e)` when a function is given. Source of the defaults: Gural & Murmann, ICML 2019.

    Attributes:
        mode: `"float"`, `"learn_scales"` or `"freeze_scales"`.
        trials: How many trials to run; the best one goes on.
        epochs: Epochs of each trial.
        learning_rate: Learning rate of the first epoch.
        decay: Factor on the learning rate from epoch to epoch. None: .95 in float mode, .98 in
            the quantized modes.
        batch_size: Samples per step; the last step of an epoch takes what is left.
        min_learning_rate: Floor of the learning rate.
        optimizer: Name of a Keras optimizer, or an optimizer whose settings are copied; its
            learning rate is always the stage's. Of one around another (`DiagonalRates`,
            `RandomBases`, `LossScaleOptimizer`) the inner one's rate and decay are meant.
        loss: Name of a Keras loss, or a loss. None: categorical cross-entropy of integer or
            one-hot labels, whichever the data has.
        weight_decay: Decoupled weight decay of the optimizer; never applied to scales.
        schedule: "cosine", or a function from the epoch (from 0) to the learning rate; replaces the
            decay.
        samples_per_epoch: How many samples an epoch draws, without replacement until all have been
            drawn; None: all of them. For training sets that were multiplied by augmentation.
        patience: A trial ends when its validation loss has not fallen for so many epochs; None: never.
        halving: Stops the clearly worse trials early, see `Halving`; None: all are trained to their end.
        distillation: Weight of the teachers in the labels of the training samples, 0 to 1 (see
            `keras_efficient.training.distillation`); None: the labels as they are.
        teachers: Keras files of networks that give class probabilities. None: the lowest-loss
            checkpoints of all trials of the last float stage before this one.
        class_weight: A factor on the loss of the samples of each class, by its number (of labels that are texts also by
            the text); classes that are not named have 1. None: all have 1.
        callbacks: Keras callbacks, or a function without arguments that makes them anew for
            each trial. Those that look at batches make a trial run through `model.fit`. A callback
            may set the learning rate of an epoch when it begins (`LearningRateScheduler`); what it
            sets at the end of an epoch is replaced by the schedule of the stage.

    Raises:
        ValueError: If an attribute is wrong, or two of them do not go together.
    """

    mode: str
    trials: int
    epochs: int
    learning_rate: float = 0.005
    decay: float | None = None
    batch_size: int = 1024
    min_learning_rate: float = 1e-4
    optimizer: str | keras.optimizers.Optimizer = "adam"
    loss: Loss | None = None
    weight_decay: float | None = None
    schedule: Callable[[int], float] | str | None = None
    samples_per_epoch: int | None = None
    patience: int | None = None
    halving: Halving | None = None
    distillation: float | None = None
    teachers: Sequence[str | Path] | None = None
    class_weight: Mapping[int | str, float] | None = None
    callbacks: Sequence[keras.callbacks.Callback] | Callable = ()

    def __post_init__(self):
        check_mode(self.mode)
        for name in ("trials", "epochs", "batch_size"):
            object.__setattr__(self, name, positive_integer(getattr(self, name), name))
        if self.decay is None:
            object.__setattr__(self, "decay", _DECAYS[self.mode])
        positive_number(self.learning_rate, "learning_rate")
        positive_number(self.decay, "decay")
        non_negative_number(self.min_learning_rate, "min_learning_rate")
        if self.weight_decay is not None:
            non_negative_number(self.weight_decay, "weight_decay")
        for name in ("samples_per_epoch", "patience"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, positive_integer(getattr(self, name), name))
        check_schedule(self.schedule, (COSINE,))
        check_loss(self.loss)
        check_optimizer(self.optimizer)
        check_callbacks(self.callbacks)
        if self.class_weight is not None:
            object.__setattr__(self, "class_weight", check_class_weight(self.class_weight))
        self._check_halving()
        self._check_distillation()

    def _check_halving(self):
        if self.halving is None:
            return
        if not isinstance(self.halving, Halving):
            raise ValueError(
                "`halving` must be a keras_efficient.Halving such as Halving(first_epochs=5), or None. "
                f"Received: halving={self.halving!r}"
            )
        if self.halving.first_epochs >= self.epochs:
            raise ValueError(
                "`halving` must have fewer `first_epochs` than the stage has `epochs`. "
                f"Received: first_epochs={self.halving.first_epochs}, epochs={self.epochs}"
            )
        if callable(self.callbacks) or self.callbacks:
            raise ValueError(
                "`halving` cannot be used with `callbacks`: a trial that waits for the others rests in a file, which "
                f"does not hold what callbacks know. Received: callbacks={self.callbacks!r}"
            )

    def rungs(self) -> tuple[int, ...]:
        """The epochs at which the trials wait for each other; the last is the end of the stage."""
        return (self.epochs,) if self.halving is None else self.halving.rungs(self.epochs)

    def _check_distillation(self):
        share = self.distillation
        if share is not None and not (is_number(share) and 0 <= share <= 1):
            raise ValueError(f"`distillation` must be a number from 0 to 1, or None. Received: distillation={share!r}")
        if self.teachers is None:
            return
        given: Any = (self.teachers,) if isinstance(self.teachers, (str, Path)) else self.teachers
        teachers = tuple(given) if isinstance(given, Sequence) else ()
        if not share or not teachers or not all(isinstance(path, (str, Path)) for path in teachers):
            raise ValueError(
                "`teachers` must name one or more Keras files, together with a `distillation` above 0. "
                f"Received: teachers={self.teachers!r}, distillation={share!r}"
            )
        for path in teachers:
            if not Path(path).is_file():
                raise ValueError(f"`teachers` must be Keras files. Received: '{path}', which does not exist")
        object.__setattr__(self, "teachers", tuple(map(Path, teachers)))

    def learning_rate_at(self, epoch: int) -> float:
        """The learning rate of an epoch, counted from 0."""
        if self.schedule == COSINE:
            share = (1 + math.cos(math.pi * epoch / max(self.epochs - 1, 1))) / 2
            return self.min_learning_rate + (self.learning_rate - self.min_learning_rate) * share
        if self.schedule is not None and not isinstance(self.schedule, str):
            return float(self.schedule(epoch))
        assert self.decay is not None  # set above
        return max(self.min_learning_rate, self.learning_rate * self.decay**epoch)

    def make_optimizer(self) -> keras.optimizers.Optimizer:
        """A new optimizer with this stage's settings."""
        given = keras.optimizers.get(self.optimizer)
        optimizer = self._with_rates(given)
        copy_exclusions(given, optimizer)
        return optimizer

    def _with_rates(self, optimizer):
        """A copy with this stage's rate and decay; of an optimizer around another one, they are the inner one's."""
        if hasattr(optimizer, "inner_optimizer"):
            inner = keras.saving.serialize_keras_object(self._with_rates(optimizer.inner_optimizer))
            settings = {"inner_optimizer": inner}
        else:
            settings = {"learning_rate": self.learning_rate_at(0)}
            settings |= {} if self.weight_decay is None else {"weight_decay": self.weight_decay}
        return type(optimizer).from_config({**optimizer.get_config(), **settings})

    def loss_for(self, one_hot: bool) -> Loss:
        """The loss; the cross-entropy that fits the labels where none was given."""
        if self.loss is not None:
            return self.loss
        return "categorical_crossentropy" if one_hot else "sparse_categorical_crossentropy"

    def make_callbacks(self) -> list[keras.callbacks.Callback]:
        return list(self.callbacks() if callable(self.callbacks) else self.callbacks)

    def describe(self) -> dict:
        """The settings as JSON values; functions and objects by name and configuration."""
        described = {field.name: as_json(getattr(self, field.name)) for field in fields(self)}
        if self.teachers is not None:
            # By what they hold: another file of the same name is another teacher.
            described["teachers"] = [hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in self.teachers]
        return described

    @classmethod
    def describe_defaults(cls) -> dict:
        """The settings that need not be given, as `describe` says them."""
        return {field.name: as_json(field.default) for field in fields(cls) if field.default is not MISSING}


def as_json(value: Any) -> Any:
    """A setting as a JSON value; functions and objects by name and configuration."""
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    if isinstance(value, (list, tuple)):
        return [as_json(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if hasattr(value, "get_config"):
        return {"class_name": type(value).__name__, "config": repr(_without_counts(value.get_config()))}
    if is_dataclass(value):
        return {field.name: as_json(getattr(value, field.name)) for field in fields(value)}
    return getattr(value, "__qualname__", type(value).__qualname__)


def _without_counts(config):
    """A configuration whose names are those of the first object in a process: Keras counts them up (adam_10)."""
    if isinstance(config, dict):
        plain = {key: _without_counts(value) for key, value in config.items()}
        return {**plain, "name": re.sub(r"_\d+$", "", plain["name"])} if isinstance(plain.get("name"), str) else plain
    return [_without_counts(item) for item in config] if isinstance(config, list) else config
