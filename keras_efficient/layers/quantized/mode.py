"""The three modes of a quantized layer."""

from dataclasses import dataclass

from keras_efficient.checks import one_of


@dataclass(frozen=True)
class Mode:
    """What a quantized layer does in one stage of training.

    Attributes:
        quantized: Whether weights and activations are rounded to their grids.
        scales_train: Whether the log2 scales receive gradients and count as trainable.
    """

    quantized: bool
    scales_train: bool

    @property
    def scale_gradient(self) -> float:
        """The factor on the gradient of the scales (the `qt` of the 2019 study)."""
        return 1.0 if self.scales_train else 0.0


MODES = {
    "float": Mode(quantized=False, scales_train=False),
    "learn_scales": Mode(quantized=True, scales_train=True),
    "freeze_scales": Mode(quantized=True, scales_train=False),
}


def check_mode(mode: str) -> str:
    """Raise a ValueError unless `mode` names one of `MODES`."""
    return one_of(mode, "mode", MODES)
