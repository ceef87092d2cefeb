"""`keras-efficient export --target litert`."""

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from keras_efficient.command_line.model_files import read_samples
from keras_efficient.datasets import Dataset, load_dataset
from keras_efficient.export import LitertReport, export_litert
from keras_efficient.export.litert import check_backend
from keras_efficient.export.litert_report import litert_outputs
from keras_efficient.reading.network import model_input_shape
from keras_efficient.startup import held_back_errors

LITERT_FILE = "model.tflite"
DIGITS, DIGITS_SHAPE = "digits", (8, 8, 1)
REPRESENTATIVE_SAMPLES = 1_000  # more hardly move a range


@dataclass(frozen=True)
class LitertVerification:
    """How near the file's outputs are to Keras's; nothing has to be equal."""

    samples: int
    same_class: int
    mean_difference: float
    largest_difference: float
    passed: bool = True

    def __str__(self) -> str:
        return (
            f"LiteRT on this computer: the class of Keras for {self.same_class} of {self.samples} inputs; outputs "
            f"differ by {self.mean_difference:.2g} on average, {self.largest_difference:.2g} at most"
        )


def check_litert() -> None:
    """A ValueError where nothing here can convert."""
    try:
        check_backend()
    except RuntimeError as error:
        raise ValueError(str(error)) from error


def run_litert(
    network: keras.Model,
    out: Path,
    samples: Path | None,
    dataset: str | None,
    data_dir: Path | None,
    images: int,
    verify: bool,
) -> tuple[LitertReport, LitertVerification | None]:
    shape = model_input_shape(network)
    if samples is not None:
        first = others = read_samples(samples)
    elif dataset is not None or shape == DIGITS_SHAPE:
        data = fitting_dataset(dataset or DIGITS, data_dir, network)
        first, others = data.x_train, data.x_val
    else:
        raise ValueError(
            "`--target litert` needs inputs that show the ranges: `--samples FILE.npy`, an array (samples, "
            f"{', '.join(map(str, shape))}) as the model takes them, or `--dataset`. Received: none"
        )
    with held_back_errors():  # the converter reports its settings; what it refuses is in the error
        report = export_litert(network, out / LITERT_FILE, first[:REPRESENTATIVE_SAMPLES])
        return report, compare_litert(network, out / LITERT_FILE, others[:images]) if verify else None


def compare_litert(network: keras.Model, path: Path, samples: np.ndarray) -> LitertVerification:
    ours = network.predict(samples, verbose=0).reshape(len(samples), -1)
    theirs = litert_outputs(path.read_bytes(), samples).reshape(len(samples), -1)
    differences = np.abs(ours - theirs)
    same = int(np.sum(ours.argmax(axis=1) == theirs.argmax(axis=1)))
    return LitertVerification(len(samples), same, float(differences.mean()), float(differences.max()))


def fitting_dataset(name: str, data_dir: Path | None, network: keras.Model) -> Dataset:
    """A data set whose inputs the model takes."""
    data, shape = load_dataset(name, data_dir), model_input_shape(network)
    if data.x_train.shape[1:] != shape:
        raise ValueError(f"`--dataset` {name} has images of {data.x_train.shape[1:]}, the model takes {shape}")
    return data
