"""One process of benchmark_layers.py: the same small network in several libraries, trained and run on request.

    python peers/layer_sides.py SIDE ...    sides: see SIDES

A line "SIDE fit 32" or "SIDE predict 32" on standard input is a turn with batches of 32; the answer is the processor
seconds a batch took, or why it did not run.
"""

import json
import sys
import time
from functools import cache, partial

import numpy as np

from measuring.timing import one_core

SHAPE, CLASSES = (28, 28, 1), 10
# Batches of a turn, by batch size
TURNS = {"fit": {32: 64, 256: 16}, "predict": {32: 128, 256: 32}}


def study_network(library, convolution, dense):
    """The study's network as layers of a library that has Keras's interface; it ends at the logits."""
    layers = library.layers
    stack = [layers.AveragePooling2D(2), *(convolution(filters, 3, activation="relu") for filters in (5, 8, 11))]
    stack += [layers.MaxPooling2D(2), layers.Dropout(0.1), layers.Flatten(), dense(CLASSES)]
    return compiled(library, library.Sequential([library.Input(SHAPE), *stack]))


def compiled(library, model):
    """As a user compiles it: XLA where the library chooses it."""
    model.compile(library.optimizers.Adam(1e-3), library.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def plain():
    import keras

    return study_network(keras, keras.layers.Conv2D, keras.layers.Dense)


def ours(mode):
    import keras

    import keras_efficient as ke

    return compiled(keras, ke.build_network(ke.networks.MNIST_2KB, SHAPE, mode, softmax=False))


def hgq2():
    """As it comes: a trained bit width for every weight and every activation, and its count of bit operations."""
    import keras
    from hgq.layers import QConv2D, QDense

    return study_network(keras, QConv2D, QDense)


def hgq2_per_tensor():
    """One trained bit width a tensor and no count: the setting that is nearest to ours."""
    from hgq.config import LayerConfigScope, QuantizerConfigScope

    widths = QuantizerConfigScope(place="all", homogeneous_axis=None, heterogeneous_axis=())
    with widths, LayerConfigScope(enable_ebops=False):
        return hgq2()


def tf_keras():
    """The plain network in Keras 2."""
    import tf_keras

    return study_network(tf_keras, tf_keras.layers.Conv2D, tf_keras.layers.Dense)


def tfmot():
    """Quantization-aware training of TensorFlow Model Optimization: 8 bits. Flips tf.keras to Keras 2."""
    import tensorflow_model_optimization
    import tf_keras as library

    return compiled(library, tensorflow_model_optimization.quantization.keras.quantize_model(tf_keras()))


MODES = ("float", "learn_scales", "freeze_scales")
SIDES = {
    "plain": plain,
    **{mode: partial(ours, mode) for mode in MODES},
    **{side.__name__: side for side in (hgq2, hgq2_per_tensor, tf_keras, tfmot)},
}


@cache
def data(samples):
    """Images and labels; the values do not matter to the time."""
    random = np.random.default_rng(0)
    return random.random((samples, *SHAPE), "float32"), random.integers(0, CLASSES, samples)


def turn(model, task, batch):
    """Processor seconds a batch takes."""
    batches = TURNS[task][batch]
    x, y = data(batches * batch)
    started = time.process_time()
    if task == "fit":
        model.fit(x, y, batch_size=batch, shuffle=False, verbose=0)
    else:
        model.predict(x, batch_size=batch, verbose=0)
    return (time.process_time() - started) / batches


def main():
    one_core()
    models = {}
    answers, sys.stdout = sys.stdout, sys.stderr  # what libraries print is no answer
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        side, task, batch = line.split()
        try:
            if side not in models:
                models[side] = SIDES[side]()
            answer = turn(models[side], task, int(batch))
        except Exception as error:  # whatever a peer raises is its result
            answer = f"{type(error).__name__}: {error}"
        print(json.dumps(answer), file=answers, flush=True)
    parameters = {side: model.count_params() for side, model in models.items()}
    print(json.dumps(parameters), file=answers, flush=True)


if __name__ == "__main__":
    main()
