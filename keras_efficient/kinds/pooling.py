"""Pooling: channel by channel. A result waits in a register while its inputs are freed, so most run in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras_efficient.kinds.fields import check_bits
from keras_efficient.kinds.kind import CHANNELS, KEEPS, Kind, Price
from keras_efficient.kinds.measures import (
    Config,
    FeatureMap,
    Shape,
    declared_bits,
    float_bits,
    quantized_output_bits,
    same_bits,
)
from keras_efficient.kinds.steps import Step
from keras_efficient.kinds.windows import Slide, first_of, read_window, sliding, whole_map, window_step

Window = Callable[[Config, Shape], Slide]
Shaper = Callable[[Window], Callable[[Config, Shape], Shape]]
Bits = Callable[[Config, int], int]


def pooling_shape(window: Window) -> Callable[[Config, Shape], Shape]:
    def shape(config: Config, shape: Shape) -> Shape:
        return (*window(config, shape).places(shape), shape[-1])

    return shape


def global_shape(window: Window) -> Callable[[Config, Shape], Shape]:
    def shape(config: Config, shape: Shape) -> Shape:
        window(config, shape)  # refuses what it does not know
        return (*(1,) * (len(shape) - 1), shape[-1]) if config.get("keepdims") else (shape[-1],)

    return shape


def pooling_steps(window: Window) -> Callable[[Config, FeatureMap, FeatureMap], tuple[Step, ...]]:
    def steps(config: Config, source: FeatureMap, target: FeatureMap) -> tuple[Step, ...]:
        return (window_step(window(config, source.shape), source, target, by_channel=True),)

    return steps


def without_overlap(config: Config) -> str:
    """Every pixel belongs to one output at most, so pixels can be summed up as they come."""
    flat = {key: first_of(config[key]) for key in ("pool_size", "strides") if key in config}
    window = read_window({**config, **flat}, "pool_size", default=2)
    apart = all(stride >= size for size, stride in zip(window.sizes, window.strides, strict=True))
    return "windows" if apart else "no"


def in_sums(config: Config) -> str:
    """Sums of codes are wider than the mean that is stored."""
    return "sums" if without_overlap(config) == "windows" else "no"


def joining(config: Config) -> str:
    """Each pixel joins the one output."""
    return "windows"


def waiting(config: Config) -> str:
    """The whole map is needed."""
    return "no"


def pooling(window: Window, shape: Shaper, bits: Bits, streams: Callable[[Config], str], **entry: Any) -> Kind:
    price = Price(bits, pooling_steps(window), streams=streams)
    return Kind(shape=shape(window), window=window, price=price, prunes=CHANNELS, **entry)


def local(rank: int | None, bits: Bits, streams: Callable[[Config], str] = without_overlap, **entry: Any) -> Kind:
    """Windows that `pool_size` writes down."""
    return pooling(sliding("pool_size", 2, rank), pooling_shape, bits, streams, **entry)


def overall(rank: int | None, bits: Bits, streams: Callable[[Config], str] = joining, **entry: Any) -> Kind:
    """One window over all places."""
    return pooling(whole_map(rank), global_shape, bits, streams, **entry)


MAXIMUM: dict[str, Any] = {"codes": KEEPS, "form": "MaxPooling"}
MEAN: dict[str, Any] = {"form": "MeanPooling", "settings": {"activation_bits": check_bits}}
OWN = {
    "AveragePoolingQ": local(3, declared_bits, in_sums, form="AveragePooling", settings={"bits": check_bits}),
    "MeanPoolingQ": local(None, quantized_output_bits, waiting, **MEAN),
    "GlobalMeanPoolingQ": overall(None, quantized_output_bits, waiting, **MEAN),
}
LAYERS = {
    **{f"MaxPooling{d}D": local(d + 1, same_bits, **MAXIMUM) for d in (1, 2)},
    **{f"GlobalMaxPooling{d}D": overall(d + 1, same_bits, **MAXIMUM) for d in (1, 2)},
    **{f"AveragePooling{d}D": local(d + 1, float_bits, twin="MeanPoolingQ") for d in (1, 2)},
    **{f"GlobalAveragePooling{d}D": overall(d + 1, float_bits, twin="GlobalMeanPoolingQ") for d in (1, 2)},
    **{f"{kind}Pooling3D": Kind(prunes=CHANNELS) for kind in ("Max", "Average", "GlobalMax", "GlobalAverage")},
}
