"""`keras-efficient storage`."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from typer import Option, echo

import keras_efficient as ke
from keras_efficient.command_line.model_files import load_model, named_next_step
from keras_efficient.command_line.options import Chip, Json, Network
from keras_efficient.command_line.training_options import integers_option, network_option
from keras_efficient.networks import MNIST_2KB

EXAMPLE = "storage --network network.json --input-shape 28,28,1"


def storage(
    network: Network = None,
    model: Annotated[Path | None, Option(help="Instead of a description: a .keras file, plain or quantized.")] = None,
    input_shape: Annotated[str | None, Option(help="Rows,columns,channels. Default: the file's, or 28,28,1.")] = None,
    input_bits: Annotated[int, Option(help="Bits per input number.")] = 8,
    streaming: Annotated[bool, Option(help="Whether pixels arrive one by one.")] = True,
    order: Annotated[str, Option(help="best, row, column, transpose or herringbone.")] = "best",
    chip: Chip = None,
    as_json: Json = False,
) -> None:
    """Show the bytes and MACs of a network, layer by layer, without training it.

    With --chip also what its C takes there, compiled and simulated: flash, RAM with stack, cycles or instructions.
    """
    shape = None if input_shape is None else integers_option(input_shape, "--input-shape")
    if model is None:
        priced, shape = network_option(network, MNIST_2KB, shape)
        if network is not None and shape is None and not as_json:
            echo(f"{network} names no input shape: that of MNIST is taken, --input-shape 28,28,1\n")
    elif network is not None:
        raise ValueError(f"Only one of `--network` and `--model` may be given. Received: {network} and {model}")
    else:
        priced = load_model(model)
    with named_next_step(model or Path("MODEL.keras")):
        report = ke.estimate_storage(priced, shape, input_bits, streaming, order)
        firmware = None if chip is None else ke.estimate_firmware(priced, chip, shape)
    if as_json:
        echo(json.dumps({**report.to_dict(), **({} if firmware is None else {"firmware": firmware.to_dict()})}))
    else:
        echo(str(report) if firmware is None else f"{report}\n\n{firmware}")


def show_storage(network: Any, input_shape: Sequence[int] | None = None) -> None:
    """Print the table of a description or a model, or why there is none."""
    try:
        echo(f"{ke.estimate_storage(network, input_shape)}\n")
    except ke.storage.UnknownLayerError as error:
        echo(f"The bytes are not known: {error}\n")
