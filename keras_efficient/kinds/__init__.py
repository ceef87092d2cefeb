"""The kinds of operations: what a layer or a function is known by. No Keras is imported."""

from keras_efficient.kinds.identity import Key, key_of, kind_name

__all__ = ["Key", "key_of", "kind_name"]
