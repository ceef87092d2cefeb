"""How many weights a network may have that somebody else describes: counted before memory is taken."""

from collections.abc import Iterable, Mapping
from typing import Any

from keras_efficient.descriptions import LayerSpec
from keras_efficient.kinds.measures import FeatureMap, Shape

MOST_WEIGHTS = 2**28  # a GiB of float32


def check_weights(layers_with_shapes: Iterable[tuple[LayerSpec, Shape | None]], shape: Shape | None) -> None:
    """Raise a ValueError where layers have more than 2^28 weights; one without a price counts as none.

    Args:
        layers_with_shapes: As `descriptions.expand_with_shapes` gives them: each with the shape after it.
        shape: That of a sample.
    """
    count = 0
    for spec, after in layers_with_shapes:
        if spec.kind.is_priced and shape is not None:
            count += spec.price.weights(spec.config, FeatureMap(shape, 8)).parameters
        shape = after
    if count > MOST_WEIGHTS:
        raise ValueError(f"there would be {count:,} weights; networks of more than {MOST_WEIGHTS:,} are not built")


def check_layer_weights(class_name: str, config: Mapping[str, Any], inputs: int) -> None:
    """The same for one layer that reads so many numbers."""
    check_weights([(LayerSpec(class_name, dict(config)), None)], (inputs,))
