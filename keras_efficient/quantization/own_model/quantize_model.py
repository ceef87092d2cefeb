"""`quantize_model`: a quantization-aware copy of a plain Keras model."""

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from keras_efficient.checks import flag
from keras_efficient.copies.rebuild import check_model
from keras_efficient.layers.quantized.mode import check_mode
from keras_efficient.ops.quantize import check_bits
from keras_efficient.quantization.calibration import calibrate, set_scales
from keras_efficient.quantization.modes import activation_quantizers, change_mode, float_mode, quantized_layers
from keras_efficient.quantization.own_model.float_layers import inner_float_layers
from keras_efficient.quantization.own_model.quantizing import Quantizing
from keras_efficient.quantization.own_model.settings import COMMON, INPUT_BITS, NAMES, choices
from keras_efficient.quantization.samples import Samples
from keras_efficient.reading.graph import Node
from keras_efficient.reading.network import INPUT_GRID
from keras_efficient.reading.read import read_model

# From this width on the outputs should hardly change: a relative error above this is named.
WIDE, LARGE_ERROR = 8, 0.25
# In float the copy differs by the order of sums, and by half precision.
SAME = 0.02


def quantize_model(
    model: keras.Model,
    kernel_bits: int | None = None,
    bias_bits: int | None = None,
    activation_bits: int | None = None,
    overrides: Mapping[str, Mapping | None] | None = None,
    x: Any = None,
    *,
    per_channel: bool | None = None,
    fold_batch_norm: bool = True,
    input_bits: int | str | None = "auto",
    mode: str = "learn_scales",
) -> keras.Model:
    """A copy of `model` whose layers compute quantized: the same topology and weights, ready for `fit`.

    Dense, Conv1D, Conv2D, DepthwiseConv1D and 2D, SeparableConv1D and 2D (as two layers), average pooling, sums,
    products and the like of maps, and Concatenate become this package's layers of the same names. A zero padding
    before a convolution becomes its padding, a batch normalization after a kernel is folded into it, and a relu after
    a kernel or a sum becomes its activation; another activation becomes an `ActivationQ`; any other batch
    normalization, and a `Normalization` inside, becomes a `ScaleQ`. Layers that keep the grid of their input (max
    pooling, relu, moves, dropout ...) stay as they are. Structured layers of this package get the widths that they
    lack; pruned layers stay pruned. Everything else stays float: a warning names it, and so does
    `keras_efficient.quantization.float_layers`.

    Outputs get 16 bits, signed, unless `overrides` says otherwise: the logits of the generated C.
    An activation of the last layer (softmax, sigmoid) becomes a layer after it, outside of the integers. The input of
    an `ActivationQ` has at most 8 bits, as its table in C has an entry for each code: wider codes are rounded first.

    A model that is quantized already (it has an `InputQ`, or no plain layer with a kernel) gets the widths that are
    given, and keeps all others; those of its outputs change by `overrides` alone. In other models a layer of this
    package keeps the widths that it has, unless `overrides` says otherwise.

    Args:
        model: A built Functional or Sequential model. Models inside it are converted, too.
        kernel_bits, bias_bits, activation_bits: Widths in bits, 1 to 16. None: 8, 16 and 8.
        overrides: {layer name or pattern such as "block_*": {"kernel_bits": 4, ...}}; None in place of
            the settings leaves a layer float. Settings are the three widths and `per_channel`.
        x: Representative inputs, (samples, ...), or a list or dictionary of them, as the model takes
            several inputs: they set the scales, by least squared error. None leaves those of activations as they
            are, 1 where they are new; call `calibrate(quantized, x=x)` later.
        per_channel: Whether each filter of a kernel has a power-of-two scale of its own. None: it has.
        fold_batch_norm: Whether batch normalizations are folded into the kernels before them.
        input_bits: Width of the `InputQ` put in front (signed where `x` has negative numbers, or is
            None), 1 to 16; the C export takes 8 and 16. "auto": 8, and an `InputQ` that is there already stays as it
            is. None puts none.
        mode: Of the new model: `"float"`, `"learn_scales"` or `"freeze_scales"`.

    Returns:
        A model of the class of `model` (Functional where a Sequential model calls a layer twice). In float mode it
        computes what `model` does. It is compiled if `model` is.

    Raises:
        TypeError: No built Functional or Sequential model, or overrides that are no dictionary.
        ValueError: A wrong setting, a pattern that matches nothing, or a layer that can not be
            quantized as it is set (groups, channels that come first ...), by its name.
        Warns of layers that stay float; and, after a look at the first batch of `x`, where the copy differs from the
            model in float, and where its outputs are far from the model's though no grid has less than 8 bits.

    Source: the folding of batch normalizations is that of Jacob et al., CVPR 2018; the grids are those of
    Gural & Murmann, ICML 2019; the least squared error for the first scales is this package's.

    Example:

    >>> quantized = ke.quantize_model(model, kernel_bits=4, x=x_train[:256], overrides={"stem": {"kernel_bits": 8}})
    >>> quantized.compile("adam", "sparse_categorical_crossentropy")
    >>> quantized.fit(x_train, y_train, epochs=3)
    >>> ke.export_c(quantized, "firmware")
    """
    check_mode(mode)
    check_model(model)
    width = None if input_bits in ("auto", None) else check_bits(input_bits, "input_bits")
    samples = None if x is None else Samples(x, model)
    settings = zip(NAMES, (kernel_bits, bias_bits, activation_bits, per_channel), strict=True)
    given: dict[str, Any] = {name: value for name, value in settings if value is not None}
    operations = read_model(model).operations
    asked = frozenset(given if is_quantized(operations) else ())
    chosen = choices(operations, replace(COMMON, **given), overrides, asked, width)
    quantizing = Quantizing(
        chosen, flag(fold_batch_norm, "fold_batch_norm"), INPUT_BITS if input_bits == "auto" else width, samples
    )
    copy = quantizing.copy(model)
    if samples is None and len(activation_quantizers(copy)) == len(activation_quantizers(model)):
        set_scales(copy, None)  # those of activations came along
    elif quantized_layers(copy):
        calibrate(copy, x=samples)
        if samples is not None:
            _name_large_errors(model, copy, next(iter(samples)))
    change_mode(copy, mode)
    reasons = {node.name: quantizing.reasons.get(id(node.operation)) for node in operations}
    if texts := inner_float_layers(copy, reasons):
        warnings.warn(f"These layers stay float, and have no integer form: {', '.join(texts)}", stacklevel=2)
    return copy


