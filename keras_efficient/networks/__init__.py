"""Keras models from descriptions, the networks known by name and the reference architectures."""

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
from keras_efficient.networks.build import DIGITS, MNIST_2KB, build_network
from keras_efficient.networks.compression import Compression, compress

__all__ = [
    "DIGITS",
    "MNIST_2KB",
    "Compression",
    "acdc_convolution",
    "bottleneck_convolution",
    "build_architecture",
    "build_network",
    "compress",
    "mobilenet",
    "mobilenet_v2",
    "resnet8",
    "resnet18",
    "stage_names",
    "tiny_convnet",
    "wide_resnet",
]
