"""The layers a user adds to a model."""

from keras_efficient.layers.quantized.activation import ActivationQ
from keras_efficient.layers.quantized.average_pooling import AveragePoolingQ
from keras_efficient.layers.quantized.conv import ConvQ
from keras_efficient.layers.quantized.dense import DenseQ
from keras_efficient.layers.quantized.depthwise_conv import DepthwiseConvQ
from keras_efficient.layers.quantized.residual import ResidualQ

__all__ = [
    "ActivationQ",
    "AveragePoolingQ",
    "ConvQ",
    "DenseQ",
    "DepthwiseConvQ",
    "ResidualQ",
]
