"""Layers of which nothing is left in inference."""

from collections.abc import Callable
from typing import Any

from keras_efficient.kinds.elementwise import unchanged_shape
from keras_efficient.kinds.fields import check_deviation, check_rate
from keras_efficient.kinds.kind import CHANNELS, TRAINING_ONLY, Kind
from keras_efficient.kinds.measures import Config, Shape
from keras_efficient.kinds.moves import UNMOVED
from keras_efficient.kinds.windows import unchanged_image


def _training_only(
    setting: str | None = None,
    check: Callable[[Any, str], Any] = check_rate,
    shape: Callable[[Config, Shape], Shape] = unchanged_shape,
    prunes: str | None = None,
    prepares: bool = False,
) -> Kind:
    """A layer whose `setting`, if it has one, must be given."""
    return Kind(
        TRAINING_ONLY,
        shape,
        settings={setting: check} if setting else {},
        required=(setting,) if setting else (),
        price=UNMOVED,
        form="",
        prunes=prunes,
        prepares=prepares,
        is_head=True,
    )


# They change the samples that a network is trained on.
AUGMENTATIONS = (
    *("RandomFlip", "RandomRotation", "RandomZoom", "RandomTranslation", "RandomShear", "RandomPerspective"),
    *("RandomContrast", "RandomBrightness", "RandomHue", "RandomSaturation", "RandomSharpness", "RandomColorJitter"),
    *("RandomColorDegeneration", "RandomGrayscale", "RandomInvert", "RandomPosterization", "RandomGaussianBlur"),
    *("RandomErasing", "RandomElasticTransform", "RandAugment", "AugMix", "CutMix", "MixUp"),
)
LAYERS = {
    **dict.fromkeys(AUGMENTATIONS, _training_only(prepares=True)),
    **dict.fromkeys(("Dropout", "SpatialDropout1D", "GaussianDropout"), _training_only("rate", prunes=CHANNELS)),
    "SpatialDropout2D": _training_only("rate", shape=unchanged_image, prunes=CHANNELS),
    "SpatialDropout3D": _training_only(prunes=CHANNELS),
    "AlphaDropout": _training_only(),
    "GaussianNoise": _training_only("stddev", check_deviation, prunes=CHANNELS),
    "ActivityRegularization": _training_only(),
    "Identity": _training_only(prunes=CHANNELS),
}
