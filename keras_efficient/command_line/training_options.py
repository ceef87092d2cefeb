"""What the command `keras-efficient train` makes of its options: stages and training data."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_efficient.datasets import Dataset, augment
from keras_efficient.descriptions import read_description
from keras_efficient.training.halving import Halving
from keras_efficient.training.stage import Stage

_MODES = ("float", "learn_scales", "freeze_scales")


def stage_settings(trials: str, epochs: str) -> list[tuple[str, int, int]]:
    """(mode, trials, epochs) of the stages that have trials."""
    counts, lengths = integers_option(trials, "--trials"), integers_option(epochs, "--epochs")
    for name, values in (("--trials", counts), ("--epochs", lengths)):
        if len(values) != len(_MODES):
            raise ValueError(f"`{name}` must be three numbers, for {', '.join(_MODES)}. Received: {values}")
    if not any(counts):
        raise ValueError(f"`--trials` must leave at least one stage with trials. Received: {trials}")
    return [stage for stage in zip(_MODES, counts, lengths, strict=True) if stage[1] != 0]


def halving_option(text: str | None, settings: Sequence[tuple[str, int, int]]) -> Halving | None:
    """What `--halving` says, such as 5 or 5,3."""
    if text is None:
        return None
    numbers = integers_option(text, "--halving")
    if len(numbers) > 2:
        raise ValueError(f"`--halving` must be one or two numbers, such as 5 or 5,3. Received: {text!r}")
    if settings[0][0] != "float":
        raise ValueError(f"`--halving` is for float trials, and `--trials` leaves them out. Received: {text!r}")
    return Halving(numbers[0]) if len(numbers) == 1 else Halving(numbers[0], numbers[1])


def make_stages(
    settings: Sequence[tuple[str, int, int]],
    batch_size: int | None,
    samples: int,
    distillation: float | None = None,
    halving: Halving | None = None,
    **options: Any,
) -> list[Stage]:
    """The stages; the float trials teach the quantized ones, and may be stopped early."""
    if batch_size is None:
        batch_size = max(1, min(1024, samples // 16))
    own: dict[str, dict[str, Any]] = {mode: {"distillation": distillation} for mode in _MODES}
    own["float"] = {"halving": halving}
    return [
        Stage(mode, trials, epochs, batch_size=batch_size, **own[mode], **options) for mode, trials, epochs in settings
    ]


def augmented(images: Dataset, copies: int, seed: int) -> tuple[np.ndarray, ...]:
    """The arrays of a run: images with elastic copies, and the validation data."""
    if copies < 0:
        raise ValueError(f"`--augment` must be zero or positive. Received: {copies}")
    if not copies:
        return images.arrays()
    x, y = augment(images.x_train, images.y_train, copies, seed)
    return (x, y, *images.arrays()[2:])


def integers_option(text: str, option: str) -> tuple[int, ...]:
    """Whole numbers with commas between, as a tuple."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"`{option}` must be whole numbers with commas between. Received: {text!r}") from None


def network_option(
    path: Path | None, default: list, shape: tuple[int, ...] | None
) -> tuple[list, tuple[int, ...] | None]:
    """The description in a file and the input shape: the one asked for, else the file's."""
    if path is None:
        return default, shape
    if path.suffix == ".keras":
        raise ValueError(
            f"`--network` takes a description, a JSON file. Received: {path}, a Keras model: keras-efficient storage "
            f"--model {path} says its bytes, keras-efficient quantize --model {path} --out small.keras quantizes it"
        )
    description = read_description(path)
    file_shape = description.input_shape
    if shape is not None and file_shape is not None and tuple(shape) != tuple(file_shape):
        raise ValueError(
            f"'{path}' describes a network for inputs of shape {tuple(file_shape)}. Received: inputs of {tuple(shape)}"
        )
    return description, file_shape if shape is None else shape
