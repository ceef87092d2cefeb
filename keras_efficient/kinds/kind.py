"""`Kind`: what every tool must know of a kind of layer or function."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from keras_efficient.kinds.measures import Config, FeatureMap, Shape, WeightCount
from keras_efficient.kinds.stages import ProductStage, Stages, fixed_bits, stage_padding, stage_steps
from keras_efficient.kinds.steps import Step
from keras_efficient.kinds.windows import Slide
from keras_efficient.kinds.words import KernelShape

# What a kind does to codes, the numbers on the grid of its input.
COMPUTES = "computes"  # other numbers
KEEPS = "keeps"  # some of them, as max pooling does
MOVES = "moves"  # to other places, perhaps with zeros between
RENAMES = "renames"  # their places: the memory stays as it is
TRAINING_ONLY = "training only"  # nothing in inference

# What pruning may do with a layer.
FILTERS = "filters"  # its kernel (..., inputs, outputs) has filters that can be taken out
TRANSPOSED = "transposed"  # its kernel (..., filters, inputs) has filters
THIN = "thin"  # its kernel (..., channels, multiplier) has some for each channel; with one each, channels pass it
CHANNELS = "channels"  # each channel is computed from itself alone


class Price(NamedTuple):
    """What a kind takes.

    bits: (configuration, bits of an input cell) -> bits of an output cell.
    steps: (configuration, source, target) -> the steps in which the layer works its way from a source to the target:
        one, or several with maps of its own in between, of which two neighbours are there at once.
    weights: (configuration, source) -> the numbers that it stores.
    products: (configuration, source, target) -> multiply-adds per sample.
    kernel: (configuration, source) -> the kernel of sums that may be taken a word at a time; None where there is none.
    padding: (configuration, source) -> bits that fill the words of several such kernels up.
    streams: configuration -> whether a map that arrives pixel by pixel need not be stored: "pixels": each pixel is
        passed on at once; "windows": each pixel joins the one output that it belongs to; "sums": the same, but a row of
        outputs waits in wider running sums; "lines": as many lines of the map as a window has are kept; "no": the whole
        map is needed.
    """

    bits: Callable[[Config, int], int]
    steps: Callable[[Config, FeatureMap, FeatureMap], tuple[Step, ...]]
    weights: Callable[[Config, FeatureMap], WeightCount] = lambda config, source: WeightCount()
    products: Callable[[Config, FeatureMap, FeatureMap], int] = lambda config, source, target: 0
    kernel: Callable[[Config, FeatureMap], KernelShape | None] = lambda config, source: None
    padding: Callable[[Config, FeatureMap], int] = lambda config, source: 0
    streams: Callable[[Config], str] = lambda config: "no"


@dataclass(frozen=True)
class Kind:
    """One kind of layer or function.

    Adding a layer of a known form: an entry in a family's file here, its twin in
    `quantization/own_model/conversions.py` if it has one, and a test.

    codes: What it does to the numbers on the grid of its input: `COMPUTES`, `KEEPS`, `MOVES`, `RENAMES` or
        `TRAINING_ONLY`.
    shape: (configuration, shapes of the inputs) -> shape of the output; None where nobody knows.
    settings: The checks of settings that shapes do not touch. required: Settings without a default, beside those that
        the shape asks for.
    price: What it takes; None where nobody knows.
    form: The integer operation that it becomes (a class of `export.integer.operations`, by name), "Stages" where these
        are several, "" where it changes no number; None where it has no integers.
    why_no_form: Why it has none, where that is a decision.
    why_no_litert: Why LiteRT cannot have it, where that is known.
    window: (configuration, shape of the input) -> the window that slides over the input, of forms that have one.
    stages: (configuration, shape of the input) -> the operations that it becomes, of the form "Stages"; none where it
        has no grids for what passes between them.
    shares_matrices: Whether these multiply by the same matrices, which are stored once: maps lie by rows then.
    twin: The layer of this package that `quantize_model` makes of it.
    absorbs: What that takes in: "padding" before it, "batch_norm" and "relu" after it.
    prunes: What pruning may do with it: `FILTERS`, `TRANSPOSED`, `THIN`, `CHANNELS` or None.
    makes_kernel: Whether its kernel is made from a seed and a few numbers: zeros among these say nothing.
    prepares: Whether it stays outside of the network where it stands before the grid of the input.
    is_head: Whether it acts on the outputs in place after the last layer that works: the C leaves it out.
    """

    codes: str = COMPUTES
    shape: Callable[..., Shape] | None = None
    settings: Mapping[str, Callable[[Any, str], Any]] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    price: Price | None = None
    form: str | None = None
    why_no_form: str = ""
    why_no_litert: str = ""
    window: Callable[[Config, Shape], Slide] | None = None
    stages: Stages | None = None
    shares_matrices: bool = False
    twin: str | None = None
    absorbs: tuple[str, ...] = ()
    prunes: str | None = None
    makes_kernel: bool = False
    prepares: bool = False
    is_head: bool = False

    @property
    def is_priced(self) -> bool:
        return self.price is not None and self.shape is not None

    @property
    def keeps_grid(self) -> bool:
        return self.codes != COMPUTES

    @property
    def needs_no_memory(self) -> bool:
        """Whether its output is its input in memory."""
        return self.codes in (TRAINING_ONLY, RENAMES)


UNKNOWN = Kind()


def in_stages(stages: Stages, price: Price, **entry: Any) -> Kind:
    """A kind that is priced as its stages, where it has any."""

    def stages_of(config: Config, source: FeatureMap) -> tuple[ProductStage, ...]:
        return stages(config, source.shape)

    def weights(config: Config, source: FeatureMap) -> WeightCount:
        plain = price.weights(config, source)
        return plain._replace(bits=plain.bits + fixed_bits(stages_of(config, source)))

    def steps(config: Config, source: FeatureMap, target: FeatureMap) -> tuple[Step, ...]:
        found = stages_of(config, source)
        return stage_steps(found, source, target) if found else price.steps(config, source, target)

    def padding(config: Config, source: FeatureMap) -> int:
        return stage_padding(stages_of(config, source), config, source.bits)

    return Kind(
        stages=stages, form="Stages", price=price._replace(steps=steps, weights=weights, padding=padding), **entry
    )
