"""What a description becomes: one `LayerSpec` for each layer that the builder makes and the
calculator prices."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from keras_efficient.kinds.kind import Kind, Price
from keras_efficient.kinds.table import kind_of_class

# What Keras's layers call the weights that they multiply by.
KERNEL_NAMES = (
    "kernel",
    "recurrent_kernel",
    "depthwise_kernel",
    "pointwise_kernel",
    "embeddings",
    "reverse_embeddings",
)


@dataclass(frozen=True)
class LayerSpec:
    """One layer: the name of its class and the arguments to make it with (or what its
    ``get_config()`` returned)."""

    class_name: str
    config: dict[str, Any] = field(default_factory=dict)
    position: int = field(default=0, compare=False)  # of its item in the description, from 1
    # The kernels of a trained layer that hold zeros (`storage.sparse.StoredKernel`); a description has none.
    kernels: tuple = field(default=(), compare=False)

    @property
    def kind(self) -> Kind:
        """What the tools know of the class."""
        return kind_of_class(self.class_name)

    @property
    def price(self) -> Price:
        """What the class takes, of one that `is_priced`."""
        assert self.kind.price is not None
        return self.kind.price


def layer_names(specs: Iterable[LayerSpec]) -> list[str]:
    """The name of each layer: its own, or its class in snake case and a number ("conv_q_2").

    The same description gives the same names in every process, in the model and in the tables.
    """
    counts: Counter[str] = Counter()
    names = []
    for spec in specs:
        counts[spec.class_name] += 1
        names.append(str(spec.config.get("name") or f"{_snake_case(spec.class_name)}_{counts[spec.class_name]}"))
    return names


def _snake_case(class_name: str) -> str:
    words = re.findall(r"[A-Z0-9]+(?![a-z])|[A-Z]?[a-z]+", class_name.split(">")[-1])
    return "_".join(words).lower()
