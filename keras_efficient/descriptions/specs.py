"""What a description becomes: one `LayerSpec` for each layer that the builder makes and the
calculator prices."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class LayerSpec:
    """One layer: the name of its class and the arguments to make it with (or what its
    ``get_config()`` returned)."""

    class_name: str
    config: dict[str, Any] = field(default_factory=dict)
