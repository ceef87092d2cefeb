"""Layers whose cells stand for themselves, and those that only rename or border them. All of them
work in place."""

from __future__ import annotations

from keras_efficient.kinds.roles import RENAMING, TRAINING_ONLY
from keras_efficient.storage.prices.base import (
    FLOAT_BITS,
    Config,
    FeatureMap,
    Price,
    Weights,
    declared_bits,
    float_bits,
    in_place,
    same_bits,
)


def pixels(config: Config) -> str:
    return "pixels"


def activation_bits(config: Config, input_bits: int) -> int:
    """relu keeps a cell or makes it 0, so the codes of its input still do; other functions give
    floats."""
    return input_bits if config.get("activation") in ("relu", "linear", None) else FLOAT_BITS


def relu_bits(config: Config, input_bits: int) -> int:
    keeps_codes = not config.get("negative_slope") and not config.get("threshold") and config.get("max_value") is None
    return input_bits if keeps_codes else FLOAT_BITS


def normalization_weights(config: Config, source: FeatureMap) -> Weights:
    """Mean and variance, and gain and offset where there are any: one float a channel each."""
    return channel_vectors(config, source, 2)


def layer_normalization_weights(config: Config, source: FeatureMap) -> Weights:
    """Gain and offset where there are any: one float a channel each."""
    return channel_vectors(config, source, 0)


def channel_vectors(config: Config, source: FeatureMap, statistics: int) -> Weights:
    axis = config.get("axis", -1)
    if axis not in (-1, [-1], len(source.shape), [len(source.shape)]):
        raise ValueError(f"axis must be the last one. Received: axis={axis!r}")
    vectors = statistics + bool(config.get("scale", True)) + bool(config.get("center", True))
    parameters = vectors * source.shape[-1]
    return Weights(parameters, parameters * FLOAT_BITS)


def one_product_a_cell(config: Config, source: FeatureMap, target: FeatureMap) -> int:
    return target.cells


PRICES = {
    **dict.fromkeys((*TRAINING_ONLY, *RENAMING), Price(same_bits, in_place, streams=pixels)),
    "ActivationQ": Price(declared_bits, in_place, streams=pixels),
    "Activation": Price(activation_bits, in_place, streams=pixels),
    "ReLU": Price(relu_bits, in_place, streams=pixels),
    "LeakyReLU": Price(float_bits, in_place, streams=pixels),
    "Softmax": Price(float_bits, in_place),
    "BatchNormalization": Price(
        float_bits,
        in_place,
        weights=normalization_weights,
        products=one_product_a_cell,
        streams=pixels,
    ),
    "LayerNormalization": Price(
        float_bits,
        in_place,
        weights=layer_normalization_weights,
        products=lambda config, source, target: 2 * target.cells,  # the square of each cell, and its scale
    ),
    "Rescaling": Price(float_bits, in_place, products=one_product_a_cell, streams=pixels),
    "ZeroPadding2D": Price(same_bits, in_place),
    # A channel's result waits in a register while its cells are freed.
    "GlobalAveragePooling2D": Price(float_bits, in_place, streams=lambda config: "windows"),
    "GlobalAveragePooling1D": Price(float_bits, in_place, streams=lambda config: "windows"),
    "GlobalMaxPooling1D": Price(same_bits, in_place, streams=lambda config: "windows"),
    "GlobalMaxPooling2D": Price(same_bits, in_place, streams=lambda config: "windows"),
}
