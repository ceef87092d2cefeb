"""`quantize_model`: a quantization-aware copy of a plain Keras model."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from keras_efficient.layers.quantized.activation import ActivationQ
from keras_efficient.layers.quantized.average_pooling import AveragePoolingQ
from keras_efficient.layers.quantized.input import InputQ
from keras_efficient.layers.quantized.merging import MergingLayer
from keras_efficient.layers.quantized.mode import check_mode
from keras_efficient.ops.quantize import check_bits
from keras_efficient.quantization.calibration import calibrate
from keras_efficient.quantization.functional_models import MODELS, as_functional, check_model, copy_of, first_by_place
from keras_efficient.quantization.modes import set_mode
from keras_efficient.quantization.observation import check_samples, parts_of
from keras_efficient.quantization.own_model.conversions import Order, check_summands, convert
from keras_efficient.quantization.own_model.float_layers import inner_float_layers
from keras_efficient.quantization.own_model.fusion import Graph, plan_fusions
from keras_efficient.quantization.own_model.kinds import PASSING, relu_name
from keras_efficient.quantization.own_model.settings import Choice, Settings, choices
from keras_efficient.quantization.own_model.weights import carry_over
from keras_efficient.storage.models import PREPARATIONS
from keras_efficient.storage.prices import LOGIT_BITS
from keras_efficient.type_aliases import Inputs, Tensor


def quantize_model(
    model: keras.Model,
    kernel_bits: int = 8,
    bias_bits: int = 16,
    activation_bits: int = 8,
    overrides: Mapping[str, Mapping | None] | None = None,
    x: Any = None,
    *,
    per_channel: bool = True,
    fold_batch_norm: bool = True,
    input_bits: int | None = 8,
    mode: str = "learn_scales",
) -> keras.Model:
    """A copy of `model` whose layers compute quantized: the same topology and weights, ready for `fit`.

    Dense, Conv1D, Conv2D, DepthwiseConv2D, SeparableConv2D (as two layers), average pooling, Add and
    Concatenate become this package's layers of the same names. A batch normalization behind a kernel
    is folded into it, and a relu behind a kernel or a sum becomes its activation; a lone batch
    normalization on images becomes a depthwise 1x1 convolution. Layers that keep the grid of their
    input (max pooling, relu, flatten, dropout ...) stay as they are. Structured layers of this
    package get the widths that they lack; pruned layers stay pruned. Everything else stays float: a
    warning names it, and so does `keras_efficient.quantization.float_layers`.

    Outputs get 16 bits, signed, unless `overrides` says otherwise: the logits of the generated C.
    An activation of the last layer that has no grid (softmax, sigmoid) becomes a layer behind it.

    Args:
        model: A built Functional or Sequential model. Models inside it are converted, too.
        kernel_bits, bias_bits, activation_bits: Widths in bits, 1 to 16.
        overrides: {layer name or pattern such as "block_*": {"kernel_bits": 4, ...}}; None in place of
            the settings leaves a layer float. Settings are the three widths and `per_channel`.
        x: Representative inputs, (samples, ...), or a list or dictionary of them, as the model takes
            several inputs: they set the scales, by least squared error. None leaves the scales at 1; call
            `calibrate(quantized, quantized, x, rule="least_error")` later.
        per_channel: Whether each filter of a kernel has a power-of-two scale of its own.
        fold_batch_norm: Whether batch normalizations are folded into the kernels before them.
        input_bits: Width of the `InputQ` put in front (signed where `x` has negative numbers, or is
            None), 1 to 16; the C export takes 8 and 16. None puts none.
        mode: Of the new model: `"float"`, `"learn_scales"` or `"freeze_scales"`.

    Returns:
        A model of the class of `model`. In float mode it computes what `model` does. It is compiled if
        `model` is.

    Raises:
        TypeError: No built Functional or Sequential model, or overrides that are no dictionary.
        ValueError: A wrong setting, a pattern that matches nothing, or a layer that can not be
            quantized as it is set (dilated windows, groups, channels that come first ...), by its name.

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
    if input_bits is not None:
        check_bits(input_bits, "input_bits")
    if x is not None:
        check_samples(x)
    common = Settings(kernel_bits, bias_bits, activation_bits, per_channel)
    copy = Copier(layer_names(model), common, overrides, fold_batch_norm, input_bits, x).copy(model)
    if x is not None:
        calibrate(copy, copy, x, rule="least_error")
    set_mode(copy, mode)
    warn_of_float_layers(copy)
    return copy


def layer_names(model: keras.Model) -> list[str]:
    """Names of all operations, of models inside the model as well."""
    names: list[str] = []
    for operation in as_functional(model).operations:
        names += layer_names(operation) if isinstance(operation, MODELS) else [operation.name]
    return names


def warn_of_float_layers(model: keras.Model) -> None:
    floats = inner_float_layers(model)
    if floats:
        warnings.warn(f"These layers stay float, and have no integer form: {', '.join(floats)}", stacklevel=3)


class Copier:
    """Copies a model layer by layer; `clone_model` walks the graph."""

    def __init__(
        self,
        names: Sequence[str],
        common: Settings,
        overrides: Mapping[str, Mapping | None] | None,
        fold: bool,
        input_bits: int | None,
        x: Inputs | None,
    ):
        self.choices, self.fold, self.input_bits = choices(names, common, overrides), fold, input_bits
        self.signed_input = x is None or any(np.min(part) < 0 for part in parts_of(x))

    def copy(self, model: keras.Model, is_inner: bool = False) -> keras.Model:
        functional = as_functional(model)
        walk = Walk(self, Graph(functional), is_inner)
        copy = keras.models.clone_model(functional, clone_function=lambda layer: layer, call_function=walk.call)
        for name, (old, new) in walk.made.items():
            norm = walk.batch_norm_of(name)
            carry_over(old, new, None if norm is None else walk.graph.operations.get(norm))
        if isinstance(model, keras.Sequential):
            copy = keras.Sequential(copy.layers, name=model.name)
            if model.compiled:
                copy.compile_from_config(model.get_compile_config())
        return copy


