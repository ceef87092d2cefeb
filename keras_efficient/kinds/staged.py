"""Kinds of layers that are priced as their stages."""

from __future__ import annotations

from typing import Any

from keras_efficient.kinds.kind import Kind, Price
from keras_efficient.kinds.measures import Config, FeatureMap, Weights
from keras_efficient.kinds.stages import Stage, Stages, fixed_bits, stage_padding, stage_steps
from keras_efficient.kinds.steps import Step


def in_stages(stages: Stages, price: Price, **entry: Any) -> Kind:
    """A kind that is priced as its stages, where it has any."""

    def stages_of(config: Config, source: FeatureMap) -> tuple[Stage, ...]:
        return stages(config, source.shape)

    def weights(config: Config, source: FeatureMap) -> Weights:
        plain = price.weights(config, source)
        return plain._replace(bits=plain.bits + fixed_bits(stages_of(config, source)))

    def steps(config: Config, source: FeatureMap, target: FeatureMap) -> tuple[Step, ...]:
        found = stages_of(config, source)
        return stage_steps(found, source, target) if found else price.steps(config, source, target)

    def padding(config: Config, source: FeatureMap) -> int:
        return stage_padding(stages_of(config, source), config, source.bits)

    return Kind(
        stages=stages, form="Stages", price=price._replace(steps=steps, weights=weights, padding=padding), **entry
    )
