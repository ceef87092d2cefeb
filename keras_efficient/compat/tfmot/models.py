"""convert_model: a tf_keras model, pruned or quantized by tfmot or neither, as a model of Keras 3."""

from collections.abc import Mapping
from typing import Any

import keras

from keras_efficient.compat.tfmot.layers import Conversion, plain, tfmot_class
from keras_efficient.compat.tfmot.pruned import pruned
from keras_efficient.compat.tfmot.quantized import QUANTIZE_LAYER, QUANTIZE_WRAPPERS, quantize_layer, quantize_wrapper
from keras_efficient.layers.pruning.kernels import described


def convert_model(model: Any, quantizers: bool = True) -> keras.Model:
    """The model of Keras 3 that computes what a model of tf_keras (Keras 2) computes in inference.

    * Layers of tf_keras become the layers of Keras 3 with the same names, settings and weights.
    * `PruneLowMagnitude` becomes `ke.Prunable`, with the same masks, the schedule of `convert_schedule`, and the
      number of batches trained. Around a layer that it does not prune, it is left out.
    * `QuantizeWrapperV2` and `QuantizeLayer`: see `quantizers`.

    What stays behind: optimizer, loss and metrics (compile it anew), and callbacks.

    Outputs are equal in float32 to about 1e-6: another order of sums. With `quantizers=True` an activation that lies
    half way between two codes may so become the other one. Where an Embedding or Masking layer masks time steps, pruned
    models are equal to `tfmot.sparsity.keras.strip_pruning(model)`: tfmot's wrappers lose such masks.

    Args:
        model: A built Functional or Sequential model, nested ones included, as it is in memory; for a file, load it
            with tf_keras under `tfmot.sparsity.keras.prune_scope()` or `tfmot.quantization.keras.quantize_scope()`.
        quantizers: What becomes of a quantization-aware model. True: kernels are rounded as tfmot rounds them, and
            `FakeQuantize` layers round the activations: for inference. False: the float kernels and no rounding, for
            `ke.quantize_model`, whose grids are others (powers of two), and `copy_ranges`.

    Raises:
        TypeError: If it is no built Functional or Sequential model of tf_keras.
        ValueError: If a layer has no counterpart in Keras 3, or a wrapper of tfmot none here; it is named.

    Example:

    >>> model = ke.compat.tfmot.convert_model(pruned_tf_keras_model)
    >>> ke.strip_pruning(model).save("model.keras")
    """
    _check_model(model)
    return _sequential(model, quantizers) if _is_a(model, "Sequential") else TfmotWalk(model, quantizers).model()


def _check_model(model):
    if isinstance(model, keras.Model):
        raise TypeError(
            f"`model` must be a model of tf_keras; this is one of Keras 3 already. Received: model={model!r}"
        )
    known = _is_a(model, "Sequential") or _is_a(model, "Functional")
    if not known or not getattr(model, "inputs", None):
        raise TypeError(
            "`model` must be a built Functional or Sequential model of tf_keras. "
            f"Received: model={model!r}" + (" (not built: give it an Input)" if known else "")
        )


def _is_a(model, kind):
    """Whether a class of tf_keras is among those of an object, without importing it."""
    return any(b.__name__ == kind and b.__module__.split(".")[0] == "tf_keras" for b in type(model).__mro__)


def _convert(layer: Any, quantizers: bool) -> Conversion:
    kind = tfmot_class(layer)
    if _is_a(layer, "Sequential") or _is_a(layer, "Functional"):
        return Conversion([convert_model(layer, quantizers)], lambda: None)
    if kind == "PruneLowMagnitude":
        return pruned(layer)
    if kind in QUANTIZE_WRAPPERS:
        return quantize_wrapper(layer, quantizers)
    return quantize_layer(layer, quantizers) if kind == QUANTIZE_LAYER else plain(layer)


def _sequential(model, quantizers):
    (tensor,) = model.inputs
    first = keras.Input(batch_shape=tuple(tensor.shape), dtype=tensor.dtype.name)
    parts = [_convert(layer, quantizers) for layer in model.layers]
    result = keras.Sequential([first, *(layer for part in parts for layer in part.layers)], name=model.name)
    for part in parts:
        part.carry()
    return result


