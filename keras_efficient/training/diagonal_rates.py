"""An optimizer that gives the factors of structured layers a learning rate and decay of their own."""

from collections.abc import Sequence
from contextlib import contextmanager

import keras
from keras import ops

from keras_efficient.checks import non_negative_number
from keras_efficient.copies.compiling import exclude
from keras_efficient.training.wrapped_optimizer import WrappedOptimizer
from keras_efficient.type_aliases import Config, Tensor


@keras.saving.register_keras_serializable(package="keras_efficient")
class DiagonalRates(WrappedOptimizer):
    """Wraps a Keras optimizer; the factors of ACDC layers and their kin take larger steps.

    With the step s that the wrapped optimizer takes for a variable v at its learning rate r:

        v <- v + s                                                  all other variables
        v <- v + learning_rate (s - r weight_decay W v)             factors (a, d, blocks)

    where W is the optimizer's own `weight_decay` (0 if it has none). A step is proportional to the
    learning rate for all optimizers of Keras, so `learning_rate` is a factor on it.

    Entries of a diagonal are near 1, those of a dense kernel near 1 / sqrt(N): the same step hardly
    moves a diagonal. The ACDC paper took 24 (a) and 12 (d) with SGD and no decay; for Adam 10 to 60
    work. A later study decays the factors by the ratio of their number to that of a dense matrix.

    Args:
        inner_optimizer: A Keras optimizer, not yet built. Its schedule, clipping, averaging,
            loss scale and so on work as always.
        learning_rate: Factor on the learning rate of the factors.
        weight_decay: Factor on the weight decay of the factors; `"compression"` is the number of
            a layer's factor entries divided by inputs x outputs (at most 1).
        name: Name of the optimizer.

    Raises:
        TypeError: If `inner_optimizer` is no Keras optimizer.
        ValueError: If a factor is negative, or the inner optimizer a `LossScaleOptimizer`.

    Example:

    >>> optimizer = DiagonalRates(keras.optimizers.AdamW(1e-3, clipnorm=1.0), learning_rate=30)
    """

    def __init__(
        self,
        inner_optimizer: keras.optimizers.Optimizer,
        learning_rate: float = 30.0,
        weight_decay: float | str = "compression",
        name: str | None = None,
    ):
        if not isinstance(inner_optimizer, keras.optimizers.Optimizer):
            raise TypeError(f"`inner_optimizer` must be a Keras optimizer. Received: {inner_optimizer!r}")
        super().__init__(inner_optimizer, name)
        self.learning_rate_factor = non_negative_number(learning_rate, "learning_rate")
        self.weight_decay_factor = weight_decay
        if weight_decay != "compression":
            self.weight_decay_factor = non_negative_number(weight_decay, "weight_decay")

    def build(self, variables: Sequence[keras.Variable]) -> None:
        """Create the state of the wrapped optimizer, which must not decay the factors itself."""
        if self.built:
            return
        factors = [variable for variable in variables if _is_factor(variable)]
        if factors and self.inner_optimizer.weight_decay:
            exclude(self.inner_optimizer, factors)
        self.inner_optimizer.build(variables)
        super().build(variables)

    def apply(self, grads: Sequence[Tensor], trainable_variables: Sequence[keras.Variable] | None = None) -> None:
        """One step of the wrapped optimizer, with that of the factors enlarged."""
        if trainable_variables is None:
            trainable_variables = self._trainable_variables
        trainable_variables = list(trainable_variables)
        self.build(trainable_variables)
        factors = [variable for variable in trainable_variables if _is_factor(variable)]
        before = [ops.copy(factor) for factor in factors]
        decays = [self._decay(factor) for factor in factors]
        with self._averages_later():
            self.inner_optimizer.apply(grads, trainable_variables)
        for factor, old, decay in zip(factors, before, decays, strict=True):
            step = ops.convert_to_tensor(factor) - old - decay * old
            new = old + self.learning_rate_factor * step
            factor.assign(new if factor.constraint is None else factor.constraint(new))
        if self.inner_optimizer.use_ema:
            self._average()

    @contextmanager
    def _averages_later(self):
        """The inner optimizer would average factors that are still on their way, and enlarge what it overwrites."""
        averages, self.inner_optimizer.use_ema = self.inner_optimizer.use_ema, False
        try:
            yield
        finally:
            self.inner_optimizer.use_ema = averages

    def _average(self):
        """What the inner optimizer does with its averages at the end of a step."""
        inner, step = self.inner_optimizer, self.iterations  # counted already
        momentum = ops.where(ops.equal(step, 1), 0.0, inner.ema_momentum)
        for variable, average in zip(inner._trainable_variables, inner._model_variables_moving_average, strict=True):
            if average is None:
                continue
            value, old = ops.convert_to_tensor(variable), ops.convert_to_tensor(average)
            new = old + ops.cast(1 - momentum, old.dtype) * (value - old)
            average.assign(new)
            if inner.ema_overwrite_frequency:
                is_due = ops.equal(step % inner.ema_overwrite_frequency, 0)
                variable.assign(ops.where(is_due, new, value))

    def _decay(self, factor):
        """The share of a factor that decays in this step, before the factor on the step."""
        inner = self.inner_optimizer
        if not inner.weight_decay:
            return 0.0
        own = self.weight_decay_factor
        own = getattr(factor, "compression_ratio", 1.0) if own == "compression" else own
        # Every call is a part of a step where gradients are accumulated.
        calls = inner.gradient_accumulation_steps or 1
        return ops.cast(inner.learning_rate, factor.dtype) * (inner.weight_decay * own / calls)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "learning_rate": self.learning_rate_factor,
            "weight_decay": self.weight_decay_factor,
        }


def _is_factor(variable: keras.Variable) -> bool:
    """Whether a variable is a diagonal or another factor of a structured layer."""
    return getattr(variable, "is_structured_factor", False)
