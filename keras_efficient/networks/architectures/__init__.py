"""The reference architectures as Keras models, with convolutions that others can replace."""

from keras_efficient.networks.architectures.keras_builder import stage_names
from keras_efficient.networks.architectures.models import (
    acdc_convolution,
    bottleneck_convolution,
    build_architecture,
    mobilenet,
    mobilenet_v2,
    resnet8,
    resnet18,
    tiny_convnet,
    wide_resnet,
)

__all__ = [
    "acdc_convolution",
    "bottleneck_convolution",
    "build_architecture",
    "mobilenet",
    "mobilenet_v2",
    "resnet8",
    "resnet18",
    "stage_names",
    "tiny_convnet",
    "wide_resnet",
]