class TfmotWalk:
    """The graph of a Functional model, called once more with the new layers.

    A tensor is known by the name of its layer, the number of the call and its place among the outputs.
    """

    def __init__(self, source: Any, quantizers: bool):
        self.source, self.config = source, source.get_config()
        self.tensors: dict[tuple[str, int, int], Any] = {}
        self.parts: dict[str, Conversion] = {}
        for entry in self.config["layers"]:
            layer = source.get_layer(entry["name"])
            if _is_a(layer, "InputLayer"):
                self.tensors[entry["name"], 0, 0] = _input(layer)
            else:
                self.parts[entry["name"]] = _convert(layer, quantizers)

    def model(self) -> keras.Model:
        pending = [
            (entry["name"], call, node)
            for entry in self.config["layers"]
            for call, node in enumerate(entry["inbound_nodes"])
        ]
        while pending:
            later = [each for each in pending if not self.called(*each)]
            if len(later) == len(pending):
                raise ValueError(
                    f"`model` has layers whose inputs are not known: {sorted({each[0] for each in later})}"
                )
            pending = later
        inputs, outputs = (self.structure(self.config[key]) for key in ("input_layers", "output_layers"))
        result = keras.Model(inputs, outputs, name=self.source.name)
        for part in self.parts.values():
            part.carry()
        return result

    def called(self, name: str, call: int, node: Any) -> bool:
        """Call the new layers for one call of a layer, if its inputs are there already."""
        source = self.source.get_layer(name)
        try:
            inputs = [self.tensors[tuple(reference[:3])] for reference in node]
            arguments = {key: self.argument(value) for key, value in _keywords(node, source).items()}
        except KeyError:
            return False
        if hasattr(source, "cell") and len(inputs) > 1:  # the states of a recurrent layer
            inputs, arguments["initial_state"] = inputs[:1], inputs[1:]
        y = inputs[0] if len(inputs) == 1 else inputs
        for layer in self.parts[name].layers:
            y, arguments = layer(y, **arguments), {}
        for place, tensor in enumerate(keras.tree.flatten(y)):
            self.tensors[name, call + _first_call(source), place] = tensor
        return True

    def argument(self, value: Any) -> Any:
        return self.tensors[tuple(value)] if _is_reference(value) else value

    def structure(self, references: Any) -> Any:
        """One tensor, or a list or dictionary of them, as the model was made."""
        if _is_reference(references):
            return self.tensors[tuple(references)]
        if isinstance(references, Mapping):
            return {key: self.structure(value) for key, value in references.items()}
        found = [self.structure(value) for value in references]
        return found[0] if len(found) == 1 else found


def _first_call(layer):
    """tf_keras counts the calls of a layer from 0; of a model with an input from 1: when it was made is one, too."""
    parts: list = getattr(layer, "_self_tracked_trackables", [])
    return int(_is_a(layer, "Functional") and bool(parts) and _is_a(parts[0], "InputLayer"))


def _input(layer):
    config = layer.get_config()
    if config.get("ragged"):
        raise ValueError(f"`model` has an input {described(layer)} that can not be converted. Received: ragged=True")
    sparse = {"sparse": True} if config.get("sparse") else {}
    return keras.Input(batch_shape=config["batch_input_shape"], dtype=config["dtype"], name=layer.name, **sparse)


def _keywords(node, layer):
    """What a layer is called with beside its inputs."""
    if not isinstance(node, (list, tuple)) or not all(isinstance(each, (list, tuple)) for each in node):
        raise ValueError(f"`model` calls the layer {described(layer)} in a way that is not known. Received: {node!r}")
    keywords = node[0][3] if len(node[0]) > 3 else {}
    return {key: value for key, value in keywords.items() if value is not None}


def _is_reference(value):
    return isinstance(value, (list, tuple)) and len(value) == 3 and isinstance(value[0], str)
