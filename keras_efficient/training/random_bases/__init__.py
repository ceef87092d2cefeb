"""Training in random subspaces: the optimizer, and workers that exchange coordinates."""

from keras_efficient.training.random_bases.optimizer import RandomBases
from keras_efficient.training.random_bases.workers import CoordinateWorkers

__all__ = ["CoordinateWorkers", "RandomBases"]
