"""What each layer can do: a model of every layer is shown to the tools, whose answers become docs/layers.md.

`support_report` says what `quantize_model` makes of a layer and whether it is priced and has C. LiteRT's converter is
run on the quantized model. A layer is prunable where it has kernels and takes a mask.

    python scripts/layer_support.py [--quick]     # --quick: without LiteRT
"""

import argparse
import inspect
import warnings

import keras
import numpy as np

import keras_efficient as ke
from keras_efficient.kinds.kind import TRAINING_ONLY
from keras_efficient.kinds.table import KINDS
from keras_efficient.layers.pruning.kernels import prunable_weights, refusal
from measuring.results import write_results

# Images, signals, vectors, volumes: the first that a layer takes.
SHAPES = ((8, 8, 4), (8, 4), (8,), (4, 4, 4, 2))
# What a constructor asks for, and with what structured layers have integers.
ARGUMENTS = {
    **dict.fromkeys(("units", "filters", "output_dim", "num_heads", "key_dim", "dimensions", "n"), 4),
    **dict.fromkeys(("rank", "kernel_size", "pool_size"), 2),
    **dict.fromkeys(("rate", "stddev", "factor", "scale"), 0.25),
    **{"input_dim": 256, "target_shape": (-1, 2), "dims": (2, 1), "activation": "tanh"},
}
INTEGERS = {"kernel_bits": 4, "bias_bits": 8, "activation_bits": 8, "transform": "dct2d", "permutation": None}
# Layers that people ask for and the table of kinds does not hold.
ASKED_FOR = ("Embedding", "GRU", "LSTM", "MultiHeadAttention", "SimpleRNN")
AUGMENTATION = "RandomFlip"  # stands for all of them
AT_THE_END = "Softmax"


def classes():
    """(name, class) of each layer of the table; of the augmentations one."""
    names = {key.name for key in KINDS}
    for key, kind in KINDS.items():
        is_augmentation = kind.codes == TRAINING_ONLY and kind.prepares
        if key.origin != "ops" and (key.name == AUGMENTATION or not is_augmentation):
            yield key.name, getattr(ke if key.origin == "own" else keras.layers, key.name)
    for name in ASKED_FOR:
        if name not in names:
            yield name, getattr(keras.layers, name)


def arguments(found):
    """What a class is made with."""
    asked = [each.name for each in inspect.signature(found).parameters.values() if each.default is each.empty]
    needed = {name: ARGUMENTS[name] for name in asked if name in ARGUMENTS}
    if not found.__module__.startswith("keras_efficient"):
        return needed
    known = found(**needed).get_config()
    return {**needed, **{name: value for name, value in INTEGERS.items() if name in known}}


def model_of(found):
    """A model in which a layer works on a grid, the layer, and inputs."""
    random, given = np.random.default_rng(0), arguments(found)
    for shape in SHAPES:
        for call in (lambda layer, x: layer(x), lambda layer, x: layer([x, x]), lambda layer, x: layer(x, x)):
            inputs = keras.Input(shape)
            x = inputs if found is ke.InputQ else ke.InputQ(8)(inputs)
            try:
                layer = found(**given)
                y = call(layer, x)
                ended = y if found.__name__ == AT_THE_END else keras.layers.Dense(2)(keras.layers.Flatten()(y))
            except Exception:  # the next shape, or the next call
                continue
            return keras.Model(inputs, ended), layer, random.random((32, *shape), "float32")
    raise ValueError(f"{found.__name__} takes none of these inputs")


def converts(model, x):
    """Whether LiteRT's converter takes a model."""
    try:
        ke.export.convert_litert(model, x)
    except (TypeError, ValueError):
        return False
    return True


def support(found, quick):
    """A row of the table."""
    model, layer, x = model_of(found)
    (row,) = [row for row in ke.support_report(model).rows if row.name == layer.name]
    copy = ke.quantize_model(model, x=x)
    made = {each.name: type(each).__name__ for each in copy.layers}
    return {
        "own": found.__module__.startswith("keras_efficient"),
        "quantize": row.quantize,
        "becomes": made.get(layer.name),
        "priced": row.priced,
        "c": row.c,
        "litert": None if quick else converts(copy, x),
        "prunable": bool(prunable_weights(layer)) and refusal(layer) is None,
        "reason": row.reason,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="without LiteRT")
    quick = parser.parse_args().quick
    warnings.filterwarnings("ignore")
    figures = {}
    for name, found in classes():
        figures[name] = support(found, quick)
        print(name, *figures[name].values(), flush=True)
    print(write_results("layer_support", figures, quick=quick).name)


if __name__ == "__main__":
    main()
