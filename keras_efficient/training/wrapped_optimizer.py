"""What the optimizers around another one share: its state, clock, rate and loss scale are theirs."""

from collections.abc import Sequence
from typing import Any, Self

import keras

from keras_efficient.type_aliases import Config, Tensor


class WrappedOptimizer(keras.optimizers.Optimizer):
    """A Keras optimizer around another one (not yet built), whose iterations, learning rate, loss scale and averages
    are its own. Subclasses say in `apply` what they add to its step.

    A ValueError if `inner_optimizer` is a `LossScaleOptimizer`, which goes around this one.
    """

    def __init__(self, inner_optimizer: keras.optimizers.Optimizer, name: str | None = None):
        super().__init__(learning_rate=0.0, name=name)
        if isinstance(inner_optimizer, keras.optimizers.LossScaleOptimizer):
            own = type(self).__name__
            raise ValueError(
                f"A LossScaleOptimizer goes around {own}, not into it: LossScaleOptimizer({own}(...)). "
                f"Received: inner_optimizer={inner_optimizer!r}"
            )
        self.inner_optimizer = inner_optimizer

    @property
    def variables(self) -> list[keras.Variable]:
        return self._variables + self.inner_optimizer.variables

    @property
    def iterations(self) -> keras.Variable:
        return self.inner_optimizer.iterations

    @property
    def learning_rate(self) -> Any:
        """That of the inner optimizer."""
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate: Any) -> None:
        self.inner_optimizer.learning_rate = learning_rate

    @property
    def loss_scale_factor(self) -> float | None:
        """That of the inner optimizer, which divides the gradients by it."""
        return self.inner_optimizer.loss_scale_factor if hasattr(self, "inner_optimizer") else None

    @loss_scale_factor.setter
    def loss_scale_factor(self, value: float | None) -> None:
        # Keras's own constructor sets it before there is an inner optimizer.
        if hasattr(self, "inner_optimizer"):
            self.inner_optimizer.loss_scale_factor = value

    def exclude_from_weight_decay(
        self, var_list: Sequence[keras.Variable] | None = None, var_names: Sequence[str] | None = None
    ) -> None:
        """As the inner optimizer does, whose decay it is."""
        self.inner_optimizer.exclude_from_weight_decay(var_list, var_names)

    def scale_loss(self, loss: Tensor) -> Tensor:
        return self.inner_optimizer.scale_loss(loss)

    def finalize_variable_values(self, var_list: Sequence[keras.Variable]) -> None:
        """As the inner optimizer does (its averages, if it keeps any)."""
        self.inner_optimizer.finalize_variable_values(var_list)

    def get_config(self) -> Config:
        inner = keras.saving.serialize_keras_object(self.inner_optimizer)
        return {"name": self.name, "inner_optimizer": inner}

    @classmethod
    def from_config(cls, config: Config, custom_objects: dict[str, Any] | None = None) -> Self:
        inner = keras.saving.deserialize_keras_object(config["inner_optimizer"], custom_objects=custom_objects)
        return cls(**{**config, "inner_optimizer": inner})
