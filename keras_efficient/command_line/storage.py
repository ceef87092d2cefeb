"""`keras-efficient storage`."""

import json
from typing import Annotated

from typer import Option, echo

import keras_efficient as ke
from keras_efficient.command_line.options import Chip, Json, Network
from keras_efficient.command_line.training_options import integers_option, network_option
from keras_efficient.networks import MNIST_2KB

EXAMPLE = "storage --network network.json --input-shape 28,28,1"


def storage(
    network: Network = None,
    input_shape: Annotated[str | None, Option(help="Rows,columns,channels. Default: the file's, or 28,28,1.")] = None,
    input_bits: Annotated[int, Option(help="Bits of a number of the input.")] = 8,
    streaming: Annotated[bool, Option(help="Whether the pixels arrive one by one.")] = True,
    order: Annotated[str, Option(help="best, row, column, transpose or herringbone.")] = "best",
    chip: Chip = None,
    as_json: Json = False,
) -> None:
    """Show the bytes and multiply-adds of a network, layer by layer, without training it.

    With --chip also what its C takes there, compiled and simulated: flash, RAM with stack, cycles or instructions.
    """
    shape = None if input_shape is None else integers_option(input_shape, "--input-shape")
    description, shape = network_option(network, MNIST_2KB, shape)
    report = ke.estimate_storage(description, shape, input_bits, streaming, order)
    firmware = None if chip is None else ke.estimate_firmware(description, chip, shape)
    if as_json:
        echo(json.dumps({**report.to_dict(), **({} if firmware is None else {"firmware": firmware.to_dict()})}))
    else:
        echo(str(report) if firmware is None else f"{report}\n\n{firmware}")
