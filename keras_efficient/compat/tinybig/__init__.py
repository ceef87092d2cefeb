"""The package tinyBIG: its flat parameter vectors and its network files. It is not imported."""

from keras_efficient.compat.tinybig.network import load_network
from keras_efficient.compat.tinybig.parameters import draw_parameters, make_layer, read_parameters, write_parameters

__all__ = ["draw_parameters", "load_network", "make_layer", "read_parameters", "write_parameters"]
