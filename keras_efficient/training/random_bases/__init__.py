"""Training in random subspaces: the optimizer `RandomBases`, and natural evolution strategies beside it."""

from keras_efficient.training.random_bases.evolution import train_nes
from keras_efficient.training.random_bases.optimizer import RandomBases

__all__ = ["RandomBases", "train_nes"]
