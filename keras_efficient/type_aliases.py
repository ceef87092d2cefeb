"""Names of the types that several packages share, and for which Keras has none."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

# A tensor or variable of whichever backend is at work, or a symbolic one: they have no common class.
Tensor: TypeAlias = Any
# Sizes along the axes; None is a size that is not known, such as the batch's.
Shape: TypeAlias = tuple[int | None, ...]
# What a model takes: an array, or a list or dictionary of them where it has several inputs.
Inputs: TypeAlias = np.ndarray | Sequence[np.ndarray] | Mapping[str, np.ndarray]
# What `get_config` gives: an object as JSON.
Config: TypeAlias = dict[str, Any]
# Whether the grid of an output has negative codes; "auto" asks the activation.
SignedOutput: TypeAlias = bool | Literal["auto"]
# What Keras's `get` functions take: a name, a config, a function or an object of the kind.
Activation: TypeAlias = str | Config | Callable[[Tensor], Tensor] | None
Initializer: TypeAlias = str | Config | Callable[..., Tensor] | None
Regularizer: TypeAlias = str | Config | Callable[[Tensor], Tensor] | None
Constraint: TypeAlias = str | Config | Callable[[Tensor], Tensor] | None
