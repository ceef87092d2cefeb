"""`keras-efficient export --target litert`."""

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from keras_efficient.command_line.export_options import DIGITS, DIGITS_SHAPE, ExportArguments, fitting_dataset
from keras_efficient.command_line.model_files import load_model, read_samples
from keras_efficient.export import LitertReport, export_litert
from keras_efficient.export.litert import check_backend
from keras_efficient.export.litert_report import litert_outputs
from keras_efficient.reading.network import model_input_shape
from keras_efficient.startup import held_back_errors

LITERT_FILE = "model.tflite"
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


def run_litert(arguments: ExportArguments) -> tuple[LitertReport, LitertVerification | None]:
    try:
        check_backend()
    except RuntimeError as error:
        raise ValueError(str(error)) from error
    network = load_model(arguments.model)
    samples, others = representative_samples(network, arguments)
    path = arguments.out / LITERT_FILE
    with held_back_errors():  # the converter reports its settings; what it refuses is in the error
        report = export_litert(network, path, samples)
        return report, compare_litert(network, path, others) if arguments.verify else None


def compare_litert(network: keras.Model, path: Path, samples: np.ndarray) -> LitertVerification:
    ours = network.predict(samples, verbose=0).reshape(len(samples), -1)
    theirs = litert_outputs(path.read_bytes(), samples).reshape(len(samples), -1)
    differences = np.abs(ours - theirs)
    same = int(np.sum(ours.argmax(axis=1) == theirs.argmax(axis=1)))
    return LitertVerification(len(samples), same, float(differences.mean()), float(differences.max()))


def representative_samples(network: keras.Model, arguments: ExportArguments) -> tuple[np.ndarray, np.ndarray]:
    """Inputs that show the converter the ranges, and inputs to verify with."""
    shape = model_input_shape(network)
    if arguments.samples is not None:
        samples = read_samples(arguments.samples)
        return samples[:REPRESENTATIVE_SAMPLES], samples[: arguments.images]
    name = arguments.dataset or (DIGITS if shape == DIGITS_SHAPE else None)
    if name is None:
        raise ValueError(
            "`--target litert` needs inputs that show the ranges: `--samples FILE.npy`, an array (samples, "
            f"{', '.join(map(str, shape))}) as the model takes them, or `--dataset`. Received: none"
        )
    data = fitting_dataset(name, arguments.data_dir, network)
    return data.x_train[:REPRESENTATIVE_SAMPLES], data.x_val[: arguments.images]
