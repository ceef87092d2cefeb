"""What every network in C must show: integers, C and Keras agree, and it takes what was priced."""

import keras
import numpy as np

import keras_efficient as ke
from keras_efficient.export.reference import keras_logits
from keras_efficient.export.verify import run_on_host


def same_in_float(plain, x, model):
    """`model`, a quantized copy of `plain`, which computes the same while nothing is rounded."""
    mode = next(layer.mode for layer in model._flatten_layers() if hasattr(layer, "mode"))
    ke.set_mode(model, "float")
    for exact, copied in zip(*(keras.tree.flatten(each.predict(x, verbose=0)) for each in (plain, model)), strict=True):
        np.testing.assert_allclose(copied, exact, rtol=1e-3, atol=1e-3 * np.abs(exact).max())
    ke.set_mode(model, mode)
    return model


def assert_agree(model, x, folder, **options):
    """The integers of `model`, and codes of the samples `x` (of several inputs a list) and of extremes."""
    bits = {key: value for key, value in options.items() if key == "logits_bits"}
    integers = ke.export.IntegerModel(model, **bits)
    samples = integers.encode(x)
    parts = samples if isinstance(samples, list) else [samples]
    parts = [with_extremes(part, each.codes) for part, each in zip(parts, integers.inputs, strict=True)]
    codes = parts if isinstance(samples, list) else parts[0]
    logits = integers.predict(codes)
    assert len(np.unique(logits)) > 1
    if not integers.inexact_layers:
        np.testing.assert_array_equal(keras_logits(model, integers, codes), logits)
    report = ke.export_c(model, folder, **options)
    priced = ke.estimate_storage(model, target=options.get("target", "host"), **bits)
    assert report.weight_bytes == np.ceil(priced.weight_bytes)
    assert report.arena_bytes == report.predicted_arena_bytes == np.ceil(priced.activation_bytes)
    run = run_on_host(folder, codes)
    np.testing.assert_array_equal(run.logits, logits)
    np.testing.assert_array_equal(run.classes, integers.classify(codes))
    return integers, codes


def with_extremes(codes, grid):
    low, high = grid.low, grid.high
    extremes = np.random.default_rng(0).choice([low, 0, high], (16, *codes.shape[1:]))
    return np.concatenate([codes, extremes, np.full_like(codes[:1], low), np.full_like(codes[:1], high)])
