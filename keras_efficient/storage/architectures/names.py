"""The architectures that are known by name."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from keras_efficient.storage.architectures import drawings

NETWORKS: dict[str, Callable[..., Any]] = {
    "tiny_convnet": drawings.tiny_convnet,
    "resnet18": drawings.resnet18,
    "resnet8": drawings.resnet8,
    "wrn_40_2": partial(drawings.wide_resnet, depth=40, widen_factor=2),
    "wrn_28_10": partial(drawings.wide_resnet, depth=28, widen_factor=10),
    "mobilenet": drawings.mobilenet,
    "mobilenet_v2": drawings.mobilenet_v2,
}
REPLACEMENTS = ("acdc", "g8b2")  # the second of wide residual networks only


class Architecture(NamedTuple):
    """A network, drawn by (builder, map, classes), and what its replaceable convolutions become.

    `replacement` is "acdc", "g8b2" or None.
    """

    draw: Callable[..., Any]
    replacement: str | None


def known_names() -> list[str]:
    """Every name but those of other wide residual networks."""
    with_replacement = [f"{name}_{each}" for each in REPLACEMENTS for name in NETWORKS if takes(name, each)]
    return [*NETWORKS, *with_replacement]


def takes(network: str, replacement: str | None) -> bool:
    """Whether the log replaces convolutions of this network in this way."""
    return replacement != "g8b2" or network.startswith("wrn_")


def find_architecture(name: str) -> Architecture:
    """The architecture of a name such as "wrn_28_10_acdc".

    Raises:
        ValueError: If the name is not known; the text lists those that are.
    """
    if isinstance(name, str):
        network, _, last = name.rpartition("_")
        network, replacement = (network, last) if last in REPLACEMENTS else (name, None)
        draw = NETWORKS.get(network) or _wide_resnet(network)
        if draw is not None and takes(network, replacement):
            return Architecture(draw, replacement)
    raise ValueError(
        f"name must be one of {', '.join(known_names())}, or wrn_DEPTH_FACTOR with a depth of 6 n + 4. "
        f"Received: name={name!r}"
    )


def _wide_resnet(network: str) -> Callable[..., Any] | None:
    numbers = re.fullmatch(r"wrn_(\d{1,4})_(\d{1,4})", network)
    depth, factor = map(int, numbers.groups()) if numbers else (0, 0)
    if factor < 1 or not drawings.is_wide_resnet_depth(depth):
        return None
    return partial(drawings.wide_resnet, depth=depth, widen_factor=factor)
