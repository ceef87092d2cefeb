"""Items that are a layer object, {"class_name": ..., "config": {...}}, as `keras.layers.serialize`
writes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from keras_efficient.descriptions.fields import check_bits, check_deviation, check_rate
from keras_efficient.descriptions.specs import LayerSpec

FORM = '{"class_name": "Dense", "config": {"units": 10}}'
KEYS = ("class_name", "config")
# What keras.layers.serialize adds; the class name and the configuration say it all.
IGNORED_KEYS = ("module", "registered_name", "build_config")
PACKAGE_PREFIX = "keras_efficient>"

# Settings that the shapes do not touch, and that would otherwise only fail when the network is
# built.
CHECKS: dict[str, dict[str, Callable[[Any, str], Any]]] = {
    **dict.fromkeys(
        ("DenseQ", "ConvQ", "DepthwiseConvQ", "ResidualQ"),
        dict.fromkeys(("kernel_bits", "bias_bits", "activation_bits"), check_bits),
    ),
    **dict.fromkeys(("ActivationQ", "AveragePoolingQ"), {"bits": check_bits}),
    **dict.fromkeys(("Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianDropout"), {"rate": check_rate}),
    "GaussianNoise": {"stddev": check_deviation},
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
    for key, check in CHECKS.get(class_name, {}).items():
        if key in config:
            check(config[key], key)
    return LayerSpec(class_name, dict(config))
