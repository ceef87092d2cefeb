"""From TensorFlow Model Optimization (tfmot) to Keras 3: its schedules, its pruned and its quantized models.

Nothing here imports tfmot, but for `import_tfmot`: the objects are read by what they have.
"""

from keras_efficient.compat.tfmot.importing import import_tfmot
from keras_efficient.compat.tfmot.models import convert_model
from keras_efficient.compat.tfmot.pruned import convert_schedule
from keras_efficient.compat.tfmot.quantized import FakeQuantize
from keras_efficient.compat.tfmot.ranges import activation_ranges, copy_ranges

schedule = convert_schedule  # the name in DESIGN.md

__all__ = [
    "FakeQuantize",
    "activation_ranges",
    "convert_model",
    "convert_schedule",
    "copy_ranges",
    "import_tfmot",
    "schedule",
]
