"""Epochs in C, for the layers of the description language: built at first use, checked against Keras in the tests."""

from keras_efficient.training.engines.compiled.engine import CompiledEngine, check_support
from keras_efficient.training.engines.compiled.library import LibraryError, load_library, threads
from keras_efficient.training.engines.compiled.support import NotSupportedError

__all__ = ["CompiledEngine", "LibraryError", "NotSupportedError", "check_support", "load_library", "threads"]
