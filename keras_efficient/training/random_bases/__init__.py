"""Training in random subspaces: the optimizer, workers that exchange coordinates, evolution strategies beside it."""

from keras_efficient.training.random_bases.evolution import train_nes
from keras_efficient.training.random_bases.optimizer import RandomBases
from keras_efficient.training.random_bases.workers import CoordinateWorkers

__all__ = ["CoordinateWorkers", "RandomBases", "train_nes"]
