"""Our sides of compare_qat.py: `ke.quantize_model` with one power-of-two scale per kernel, or one for each filter."""

import keras_efficient as ke
from peers.qat_start import BIAS_BITS, Side, plain_bits
from peers.tiny_networks import INPUT


def make(side, start, settings):
    """The network of the start, quantized; "float" is left as it is, and trains as long."""
    if side == "float":
        return Side(start.model, lambda: plain_bits(start.weights, 32, 32))
    bits, per_channel = settings["bits"], side == "ours_per_channel"
    model = ke.quantize_model(start.model, bits, BIAS_BITS, bits, x=start.maps[INPUT], per_channel=per_channel)
    return Side(model, lambda: int(8 * ke.estimate_storage(model).weight_bytes))
