"""InputQ: the grid of the numbers that a device pushes into a network."""

from typing import Any

import keras

from keras_efficient.layers.quantized.activation import ActivationQ


@keras.saving.register_keras_serializable(package="keras_efficient")
class InputQ(ActivationQ):
    """Rounds the input of a network to integers of `bits` bits: what a sensor gives.

        y = ops.quantize(x, bits, scale, signed)

    As a layer it is an `ActivationQ`. In an exported network (`bits` 8 or 16) the integers of this grid
    are what is pushed, and what `IntegerModel.predict` takes; layers before it (a rescaling, say) stay
    outside. Behind it the outputs of the last layer are its own output codes.

    Args:
        bits: Width in bits, 1 to 16.
        signed: Whether the grid has negative codes.
        mode: See `QuantizedLayer`.

    Input shape: any. Output shape: the same.

    Weights: the log2 scale (a scalar).

    Raises:
        ValueError: If `bits` or `mode` is something else.

    Source: this package; the grid is that of Gural & Murmann, ICML 2019.
    """

    def __init__(self, bits: int = 8, signed: bool = False, mode: str = "float", **kwargs: Any):
        function = kwargs.get("activation")
        if function is not None:
            raise ValueError(f"`activation` must be None: a device pushes numbers. Received: activation={function!r}")
        super().__init__(bits=bits, signed=signed, mode=mode, **kwargs)
