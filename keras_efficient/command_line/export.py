"""`keras-efficient export`."""

from pathlib import Path
from typing import Annotated

import keras
import numpy as np
from typer import Option, echo

from keras_efficient.command_line.export_options import DIGITS, DIGITS_SHAPE, LITERT, ExportArguments, fitting_dataset
from keras_efficient.command_line.litert import LitertVerification, run_litert
from keras_efficient.command_line.messages import fail
from keras_efficient.command_line.model_files import check_quantized, load_model, named_next_step
from keras_efficient.command_line.options import Json
from keras_efficient.export import FirmwareReport, IntegerModel, LitertReport, Verification, export_c, verify_c
from keras_efficient.reading.network import model_input_shape

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
    data_dir: Annotated[Path | None, Option(help="Folder of the data files; without it they are downloaded.")] = None,
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
    report, verification = run_export(
        ExportArguments(model, out, weights, target, ram, verify, dataset, data_dir, samples, images, prefix)
    )
    echo(report.to_json() if as_json else f"{report}\n{verification or ''}".rstrip(), nl=not as_json)
    if isinstance(verification, Verification):
        check_agreement(verification)


def check_agreement(verification: Verification) -> None:
    """End with exit code 1 where C, integers and Keras differ."""
    if not verification.passed:
        fail(f"the programs differ: {'; '.join(map(str, verification.comparisons))}", 1)


def run_export(
    arguments: ExportArguments,
) -> tuple[FirmwareReport | LitertReport, Verification | LitertVerification | None]:
    """Write what is asked for; the report, and the verification if one was asked for."""
    arguments.check()
    if arguments.target == LITERT:
        return run_litert(arguments)
    network = load_model(arguments.model)
    check_quantized(network, arguments.model)
    pixels = verification_images(network, arguments) if arguments.verify else None
    with named_next_step(arguments.model):
        report = export_c(
            network, arguments.out, arguments.weights, arguments.target, arguments.ram, prefix=arguments.prefix
        )
    if pixels is None:
        return report, None
    verification = verify_c(network, arguments.out, pixels, arguments.target)
    return verification.report, verification


def verification_images(network: keras.Model, arguments: ExportArguments) -> np.ndarray | list[np.ndarray]:
    """Integers (n, rows, columns, channels): validation images, or noise where there are none."""
    integers, count = IntegerModel(network), arguments.images
    if arguments.dataset is None and (len(integers.inputs) > 1 or model_input_shape(network) != DIGITS_SHAPE):
        random, samples = np.random.default_rng(0), min(count, 256)
        ranges = [(each.codes.low, each.codes.high + 1, (samples, *each.shape)) for each in integers.inputs]
        noise = [random.integers(*each) for each in ranges]
        return noise if len(noise) > 1 else noise[0]
    return integers.encode(fitting_dataset(arguments.dataset or DIGITS, arguments.data_dir, network).x_val[:count])
