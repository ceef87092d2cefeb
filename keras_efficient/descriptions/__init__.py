"""The network description language: items, their layers, their shapes. Nothing here imports Keras."""

from keras_efficient.descriptions.expand import check_input_shape, expand, expand_with_shapes
from keras_efficient.descriptions.files import Description, read_description
from keras_efficient.descriptions.letters import LETTERS
from keras_efficient.descriptions.specs import LayerSpec, layer_names
from keras_efficient.kinds.table import output_shape
from keras_efficient.kinds.windows import window_output_size

__all__ = [
    "Description",
    "LETTERS",
    "LayerSpec",
    "check_input_shape",
    "expand",
    "expand_with_shapes",
    "layer_names",
    "output_shape",
    "read_description",
    "window_output_size",
]