def _name_large_errors(model: keras.Model, copy: keras.Model, batch: Any) -> None:
    """A warning where the copy is another function in float, which no model should see; and one where wide grids change
    the outputs much: numbers of very different sizes share one of them. Leaves the copy in some mode."""
    tensors = keras.tree.map_structure(keras.ops.convert_to_tensor, batch)
    widths = [quantizer.bits for layer in quantized_layers(copy) for quantizer in layer.quantizers]
    with float_mode(model), float_mode(copy):
        exact, copied = (_outputs(each, tensors) for each in (model, copy))
    if not (error := _error(copied, exact)) <= SAME:
        warnings.warn(
            f"In float mode the copy differs by {error:.0%} from `model` on `x`: something of the model was not copied "
            "as it is. Layers that are not Keras's own may draw random numbers, or keep a state; else it is a fault of "
            "keras_efficient, please report it with the model",
            stacklevel=3,
        )
    change_mode(copy, "freeze_scales")
    if min(widths, default=0) >= WIDE and not (error := _error(_outputs(copy, tensors), exact)) <= LARGE_ERROR:
        warnings.warn(
            f"The quantized outputs differ by {error:.0%} from those of the float model on `x`, though no grid has "
            f"less than {min(widths)} bits: numbers of very different sizes share grids. Inputs of one range, as "
            "after a Normalization in front, help most; `keras_efficient.quantization.diagnose` shows each grid",
            stacklevel=3,
        )


def _outputs(model: keras.Model, tensors: Any) -> list[np.ndarray]:
    return [keras.ops.convert_to_numpy(each) for each in keras.tree.flatten(model(tensors, training=False))]


def _error(found: list[np.ndarray], exact: list[np.ndarray]) -> float:
    """The largest of the outputs' relative errors, of the numbers that are finite in the model; NaN where they are not
    in the copy."""
    known = [(a[np.isfinite(b)], b[np.isfinite(b)]) for a, b in zip(found, exact, strict=True)]
    return float(np.max([np.linalg.norm(a - b) / max(float(np.linalg.norm(b)), 1e-30) for a, b in known]))


def is_quantized(nodes: Iterable[Node]) -> bool:
    """Whether a model is quantized already."""
    nodes = list(nodes)
    return any(node.layer_key == INPUT_GRID for node in nodes) or not any(
        "batch_norm" in node.kind.absorbs for node in nodes
    )
