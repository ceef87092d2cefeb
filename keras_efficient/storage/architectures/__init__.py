"""Reference architectures: what they are made of, and what they cost. No Keras."""

from keras_efficient.storage.architectures import drawings
from keras_efficient.storage.architectures.builder import ArchitectureBuilder
from keras_efficient.storage.architectures.cost import architecture_cost, break_even_size, check_image_shape
from keras_efficient.storage.architectures.drawings import find_architecture

__all__ = [
    "ArchitectureBuilder",
    "architecture_cost",
    "break_even_size",
    "check_image_shape",
    "drawings",
    "find_architecture",
]
