"""Pooling: channel by channel. A result waits in a register while its inputs are freed, so most run in place."""

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
Shaper = Callable[[Config, Shape], Shape]
Bits = Callable[[Config, int], int]
Streams = Callable[[Config], str]


def _without_overlap(config: Config) -> str:
    """Every pixel belongs to one output at most, so pixels can be summed up as they come."""
    flat = {key: first_of(config[key]) for key in ("pool_size", "strides") if key in config}
    window = read_window({**config, **flat}, "pool_size", default=2)
    apart = all(stride >= size for size, stride in zip(window.sizes, window.strides, strict=True))
    return "windows" if apart else "no"


def pooling(window: Window, shape: Shaper, bits: Bits, streams: Streams, **entry: Any) -> Kind:
    def steps(config: Config, source: FeatureMap, target: FeatureMap) -> tuple[Step, ...]:
        return (window_step(window(config, source.shape), source, target, by_channel=True),)

    return Kind(shape=shape, window=window, price=Price(bits, steps, streams=streams), prunes=CHANNELS, **entry)


def local(rank: int | None, bits: Bits, streams: Streams = _without_overlap, **entry: Any) -> Kind:
    """Windows that `pool_size` writes down."""
    window = sliding("pool_size", 2, rank)

    def shape(config: Config, shape: Shape) -> Shape:
        return (*window(config, shape).places(shape), shape[-1])

    return pooling(window, shape, bits, streams, **entry)


def _overall(rank: int | None, bits: Bits, streams: Streams = lambda config: "windows", **entry: Any) -> Kind:
    """One window over all places: each pixel joins the one output."""
    window = whole_map(rank)

    def shape(config: Config, shape: Shape) -> Shape:
        window(config, shape)  # refuses what it does not know
        return (*(1,) * (len(shape) - 1), shape[-1]) if config.get("keepdims") else (shape[-1],)

    return pooling(window, shape, bits, streams, **entry)


def _in_sums(config: Config) -> str:
    """Sums of codes are wider than the mean that is stored."""
    return "sums" if _without_overlap(config) == "windows" else "no"


MAXIMUM: dict[str, Any] = {"codes": KEEPS, "form": "MaxPooling"}
MEAN: dict[str, Any] = {
    "bits": quantized_output_bits,
    "streams": lambda config: "no",
    "form": "MeanPooling",
    "settings": {"activation_bits": check_bits},
}
OWN = {
    "AveragePoolingQ": local(3, declared_bits, _in_sums, form="AveragePooling", settings={"bits": check_bits}),
    "MeanPoolingQ": local(None, **MEAN),
    "GlobalMeanPoolingQ": _overall(None, **MEAN),
}
LAYERS = {
    **{f"MaxPooling{d}D": local(d + 1, same_bits, **MAXIMUM) for d in (1, 2)},
    **{f"GlobalMaxPooling{d}D": _overall(d + 1, same_bits, **MAXIMUM) for d in (1, 2)},
    **{f"AveragePooling{d}D": local(d + 1, float_bits, twin="MeanPoolingQ") for d in (1, 2)},
    **{f"GlobalAveragePooling{d}D": _overall(d + 1, float_bits, twin="GlobalMeanPoolingQ") for d in (1, 2)},
    **{f"{kind}Pooling3D": Kind(prunes=CHANNELS) for kind in ("Max", "Average", "GlobalMax", "GlobalAverage")},
}
