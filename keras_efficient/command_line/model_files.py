"""Files of models and of arrays that a command is given."""

from pathlib import Path

import keras
import numpy as np

from keras_efficient.outside_files import check_plain_file
from keras_efficient.outside_models import check_model_file


def load_model(path: Path) -> keras.Model:
    try:
        check_model_file(path)
        return keras.saving.load_model(path, compile=False)
    except FileNotFoundError:
        raise
    except Exception as error:  # whatever a file that is no model makes Keras say
        raise ValueError(f"'{path}' cannot be loaded as a Keras model: {error}") from error


def read_samples(path: Path) -> np.ndarray:
    check_plain_file(path, ".npy file")
    try:
        # Mapped, the file cannot be shorter than its header says: no memory is asked for that no number fills.
        samples = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # what a file that is no array makes numpy say
        raise ValueError(f"'{path}' is no .npy file with an array of numbers: {error}") from error
    if not isinstance(samples, np.ndarray) or not samples.ndim:
        found = "one number" if isinstance(samples, np.ndarray) else type(samples).__name__
        raise ValueError(f"'{path}' must hold one array (samples, ...). Received: {found}")
    return samples
