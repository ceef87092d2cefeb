"""Pure tensor functions on `keras.ops`: no state, no classes, the same numbers on every backend."""

from keras_efficient.ops.blocks import monarch
from keras_efficient.ops.covering import covering_log2_scale, quantize_covering
from keras_efficient.ops.dct import dct, dct_matrix, idct
from keras_efficient.ops.depthwise_conv import depthwise_conv
from keras_efficient.ops.hashing import hashed_normals, hashed_signs, hashed_uniform, hashed_words
from keras_efficient.ops.kronecker import (
    kronecker_conv,
    kronecker_dual_low_rank,
    kronecker_low_rank,
    kronecker_sum,
    low_rank,
)
from keras_efficient.ops.permute import permute, random_order, riffle_order
from keras_efficient.ops.quantize import code_range, power_of_two, quantize, to_codes
from keras_efficient.ops.separable_dct import dct2d, idct2d
from keras_efficient.ops.sketches import strided_expand, strided_project
from keras_efficient.ops.taylor import taylor_kronecker, taylor_moments, taylor_tinybig
from keras_efficient.ops.tinybig_layout import tinybig_product

__all__ = [
    "code_range",
    "covering_log2_scale",
    "dct",
    "dct2d",
    "dct_matrix",
    "depthwise_conv",
    "hashed_normals",
    "hashed_signs",
    "hashed_uniform",
    "hashed_words",
    "idct",
    "idct2d",
    "kronecker_conv",
    "kronecker_dual_low_rank",
    "kronecker_low_rank",
    "kronecker_sum",
    "low_rank",
    "monarch",
    "permute",
    "power_of_two",
    "quantize",
    "quantize_covering",
    "random_order",
    "riffle_order",
    "strided_expand",
    "strided_project",
    "taylor_kronecker",
    "taylor_moments",
    "taylor_tinybig",
    "tinybig_product",
    "to_codes",
]
