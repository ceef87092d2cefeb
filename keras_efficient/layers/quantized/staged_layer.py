"""Layers that become several operations in integers."""

from typing import Any, Self

from keras_efficient.kinds.stages import ProductStage, inner_bits
from keras_efficient.layers.arguments import optional_bits
from keras_efficient.layers.quantized.base import QuantizedLayer
from keras_efficient.layers.quantized.quantizer import Quantizer
from keras_efficient.type_aliases import Config, Shape, Tensor


class StagedLayer(QuantizedLayer):
    """A layer whose inner products have grids of their own, of `inner_bits` bits, after all its other scales."""

    config_keys = ["inner_bits"]
    output_quantizers: list[Quantizer | None]  # of what comes after its activations, the output last; from `build` on

    def __init__(self, *args: Any, inner_bits: int | bool | None = None, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.inner_bits = inner_bits if inner_bits is False else optional_bits(inner_bits, "inner_bits")
        self.stages: tuple[ProductStage, ...] = ()
        self.inner_quantizers: tuple[Quantizer, ...] = ()

    @staticmethod
    def stages_of(config: Config, shape: Shape) -> tuple[ProductStage, ...]:
        """The operations that the layer becomes in integers; see `Kind.stages`. None where it has no C."""
        return ()

    def add_inner_quantizers(self, smallest_input: Shape) -> None:
        """The grids of the inner products. `smallest_input`: of known sizes, without batch."""
        self.stages = self.stages_of(self.get_config(), smallest_input)
        widths = enumerate(inner_bits(self.stages), start=1)
        self.inner_quantizers = tuple(self.add_quantizer(f"inner_{number}", bits) for number, bits in widths)

    def rounded_inner(self, number: int, sums: Tensor) -> Tensor:
        """What the next product takes of inner product `number`, on its grid."""
        return self.inner_quantizers[number](sums, self.current_mode)

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """A configuration without `inner_bits` is older than that argument: nothing inside was rounded."""
        return super().from_config({"inner_bits": False, **config})