class Walk:
    """One walk through a Functional model: what each layer became, and what is known of each tensor."""

    def __init__(self, copier: Copier, graph: Graph, is_inner: bool):
        self.copier, self.graph, self.is_inner = copier, graph, is_inner
        stays_float = {
            name: isinstance(operation, MODELS) or copier.choices[name].settings is None
            for name, operation in graph.operations.items()
        }
        self.fusions = plan_fusions(graph, stays_float, copier.fold)
        self.absorbed = {name for fusion in self.fusions.values() for name in fusion.absorbed}
        self.made: dict[str, tuple[Any, list]] = {}
        # By id, with the tensor, so that no id is used again.
        self.non_negative: dict[int, Any] = {}
        self.inputs: dict[int, Any] = {}
        self.on_grid: dict[int, Any] = {}

    def batch_norm_of(self, name: str) -> str | None:
        """The batch normalization that is folded into a layer, by name."""
        return self.fusions[name].batch_norm if name in self.fusions else None

    def call(self, operation: keras.Operation, *args: Any, **kwargs: Any) -> Tensor:
        """The output of what takes the place of `operation`."""
        args, kwargs = first_by_place(operation, args, kwargs)
        if operation.name in self.absorbed:
            return args[0]
        args = keras.tree.map_structure(lambda value: self.gridded(value, operation), args)
        tensors = [value for value in keras.tree.flatten(args) if isinstance(value, keras.KerasTensor)]
        known = bool(tensors) and all(id(tensor) in self.non_negative for tensor in tensors)
        if operation.name not in self.made:
            # Called again, it may meet other inputs.
            once = self.graph.calls[operation.name] == 1
            self.made[operation.name] = (operation, self.make(operation, known and once, args, tensors))
        first, *others = self.made[operation.name][1]
        if type(first) is type(operation):
            y = first(*args, **kwargs)
        else:  # x + y calls the operation with two tensors; the layer takes a list
            y = first(list(args) if isinstance(first, MergingLayer) and len(args) > 1 else args[0])
        for layer in others:
            y = layer(y)
        self.remember(y, [first, *others][-1], known)
        return y

    def gridded(self, value: Any, operation: keras.Operation) -> Any:
        """A tensor of the model's input on the input's grid, for a layer that works."""
        is_input = isinstance(value, keras.KerasTensor) and self.is_input(value)
        if not is_input or self.copier.input_bits is None or self.is_inner:
            return value
        if isinstance(operation, (ActivationQ, AveragePoolingQ)) or type(operation).__name__ in PREPARATIONS:
            return value
        if "float" not in value.dtype:
            return value  # indices of an embedding, say
        if id(value) not in self.on_grid:
            name = self.input_name()
            made = InputQ(self.copier.input_bits, self.copier.signed_input, name=name, dtype=value.dtype)
            self.on_grid[id(value)] = made(value)
            self.inputs[id(value)] = value
            self.remember(self.on_grid[id(value)], made, False)
        return self.on_grid[id(value)]

    def is_input(self, tensor: keras.KerasTensor) -> bool:
        """Whether a tensor comes from outside, but for layers that prepare it."""
        operation = tensor._keras_history.operation
        if isinstance(operation, keras.layers.InputLayer):
            return True
        return type(operation).__name__ in PREPARATIONS and self.is_input(operation.input)

    def input_name(self) -> str:
        number = len(self.on_grid)
        return f"input_q_{number}" if number else "input_q"

    def make(self, operation: keras.Operation, known: bool, args: Any, tensors: Sequence[keras.KerasTensor]) -> list:
        if isinstance(operation, MODELS):
            return [self.copier.copy(operation, is_inner=True)]
        choice = self.copier.choices[operation.name]
        made = None
        if choice.settings is not None and not self.is_constant_sum(args):
            check_summands(operation, tensors)
            made = convert(operation, self.order(operation, choice, known))
        return made or [copy_of(operation)]

    @staticmethod
    def is_constant_sum(args: Any) -> bool:
        """Whether an operation such as x + 1 takes a number beside the tensor."""
        flat = keras.tree.flatten(args)
        return len(flat) > 1 and not all(isinstance(value, keras.KerasTensor) for value in flat)

    def order(self, operation: keras.Operation, choice: Choice, known: bool) -> Order:
        name = operation.name
        fusion = self.fusions[name]
        end = fusion.absorbed[-1] if fusion.absorbed else name
        is_output = self.graph.leads_out(end) and not self.is_inner
        if is_output and choice.settings is not None and "activation_bits" not in choice.given:
            choice = replace(choice, settings=replace(choice.settings, activation_bits=LOGIT_BITS))
        return Order(
            choice,
            batch_norm=fusion.batch_norm and self.graph.operations[fusion.batch_norm],
            activation=fusion.activation and relu_name(self.graph.operations[fusion.activation]),
            is_output=is_output,
            non_negative=known,
        )

    def remember(self, tensor: keras.KerasTensor, layer: keras.layers.Layer, inputs_known: bool) -> None:
        """Whether an output can be negative: unsigned codes can not, and what keeps codes does not change that."""
        quantizer = getattr(layer, "activation_quantizer", None)
        keeps = type(layer).__name__ in PASSING and inputs_known
        if keeps or relu_name(layer) or (quantizer is not None and not quantizer.signed):
            self.non_negative[id(tensor)] = tensor
