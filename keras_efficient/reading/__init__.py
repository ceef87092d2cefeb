"""Reads a Keras model into one graph, by its attributes alone: Keras is not imported.

keras_private   what Keras keeps to itself, each piece with a test
graph           the graph: values, nodes, who reads what
read            from a model to its graph, inner models written out
functions       functions and operators as the layers that compute the same
"""

from keras_efficient.reading.graph import ModelGraph, Node
from keras_efficient.reading.read import read_model
from keras_efficient.reading.value import Value

__all__ = ["ModelGraph", "Node", "Value", "read_model"]
