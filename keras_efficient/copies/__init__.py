"""Copies of Keras models that compute what the original computes.

rebuild     calls the operations of a model again, others in their place
layers      one layer again, with its weights and what `adapt` left
compiling   loss, metrics and settings of a compiled model
"""

from keras_efficient.copies.compiling import copy_compiling
from keras_efficient.copies.layers import carry_weights, copy_of
from keras_efficient.copies.rebuild import Rebuilder, check_model, loadable, replace_layers

__all__ = ["Rebuilder", "carry_weights", "check_model", "copy_compiling", "copy_of", "loadable", "replace_layers"]
