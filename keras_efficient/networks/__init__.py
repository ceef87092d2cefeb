"""Keras models from descriptions, and the networks known by name."""

from keras_efficient.networks.build import build_network
from keras_efficient.networks.reference import DIGITS, MNIST_2KB

__all__ = ["DIGITS", "MNIST_2KB", "build_network"]
