"""What the options of `keras-efficient export` ask for."""

from dataclasses import dataclass
from pathlib import Path

import keras

from keras_efficient.datasets import Dataset, load_dataset
from keras_efficient.kinds.arguments import check_choice
from keras_efficient.kinds.measures import TARGETS
from keras_efficient.reading.network import model_input_shape

LITERT = "litert"
DIGITS, DIGITS_SHAPE = "digits", (8, 8, 1)


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


def fitting_dataset(name: str, data_dir: Path | None, network: keras.Model) -> Dataset:
    """A data set whose inputs the model takes."""
    data, shape = load_dataset(name, data_dir), model_input_shape(network)
    if data.x_train.shape[1:] != shape:
        raise ValueError(f"`--dataset` {name} has images of {data.x_train.shape[1:]}, the model takes {shape}")
    return data
