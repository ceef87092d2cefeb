"""The reference architectures, as functions of a builder, the map they start from and the classes; and by name.

Sources: Zagoruyko & Komodakis, "Wide Residual Networks", 2016; He et al., "Deep Residual Learning",
2016; Banbury et al., "MLPerf Tiny Benchmark", 2021 (ResNet-8); Howard et al., "MobileNets", 2017;
Sandler et al., "MobileNetV2", 2018; the tiny network is of the research log. All of them in their
forms for images of 32 x 32. Convolutions of which the log says that ACDC layers take their place are
`replaceable`; of ResNet-8, which is not in the log, the same ones as of ResNet18.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from keras_efficient.storage.architectures.builder import ArchitectureBuilder

# Filters, kernel size, strides.
TINY_CONVOLUTIONS = (
    *((24, 3, 1), (24, 3, 1), (24, 3, 2)),
    *((48, 3, 1), (48, 3, 1), (48, 3, 2), (48, 3, 1)),
    *((48, 1, 1), (48, 1, 1)),
)
# Filters, strides.
MOBILENET_BLOCKS = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *((512, 1),) * 5,
    *((1024, 2), (1024, 1)),
)
# Expansion, filters, blocks, strides of the first.
MOBILENET_V2_STAGES = (
    *((1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2)),
    *((6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)),
)


def tiny_convnet(build: ArchitectureBuilder, x: Any, classes: int) -> Any:
    """Seven 3x3 and two 1x1 convolutions, all of them replaceable."""
    for filters, kernel_size, strides in TINY_CONVOLUTIONS[:-1]:
        x = build.stage(x) if strides == 2 else x
        x = build.replaceable(x, filters, kernel_size, strides, use_bias=True)
        x = build.relu(build.normalized(x))
    filters, kernel_size, strides = TINY_CONVOLUTIONS[-1]
    x = build.replaceable(x, filters, kernel_size, strides, use_bias=True)
    return build.classified(build.stage(build.relu(x)), classes, counted=True)


def resnet18(build: ArchitectureBuilder, x: Any, classes: int) -> Any:
    """All is replaceable but the first convolution, the 1x1 convolutions of shortcuts too."""
    x = build.relu(build.normalized(build.convolution(x, 64, 3)), counted=False)
    for filters in (64, 128, 256, 512):
        for block in range(2):
            x = _basic_block(build, x, filters, 2 if filters > 64 and block == 0 else 1)
        x = build.stage(x)
    return build.classified(x, classes)


def _basic_block(build, x, filters, strides):
    y = build.normalized(build.replaceable(x, filters, 3, strides))
    y = build.normalized(build.replaceable(build.relu(y, counted=False), filters, 3))
    if strides > 1 or build.channels(x) != filters:
        x = build.normalized(build.replaceable(x, filters, 1, strides))
    return build.relu(build.added(x, y), counted=False)


def resnet8(build: ArchitectureBuilder, x: Any, classes: int) -> Any:
    """One block of two 3x3 convolutions in each of three stages; all is replaceable but the first convolution.

    Convolutions have biases, although normalizations follow most of them: so has MLPerf Tiny's. The
    1x1 convolutions of its shortcuts are not normalized.
    """
    x = build.relu(build.normalized(build.convolution(x, 16, 3, use_bias=True)), counted=False)
    for filters, strides in ((16, 1), (32, 2), (64, 2)):
        y = build.normalized(build.replaceable(x, filters, 3, strides, use_bias=True))
        y = build.relu(y, counted=False)
        y = build.normalized(build.replaceable(y, filters, 3, use_bias=True))
        if strides > 1:
            x = build.replaceable(x, filters, 1, strides, use_bias=True)
        x = build.stage(build.relu(build.added(x, y), counted=False))
    return build.classified(x, classes)


def wide_resnet(build: ArchitectureBuilder, x: Any, classes: int, depth: int, widen_factor: int) -> Any:
    """WRN(depth, widen factor): the 3x3 convolutions of its blocks are replaceable."""
    x = build.convolution(x, 16, 3)
    for stage in range(3):
        for block in range((depth - 4) // 6):
            x = _wide_block(build, x, 16 * widen_factor * 2**stage, 2 if stage and block == 0 else 1)
        x = build.stage(x)
    return build.classified(build.relu(build.normalized(x)), classes)


def _is_wide_resnet_depth(depth: int) -> bool:
    """Whether a wide residual network may have this depth: 6 n + 4 for n blocks a stage."""
    return depth >= 10 and depth % 6 == 4


def _wide_block(build, x, filters, strides):
    y = build.relu(build.normalized(x))
    if build.channels(x) != filters:
        x = build.convolution(y, filters, 1, strides)
    y = build.replaceable(y, filters, 3, strides)
    y = build.replaceable(build.relu(build.normalized(y)), filters, 3)
    return build.added(x, y)


def mobilenet(build: ArchitectureBuilder, x: Any, classes: int) -> Any:
    """The 1x1 convolutions are replaceable."""
    x = build.relu(build.normalized(build.convolution(x, 32, 3)), counted=False)
    for filters, strides in MOBILENET_BLOCKS:
        x = build.stage(x) if strides == 2 else x
        x = build.relu(build.normalized(build.depthwise(x, 3, strides)), counted=False)
        x = build.relu(build.normalized(build.replaceable(x, filters)), counted=False)
    return build.classified(build.stage(x), classes)


def mobilenet_v2(build: ArchitectureBuilder, x: Any, classes: int) -> Any:
    """The 1x1 convolutions that expand are replaceable, and the last one."""
    x = build.relu(build.normalized(build.convolution(x, 32, 3)), counted=False)
    for expansion, filters, blocks, strides in MOBILENET_V2_STAGES:
        x = build.stage(x) if strides == 2 else x
        for block in range(blocks):
            x = _inverted_block(build, x, expansion, filters, strides if block == 0 else 1)
    x = build.relu(build.normalized(build.replaceable(x, 1280)), counted=False)
    return build.classified(build.stage(x), classes)


def _inverted_block(build, x, expansion, filters, strides):
    y = build.replaceable(x, expansion * build.channels(x))
    y = build.depthwise(build.relu(build.normalized(y), counted=False), 3, strides)
    y = build.normalized(build.convolution(build.relu(build.normalized(y), counted=False), filters))
    if strides > 1:
        return y
    if build.channels(x) != filters:
        x = build.normalized(build.convolution(x, filters))
    return build.added(x, y)


def grouped_bottleneck(
    build: ArchitectureBuilder,
    x: Any,
    filters: int,
    kernel_size: int,
    strides: int,
    group_size: int = 8,
    reduction: int = 2,
) -> Any:
    """What takes the place of a convolution in the log's "G8B2": 1x1, grouped, 1x1.

    Source: Crowley, Gray & Storkey, "Moonshine: Distilling with Cheap Convolutions", 2018.
    """
    width = filters // reduction
    x = build.relu(build.normalized(build.convolution(x, width)), counted=False)
    x = build.convolution(x, width, kernel_size, strides, groups=width // group_size)
    return build.convolution(build.relu(build.normalized(x), counted=False), filters)


NETWORKS: dict[str, Callable[..., Any]] = {
    "tiny_convnet": tiny_convnet,
    "resnet18": resnet18,
    "resnet8": resnet8,
    "wrn_40_2": partial(wide_resnet, depth=40, widen_factor=2),
    "wrn_28_10": partial(wide_resnet, depth=28, widen_factor=10),
    "mobilenet": mobilenet,
    "mobilenet_v2": mobilenet_v2,
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
    if factor < 1 or not _is_wide_resnet_depth(depth):
        return None
    return partial(wide_resnet, depth=depth, widen_factor=factor)
