"""Bytes and multiply-adds of a network before it is trained. Nothing here imports Keras."""

from keras_efficient.storage.architectures import architecture_cost, break_even_size
from keras_efficient.storage.arithmetic_2019 import compute_storage
from keras_efficient.storage.chains import UnknownLayerError
from keras_efficient.storage.estimate import estimate_storage
from keras_efficient.storage.liveness import exact_slack
from keras_efficient.storage.report import LayerStorage, StorageReport
from keras_efficient.storage.slack_2019 import convolution_slack

__all__ = [
    "LayerStorage",
    "StorageReport",
    "UnknownLayerError",
    "architecture_cost",
    "break_even_size",
    "compute_storage",
    "convolution_slack",
    "estimate_storage",
    "exact_slack",
]
