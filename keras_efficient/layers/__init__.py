"""The layers a user adds to a model."""

from keras_efficient.layers.acdc.acdc import ACDC
from keras_efficient.layers.acdc.acdc_conv import ACDCConv2D
from keras_efficient.layers.acdc.acdc_dense import ACDCDense
from keras_efficient.layers.acdc.comparison_layer import AFDF, BlockACDC, BlockAFDF
from keras_efficient.layers.acdc.grouped_shuffle_dense import GroupedShuffleDense
from keras_efficient.layers.kronecker.kronecker_dense import DualLPHMDense, LPHMDense, PHMDense
from keras_efficient.layers.kronecker.low_rank_dense import LowRankDense
from keras_efficient.layers.kronecker.monarch_dense import MonarchDense
from keras_efficient.layers.kronecker.phm_conv2d import PHMConv2D
from keras_efficient.layers.kronecker.taylor_dual_lphm import TaylorDualLPHM
from keras_efficient.layers.quantized.activation import ActivationQ, InputQ
from keras_efficient.layers.quantized.conv import Conv1DQ, ConvQ
from keras_efficient.layers.quantized.conv_transpose import Conv1DTransposeQ, Conv2DTransposeQ
from keras_efficient.layers.quantized.dense import DenseQ
from keras_efficient.layers.quantized.depthwise_conv import DepthwiseConv1DQ, DepthwiseConvQ
from keras_efficient.layers.quantized.mean_pooling import AveragePoolingQ, GlobalMeanPoolingQ, MeanPoolingQ
from keras_efficient.layers.quantized.merging import (
    AddQ,
    AverageQ,
    ConcatenateQ,
    MaximumQ,
    MinimumQ,
    MultiplyQ,
    SubtractQ,
)
from keras_efficient.layers.quantized.residual import ResidualQ
from keras_efficient.layers.quantized.scale import ScaleQ
from keras_efficient.layers.random_basis.random_basis import RandomBasisConv2D, RandomBasisDense

__all__ = [
    "ACDC",
    "ACDCConv2D",
    "ACDCDense",
    "AFDF",
    "ActivationQ",
    "AddQ",
    "AveragePoolingQ",
    "AverageQ",
    "BlockACDC",
    "BlockAFDF",
    "ConcatenateQ",
    "Conv1DQ",
    "Conv1DTransposeQ",
    "Conv2DTransposeQ",
    "ConvQ",
    "DenseQ",
    "DepthwiseConv1DQ",
    "DepthwiseConvQ",
    "DualLPHMDense",
    "GlobalMeanPoolingQ",
    "GroupedShuffleDense",
    "InputQ",
    "LPHMDense",
    "LowRankDense",
    "MaximumQ",
    "MeanPoolingQ",
    "MinimumQ",
    "MonarchDense",
    "MultiplyQ",
    "PHMConv2D",
    "PHMDense",
    "RandomBasisConv2D",
    "RandomBasisDense",
    "ResidualQ",
    "ScaleQ",
    "SubtractQ",
    "TaylorDualLPHM",
]
