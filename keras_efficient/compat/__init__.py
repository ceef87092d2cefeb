"""Files and objects of other projects."""

from keras_efficient.compat import tfmot, tinybig
from keras_efficient.compat.checkpoints_2019 import load_2019

__all__ = ["load_2019", "tfmot", "tinybig"]
