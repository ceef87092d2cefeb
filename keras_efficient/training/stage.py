"""One stage of training: what every trial of it does."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from numbers import Real

import keras

from keras_efficient.layers.arguments import positive_integer
from keras_efficient.layers.quantized.mode import check_mode

# The study's factors a epoch: fast while the network is float, slow while it is quantized.
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
        batch_size: Samples a step; the last step of an epoch takes what is left.
        min_learning_rate: Floor of the learning rate.
        optimizer: Name of a Keras optimizer, or an optimizer whose settings are copied; its
            learning rate is always the stage's.
        loss: Name of a Keras loss, or a loss. None: categorical cross-entropy of integer or
            one-hot labels, whichever the data has.
        weight_decay: Decoupled weight decay of the optimizer; never applied to scales.
        schedule: "cosine", or a function from the epoch (from 0) to the learning rate; replaces the
            decay.
        ema: Momentum of averaged weights, per step (see `WeightAverage`); None: no average. The average
            is a second candidate at every epoch: a trial keeps the better of the two.
        samples_per_epoch: How many samples an epoch draws, without replacement until all have been
            drawn; None: all of them. For training sets that were multiplied by augmentation.
        patience: A trial ends when its validation loss has not fallen for so many epochs; None: never.
        callbacks: Keras callbacks, or a function without arguments that makes them anew for
            each trial. Those that look at batches make a trial run through `model.fit`. A callback
            may set the learning rate of an epoch when it begins (`LearningRateScheduler`); what it
            sets at the end of an epoch is replaced by the schedule of the stage.
    """

    mode: str
    trials: int
    epochs: int
    learning_rate: float = 0.005
    decay: float | None = None
    batch_size: int = 1024
    min_learning_rate: float = 1e-4
    optimizer: str | keras.optimizers.Optimizer = "adam"
    loss: object = None
    weight_decay: float | None = None
    schedule: Callable[[int], float] | str | None = None
    ema: float | None = None
    samples_per_epoch: int | None = None
    patience: int | None = None
    callbacks: Sequence[keras.callbacks.Callback] | Callable = ()

    def __post_init__(self):
        check_mode(self.mode)
        for name in ("trials", "epochs", "batch_size"):
            object.__setattr__(self, name, positive_integer(getattr(self, name), name))
        if self.decay is None:
            object.__setattr__(self, "decay", _DECAYS[self.mode])
        for name in ("learning_rate", "decay", "min_learning_rate"):
            _check_rate(name, getattr(self, name), minimum_is_open=name != "min_learning_rate")
        if self.weight_decay is not None:
            _check_rate("weight_decay", self.weight_decay, minimum_is_open=False)
        for name in ("samples_per_epoch", "patience"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, positive_integer(getattr(self, name), name))
        if self.ema is not None and not (isinstance(self.ema, Real) and 0 < self.ema < 1):
            raise ValueError(f"`ema` must be a number between 0 and 1, or None. Received: ema={self.ema!r}")
        if not (self.schedule is None or self.schedule == COSINE or callable(self.schedule)):
            raise ValueError(f"`schedule` must be 'cosine', a function or None. Received: schedule={self.schedule!r}")

    def learning_rate_at(self, epoch: int) -> float:
        """The learning rate of an epoch, counted from 0."""
        if self.schedule == COSINE:
            share = (1 + math.cos(math.pi * epoch / max(self.epochs - 1, 1))) / 2
            return self.min_learning_rate + (self.learning_rate - self.min_learning_rate) * share
        if self.schedule is not None:
            return float(self.schedule(epoch))
        return max(self.min_learning_rate, self.learning_rate * self.decay**epoch)

    def make_optimizer(self) -> keras.optimizers.Optimizer:
        """A new optimizer with this stage's settings."""
        optimizer = keras.optimizers.get(self.optimizer)
        settings = {**optimizer.get_config(), "learning_rate": self.learning_rate_at(0)}
        if self.weight_decay is not None:
            settings["weight_decay"] = self.weight_decay
        return type(optimizer).from_config(settings)

    def loss_for(self, one_hot: bool):
        """The loss; the cross-entropy that fits the labels where none was given."""
        if self.loss is not None:
            return self.loss
        return "categorical_crossentropy" if one_hot else "sparse_categorical_crossentropy"

    def make_callbacks(self) -> list[keras.callbacks.Callback]:
        """The callbacks of one trial."""
        return list(self.callbacks() if callable(self.callbacks) else self.callbacks)

    def describe(self) -> dict:
        """The settings as JSON values; functions and objects by name and configuration."""
        return {field.name: _as_json(getattr(self, field.name)) for field in fields(self)}


def _check_rate(name, value, minimum_is_open):
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if is_number and math.isfinite(value) and (value > 0 or (value == 0 and not minimum_is_open)):
        return
    bound = "positive" if minimum_is_open else "zero or positive"
    raise ValueError(f"`{name}` must be a {bound} number. Received: {name}={value!r}")


def _as_json(value):
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    if isinstance(value, (list, tuple)):
        return [_as_json(item) for item in value]
    if hasattr(value, "get_config"):
        return {"class_name": type(value).__name__, "config": repr(value.get_config())}
    return getattr(value, "__qualname__", type(value).__qualname__)
