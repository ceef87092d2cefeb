"""Data sets with fixed splits, tables of your own, and elastic augmentation of images."""

from keras_efficient.datasets.augmentation import augment, elastic, flipped
from keras_efficient.datasets.loading import DATASETS, load_dataset
from keras_efficient.datasets.splits import Dataset
from keras_efficient.datasets.tables import load_table
from keras_efficient.datasets.warping import Affine

__all__ = ["DATASETS", "Affine", "Dataset", "augment", "elastic", "flipped", "load_dataset", "load_table"]
