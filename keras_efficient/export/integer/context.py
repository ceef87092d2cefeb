"""Where a layer stands in its network, and what follows for the grid of its output."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from keras_efficient.export.integer.codes import Codes
from keras_efficient.export.integer.grids import codes_of
from keras_efficient.kinds.measures import LOGIT_BITS
from keras_efficient.layers.quantized.quantizer import Quantizer


class Context(NamedTuple):
    """Where a layer stands.

    flat: behind a flatten. gives_sums: its sums are the logits. is_last: its outputs are read by
    users. in_graph: in a network that is no chain, where a layer that changes nothing is one of its own.
    """

    flat: bool = False
    gives_sums: bool = False
    is_last: bool = False
    in_graph: bool = False


def output_codes(layer: Any, quantizer: Quantizer, context: Context) -> Codes:
    """The grid of an output. Users read signed integers of 16 bits."""
    codes = codes_of(layer, quantizer)
    return replace(codes, bits=LOGIT_BITS - 1) if context.is_last and codes.high >= 2 ** (LOGIT_BITS - 1) else codes
