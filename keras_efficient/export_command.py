"""The command `keras-efficient export`: what its options ask for, and what comes of them."""

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from keras_efficient.datasets import Dataset, load_dataset
from keras_efficient.export import (
    FirmwareReport,
    IntegerModel,
    LitertReport,
    Verification,
    export_c,
    export_litert,
    verify_c,
)
from keras_efficient.export.firmware import check_choice
from keras_efficient.export.litert import check_backend
from keras_efficient.export.litert_report import litert_outputs
from keras_efficient.kinds.measures import TARGETS
from keras_efficient.outside_files import check_plain_file
from keras_efficient.outside_models import check_model_file
from keras_efficient.reading.network import model_input_shape
from keras_efficient.startup import held_back_errors

LITERT, LITERT_FILE = "litert", "model.tflite"
DIGITS, DIGITS_SHAPE = "digits", (8, 8, 1)
REPRESENTATIVE_SAMPLES = 1_000  # more hardly move a range


@dataclass(frozen=True)
class ExportArguments:
    """The options of the command, by their names there."""

    model: Path
    out: Path
    weights: str
    target: str
    ram: int | None
    verify: bool
    dataset: str | None
    data_dir: Path | None
    samples: Path | None
    images: int
    prefix: str = "network"

    def check(self) -> None:
        """A ValueError for options that cannot be meant, before anything is read."""
        if self.images < 1:
            raise ValueError(f"`--images` must be at least 1. Received: {self.images}")
        check_choice("--target", self.target, (*TARGETS, LITERT))
        if self.target != LITERT and self.samples is not None:
            raise ValueError(f"`--samples` is for `--target litert` only. Received: --target {self.target}")
        if self.target == LITERT and (self.ram is not None or self.weights != "flash"):
            raise ValueError("`--ram` and `--weights` are for C only. Received: --target litert")
        if self.samples is not None and self.dataset is not None:
            raise ValueError(
                f"Only one of `--samples` and `--dataset` may be given. Received: {self.samples} and {self.dataset}"
            )


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


def run_export(
    arguments: ExportArguments,
) -> tuple[FirmwareReport | LitertReport, Verification | LitertVerification | None]:
    """Write what is asked for; the report, and the verification if one was asked for."""
    arguments.check()
    if arguments.target == LITERT:
        return run_litert(arguments)
    network = load_model(arguments.model)
    pixels = verification_images(network, arguments) if arguments.verify else None
    report = export_c(
        network, arguments.out, arguments.weights, arguments.target, arguments.ram, prefix=arguments.prefix
    )
    if pixels is None:
        return report, None
    verification = verify_c(network, arguments.out, pixels, arguments.target)
    return verification.report, verification


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


def load_model(path: Path) -> keras.Model:
    try:
        check_model_file(path)
        return keras.saving.load_model(path, compile=False)
    except FileNotFoundError:
        raise
    except Exception as error:  # whatever a file that is no model makes Keras say
        raise ValueError(f"'{path}' cannot be loaded as a Keras model: {error}") from error


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


def verification_images(network: keras.Model, arguments: ExportArguments) -> np.ndarray | list[np.ndarray]:
    """Integers (n, rows, columns, channels): validation images, or noise where there are none."""
    integers, count = IntegerModel(network), arguments.images
    if arguments.dataset is None and (len(integers.inputs) > 1 or model_input_shape(network) != DIGITS_SHAPE):
        random, samples = np.random.default_rng(0), min(count, 256)
        ranges = [(each.codes.low, each.codes.high + 1, (samples, *each.shape)) for each in integers.inputs]
        noise = [random.integers(*each) for each in ranges]
        return noise if len(noise) > 1 else noise[0]
    return integers.encode(fitting_dataset(arguments.dataset or DIGITS, arguments.data_dir, network).x_val[:count])


def fitting_dataset(name: str, data_dir: Path | None, network: keras.Model) -> Dataset:
    """A data set whose inputs the model takes."""
    data, shape = load_dataset(name, data_dir), model_input_shape(network)
    if data.x_train.shape[1:] != shape:
        raise ValueError(f"`--dataset` {name} has images of {data.x_train.shape[1:]}, the model takes {shape}")
    return data
