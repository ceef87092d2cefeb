"""Items that are a layer object, {"class_name": ..., "config": {...}}, as `keras.layers.serialize`
writes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from keras_efficient.descriptions.fields import (
    check_bits,
    check_deviation,
    check_optional_bits,
    check_rate,
    check_size,
    required,
)
from keras_efficient.descriptions.specs import LayerSpec

FORM = '{"class_name": "Dense", "config": {"units": 10}}'
KEYS = ("class_name", "config")
# What keras.layers.serialize adds; the class name and the configuration say it all.
IGNORED_KEYS = ("module", "registered_name", "build_config")
PACKAGE_PREFIX = "keras_efficient>"

QUANTIZER_BITS = ("kernel_bits", "bias_bits", "activation_bits")
LOW_RANK = ("LPHMDense", "DualLPHMDense", "LowRankDense", "TaylorDualLPHM")
RANDOM_BASES = ("RandomBasisDense", "RandomBasisConv2D")
ACDC_KIN = ("ACDC", "ACDCDense", "ACDCConv2D", "AFDF", "BlockACDC", "BlockAFDF", "GroupedShuffleDense")
DROPOUTS = ("Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianDropout")

# (classes, settings, check): what the shapes do not touch, and what would otherwise only fail when the network is
# built, or never where it is only priced.
CHECKS: tuple[tuple[tuple[str, ...], tuple[str, ...], Callable[[Any, str], Any]], ...] = (
    (("DenseQ", "ConvQ", "Conv1DQ", "DepthwiseConvQ", "ResidualQ"), QUANTIZER_BITS, check_bits),
    (("MeanPoolingQ", "GlobalMeanPoolingQ"), ("activation_bits",), check_bits),
    (("ActivationQ", "AveragePoolingQ", "InputQ"), ("bits",), check_bits),
    ((*ACDC_KIN, *LOW_RANK, "PHMDense", "PHMConv2D"), QUANTIZER_BITS, check_optional_bits),
    (RANDOM_BASES, ("coordinate_bits", "bias_bits"), check_optional_bits),
    (LOW_RANK, ("rank",), check_size),
    (("PHMDense", "PHMConv2D"), ("terms",), check_size),
    (("ACDCDense", "ACDCConv2D", "GroupedShuffleDense"), ("depth", "groups"), check_size),
    (RANDOM_BASES, ("dimensions",), check_size),
    (("SeparableConv2D",), ("depth_multiplier",), check_size),
    (DROPOUTS, ("rate",), check_rate),
    (("GaussianNoise",), ("stddev",), check_deviation),
)
# What has no default, beside what the shapes ask for.
REQUIRED = {
    **dict.fromkeys(LOW_RANK, "rank"),
    **dict.fromkeys(RANDOM_BASES, "dimensions"),
    **dict.fromkeys(DROPOUTS, "rate"),
    "GaussianNoise": "stddev",
}


def read_object(item: Mapping[str, Any]) -> LayerSpec:
    """The spec of a layer object. The name of a class may carry this package's prefix, as saved
    files have it."""
    unknown = [key for key in item if key not in (*KEYS, *IGNORED_KEYS)]
    if unknown:
        raise ValueError(f"unknown keys {unknown}")
    class_name, config = item.get("class_name"), item.get("config", {})
    if not isinstance(class_name, str) or not class_name:
        raise ValueError(f'"class_name" must be the name of a layer class. Received: {class_name!r}')
    if not isinstance(config, Mapping) or not all(isinstance(key, str) for key in config):
        raise ValueError(f'"config" must be an object of the layer\'s arguments. Received: {config!r}')
    class_name = class_name.removeprefix(PACKAGE_PREFIX)
    check_settings(class_name, config)
    return LayerSpec(class_name, dict(config))


def check_settings(class_name: str, config: Mapping[str, Any]) -> None:
    if class_name in REQUIRED:
        required(config, REQUIRED[class_name])
    for classes, keys, check in CHECKS:
        for key in keys:
            if class_name in classes and key in config:
                check(config[key], key)
