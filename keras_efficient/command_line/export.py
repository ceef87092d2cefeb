"""`keras-efficient export`."""

from pathlib import Path
from typing import Annotated

import keras
import numpy as np
from typer import Option, echo

from keras_efficient.checks import one_of
from keras_efficient.command_line.litert import (
    DIGITS,
    DIGITS_SHAPE,
    LitertVerification,
    check_litert,
    fitting_dataset,
    run_litert,
)
from keras_efficient.command_line.messages import fail
from keras_efficient.command_line.model_files import check_quantized, load_model, named_next_step
from keras_efficient.command_line.options import DataDir, Json
from keras_efficient.export import FirmwareReport, IntegerModel, LitertReport, Verification, export_c, verify_c
from keras_efficient.kinds.measures import TARGETS
from keras_efficient.reading.network import model_input_shape

LITERT = "litert"
EXAMPLE = "export --model runs/mnist/best.keras --out firmware --target avr --verify"


def export(
    model: Annotated[Path, Option(help="A .keras file, such as best.keras of a run.")],
    out: Annotated[Path, Option(help="Folder of the files.")],
    weights: Annotated[str, Option(help="Where an AVR keeps the weights: flash or ram.")] = "flash",
    target: Annotated[
        str,
        Option(help="host, avr (ATmega328P), arm and dsp (Cortex-M), arduino, arduino_library, cmake: C; or litert."),
    ] = "host",
    ram: Annotated[int | None, Option(help="Bytes of RAM; a network that needs more is refused.")] = None,
    verify: Annotated[bool, Option(help="Compile and run the C, and compare every logit.")] = False,
    dataset: Annotated[
        str | None, Option(help="Images for --verify and litert. Default: digits, or noise for --verify.")
    ] = None,
    data_dir: DataDir = None,
    samples: Annotated[Path | None, Option(help="Representative inputs for litert: a .npy file.")] = None,
    images: Annotated[int, Option(help="Inputs for --verify, at most.")] = 10_000,
    prefix: Annotated[str, Option(help="Replaces network in the names of files, functions, macros.")] = "network",
    as_json: Json = False,
) -> None:
    """Export a trained network to C99, print its bytes, and verify it bit for bit.

    Leaves network.c, network.h, a small main, report.json and README.md. --verify needs a C
    compiler (apt-get install gcc); with --target avr, arduino or arduino_library also gcc-avr avr-libc
    simavr libsimavr-dev, with --target arm or dsp gcc-arm-none-eabi qemu-system-arm.

    --target arduino makes the folder a sketch that reads inputs from the serial port, arduino_library
    a library with that example, cmake a project for add_subdirectory. --target litert
    writes model.tflite, int8, and prints its bytes next to those of the C; it takes plain Keras models, too.
    """
    _check(weights, target, ram, dataset, samples, images)
    network = load_model(model)
    report: FirmwareReport | LitertReport
    verification: Verification | LitertVerification | None = None
    if target == LITERT:
        report, verification = run_litert(network, out, samples, dataset, data_dir, images, verify)
    else:
        check_quantized(network, model)
        pixels = _verification_images(network, dataset, data_dir, images) if verify else None
        with named_next_step(model):
            report = export_c(network, out, weights, target, ram, prefix=prefix)
        if pixels is not None:
            verification = verify_c(network, out, pixels, target)
            report = verification.report
    echo(report.to_json() if as_json else f"{report}\n{verification or ''}".rstrip(), nl=not as_json)
    if isinstance(verification, Verification):
        check_agreement(verification)


def check_agreement(verification: Verification) -> None:
    """End with exit code 1 where C, integers and Keras differ."""
    if not verification.passed:
        fail(f"the programs differ: {'; '.join(map(str, verification.comparisons))}", 1)


def _check(weights: str, target: str, ram: int | None, dataset: str | None, samples: Path | None, images: int) -> None:
    if images < 1:
        raise ValueError(f"`--images` must be at least 1. Received: {images}")
    one_of(target, "--target", (*TARGETS, LITERT))
    if target != LITERT and samples is not None:
        raise ValueError(f"`--samples` is for `--target litert` only. Received: --target {target}")
    if target == LITERT and (ram is not None or weights != "flash"):
        raise ValueError("`--ram` and `--weights` are for C only. Received: --target litert")
    if samples is not None and dataset is not None:
        raise ValueError(f"Only one of `--samples` and `--dataset` may be given. Received: {samples} and {dataset}")
    if target == LITERT:
        check_litert()


def _verification_images(
    network: keras.Model, dataset: str | None, data_dir: Path | None, count: int
) -> np.ndarray | list[np.ndarray]:
    """Integers (n, rows, columns, channels): validation images, or noise where there are none."""
    integers = IntegerModel(network)
    if dataset is None and (len(integers.inputs) > 1 or model_input_shape(network) != DIGITS_SHAPE):
        random, samples = np.random.default_rng(0), min(count, 256)
        ranges = [(each.codes.low, each.codes.high + 1, (samples, *each.shape)) for each in integers.inputs]
        noise = [random.integers(*each) for each in ranges]
        return noise if len(noise) > 1 else noise[0]
    return integers.encode(fitting_dataset(dataset or DIGITS, data_dir, network).x_val[:count])
