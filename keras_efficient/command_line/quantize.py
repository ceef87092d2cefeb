"""`keras-efficient quantize`."""

from pathlib import Path
from typing import Annotated

import numpy as np
from typer import Option, echo

import keras_efficient as ke
from keras_efficient.command_line.export import check_agreement
from keras_efficient.command_line.model_files import load_model, named_next_step, read_inputs
from keras_efficient.command_line.storage import show_storage
from keras_efficient.export import IntegerModel, verify_c
from keras_efficient.files import write_atomically
from keras_efficient.folders import is_unused

EXAMPLE = "quantize --model plain.keras --samples x.npy --out small.keras --c firmware"
MOST_SAMPLES = 1_000  # more hardly move a scale


def quantize(
    model: Annotated[Path, Option(help="A .keras file, plain or quantized.")],
    out: Annotated[Path, Option(help="The new .keras file.")],
    samples: Annotated[
        Path | None, Option(help="Inputs that set the scales: a .npy file, or .npz with an array per input.")
    ] = None,
    c: Annotated[
        Path | None, Option(help="Also export C into this new folder, and verify it on this computer.")
    ] = None,
    kernel_bits: Annotated[int | None, Option(help="Bits per weight. [8; unchanged where quantized]")] = None,
    activation_bits: Annotated[int | None, Option(help="Bits per activation. [8; unchanged where quantized]")] = None,
) -> None:
    """Quantize a trained model, and export it to C that gives the same integers.

    At most 1,000 samples are used, spread from first to last. The new model computes with its scales: train it on
    in Python, or export it.
    """
    _check_places(samples, out, c)
    plain = load_model(model)
    x = None if samples is None else _some(read_inputs(samples, plain))
    small = ke.quantize_model(plain, kernel_bits, activation_bits=activation_bits, x=x)
    with named_next_step(model):
        report = None if c is None else ke.export_c(small, c)
    write_atomically(out, small.save)
    if c is None:
        show_storage(small)
        next_step = "" if x is None else f"\nC     keras-efficient export --model {out} --out firmware --verify"
        echo(f"file  {out}{next_step}")
        return
    verification = verify_c(small, c, IntegerModel(small).encode(x))
    echo(f"{report}\n{verification}\nfiles  {out}, {c}")
    check_agreement(verification)


def _check_places(samples, out, c):
    """A ValueError for files that cannot be meant: nothing is overwritten."""
    if out.suffix != ".keras":
        raise ValueError(f"`--out` must end in .keras. Received: {out}")
    if out.exists() or out.is_symlink():
        raise ValueError(f"`--out` must not be there yet. Received: '{out}'; nothing was touched")
    if c is not None and samples is None:
        raise ValueError("`--c` needs `--samples FILE.npy`: without inputs activations have no scales. Received: none")
    if c is not None and c.exists() and not (c.is_dir() and is_unused(c)):
        raise ValueError(f"`--c` must be new or an empty folder. Received: '{c}'; nothing was touched")


def _some(x):
    """At most 1,000 samples, from the first to the last."""
    if isinstance(x, list):
        return [_some(each) for each in x]
    return np.asarray(x if len(x) <= MOST_SAMPLES else x[np.linspace(0, len(x) - 1, MOST_SAMPLES).astype(int)])
