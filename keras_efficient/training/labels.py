"""What labels become before a network is trained on them."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_efficient.checks import real_numbers
from keras_efficient.training.data import as_labels, check_classes
from keras_efficient.training.data_forms import as_table
from keras_efficient.training.losses import BINARY, CLASSES, TARGETS, is_keras_loss, loss_kind

PARTS = ("train", "val", "test")
Labels = list[str] | dict[str, list[str]] | None


def read_labels(
    ys: Sequence[Any], losses: Sequence[Sequence], names: Sequence[str], outputs: Any
) -> tuple[list, Labels]:
    """The labels of training, validation and perhaps test samples as the network's outputs are; and their texts,
    position = class (by output name where there are several), or None.

    Classes become int64 (samples,), one-hot rows float32; targets get the shape of the outputs. Texts become classes,
    numbered in the order of the sorted texts of the training samples. `ys` are labels as they came, `losses` those of
    all outputs for each stage, `names` those of the outputs, `outputs` what the network gives for some samples.
    """
    shapes = [array.shape[1:] for array in keras.tree.flatten(outputs)]
    split = [_by_output(y, names, part) for y, part in zip(ys, PARTS, strict=False)]
    columns: list[list] = []
    texts: dict[str, list[str]] = {}
    for index, (name, shape) in enumerate(zip(names, shapes, strict=True)):
        found, known = _texts_to_classes([parts[index] for parts in split])
        for y, part in zip(found, PARTS, strict=False):
            if len(y) == 0:
                raise ValueError(f"`y_{part}` must hold at least one label. Received: none")
        texts |= {name: known} if known else {}
        own = [stage[index] for stage in losses]
        kind = min(map(loss_kind, own), key=list(_READERS).index)
        strict = kind != TARGETS or all(map(is_keras_loss, own))
        columns.append([_READERS[kind](y, shape, f"y_{part}", strict) for y, part in zip(found, PARTS, strict=False)])
        if kind == CLASSES:
            _warn_of_idle_outputs(columns[-1], shape[-1], name)
    packed = [keras.tree.pack_sequence_as(outputs, list(parts)) for parts in zip(*columns, strict=True)]
    return packed, (texts.get(names[0]) if len(names) == 1 else texts or None)


def are_classes(y: Any) -> bool:
    """Whether labels look like classes: whole numbers or texts (samples,), or one-hot rows."""
    if isinstance(y, Mapping):
        return False
    try:
        array = np.asarray(as_table(y))
        as_labels(array if array.dtype.kind in "biufV" else np.zeros(array.shape))
    except ValueError:
        return False
    return array.dtype.kind != "f" or array.ndim == 2


def count_classes(ys: Sequence[Any]) -> int:
    """The number of classes in labels: texts, whole numbers from 0, or one-hot rows with a column for each."""
    arrays, texts = _texts_to_classes(ys)
    if texts:
        return len(texts)
    labels = [as_labels(y) for y in arrays]
    return labels[0].shape[1] if labels[0].ndim == 2 else max(int(y.max(initial=0)) for y in labels) + 1


def _warn_of_idle_outputs(ys: Sequence[np.ndarray], outputs: int, name: str) -> None:
    highest = max(int(y.max()) for y in ys) if all(y.ndim == 1 for y in ys) else outputs  # rows name every output
    if highest + 1 < outputs:
        warnings.warn(
            f"The network has {outputs} outputs in {name!r}, and the labels hold classes from 0 to {highest}: "
            "no sample belongs to the others",
            stacklevel=2,
        )


def _by_output(y, names, part):
    if isinstance(y, Mapping):
        if set(y) != set(names):
            raise ValueError(f"`y_{part}` must name the outputs of the network, {list(names)}. Received: {list(y)}")
        return [y[name] for name in names]
    if len(names) == 1:
        return [y]
    if isinstance(y, (list, tuple)) and len(y) == len(names):
        return list(y)
    raise ValueError(
        f"`y_{part}` must be a list or dictionary of labels for the {len(names)} outputs {list(names)}. "
        f"Received: {type(y).__name__}"
    )


def _texts_to_classes(ys):
    """Texts as their numbers among the sorted texts of the training samples, and these; other labels as they are."""
    arrays = [as_table(y) for y in ys]
    arrays = [y if isinstance(y, np.ma.MaskedArray) else np.asarray(y) for y in arrays]
    arrays = [y[:, 0] if y.dtype.kind in "USO" and y.ndim == 2 and y.shape[1] == 1 else y for y in arrays]
    if arrays[0].dtype.kind not in "USO" or arrays[0].ndim != 1:
        return arrays, None
    texts = [[_text(value, row, part) for row, value in enumerate(y)] for y, part in zip(arrays, PARTS, strict=False)]
    known = sorted(set(texts[0]))
    for part, found in zip(PARTS, texts, strict=False):
        if unknown := sorted(set(found) - set(known)):
            raise ValueError(f"`y_{part}` must hold labels of the training samples. Received: also {unknown[:5]}")
    numbers = {text: number for number, text in enumerate(known)}
    return [np.array([numbers[text] for text in found]) for found in texts], known


def _text(value, row, part):
    text = value.decode() if isinstance(value, bytes) else value
    if isinstance(text, str):
        return str(text)
    raise ValueError(f"Labels must all be texts where one is. Received: {value!r} in row {row} of `y_{part}`")


def _read_classes(y, shape, name, strict):
    try:
        labels = as_labels(y)
    except ValueError as error:
        raise ValueError(f"{error}. Other targets need another loss of the stages, such as loss='mse'") from None
    check_classes(labels, shape[-1], name)
    return labels


def _read_binary(y, shape, name, strict):
    y = _read_targets(y, shape, name, strict)
    if not ((y >= 0) & (y <= 1)).all():  # nor is NaN
        raise ValueError(
            f"`{name}` must hold 0 and 1 (or numbers between), as the loss is a binary cross-entropy; for a regression "
            f"give the stages another loss, such as loss='mse'. Received: numbers from {y.min()} to {y.max()}"
        )
    return y


def _read_targets(y, shape, name, strict):
    y = real_numbers(y, f"`{name}` must hold real numbers")
    if strict or y.dtype.kind not in "iu":  # a loss of one's own may take classes
        with np.errstate(over="ignore"):
            y = y.astype("float32")
    if y.shape == (len(y), *shape[:-1]) and shape[-1:] == (1,):
        y = y[..., np.newaxis]
    if strict and y.shape[1:] != shape:
        raise ValueError(
            f"`{name}` must hold targets of shape {shape}, that of the network's outputs. Received: {y.shape[1:]}"
        )
    return y


# The strictest first: it reads where the losses of stages compare different things.
_READERS = {CLASSES: _read_classes, BINARY: _read_binary, TARGETS: _read_targets}
