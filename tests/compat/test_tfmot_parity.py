"""compat.tfmot against tfmot itself: schedules, masks, and models brought over. Needs the extra `tfmot`."""

import importlib.util
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_efficient as ke
from keras_efficient.compat.tfmot import activation_ranges, convert_model, convert_schedule, copy_ranges, import_tfmot

# Only a missing package is skipped: one that does not import fails.
if importlib.util.find_spec("tensorflow_model_optimization") is None:
    pytest.skip("needs the extra `tfmot`: make test-tfmot", allow_module_level=True)
tfmot = import_tfmot()

import tf_keras  # noqa: E402

L, theirs, quantize = tf_keras.layers, tfmot.sparsity.keras, tfmot.quantization.keras
IMAGE, SERIES, ROW = (8, 8, 4), (6, 4), (8,)


def to_numpy(x):
    return np.asarray(keras.ops.convert_to_numpy(x) if keras.ops.is_tensor(x) else x, "float32")


def outputs(model, x):
    """Of either Keras, in inference, as a list."""
    flat = tf.nest.flatten(model(x, training=False)) if is_theirs(model) else keras.tree.flatten(model(x))
    return [each.numpy() if is_theirs(model) else to_numpy(each) for each in flat]


def is_theirs(model):
    return isinstance(model, tf_keras.Model)


def assert_same_outputs(ours, model, x, tolerance=1e-6):
    for a, b in zip(outputs(ours, x), outputs(model, x), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance)


def random_inputs(shape, count=4):
    return np.random.default_rng(0).random((count, *shape)).astype("float32")


def with_random_weights(model):
    random = np.random.default_rng(1)
    for weight in model.weights:
        weight.assign(random.uniform(0.1, 0.6, weight.shape) * random.choice([1, 1, -1]))
    for layer in model.layers:
        if isinstance(layer, L.BatchNormalization):
            layer.moving_variance.assign(np.abs(layer.moving_variance.numpy()))
    return model


# --- the import ---

_WHICH_KERAS = """if True:
    import os
    import tensorflow as tf
    {}
    print(os.environ.get("TF_USE_LEGACY_KERAS"), tf.keras.layers.Dense.__module__.split(".")[0])
"""
_GUARDED = "from keras_efficient.compat.tfmot import import_tfmot; assert import_tfmot().sparsity.keras"


@pytest.mark.parametrize(
    "statement, variable, expected",
    [
        (_GUARDED, None, "None keras"),
        (_GUARDED, "0", "0 keras"),
        ("import tensorflow_model_optimization", None, "1 tf_keras"),  # what there is to guard against
    ],
)
def test_tf_keras_stays_keras_3(statement, variable, expected):
    environment = {key: value for key, value in os.environ.items() if key != "TF_USE_LEGACY_KERAS"}
    environment |= {} if variable is None else {"TF_USE_LEGACY_KERAS": variable}
    command = [sys.executable, "-c", _WHICH_KERAS.format(statement)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == expected


# --- schedules ---


@pytest.mark.parametrize(
    "schedule",
    [
        theirs.ConstantSparsity(0.5, 0),
        theirs.ConstantSparsity(0.3, 7, 1000, 13),
        theirs.ConstantSparsity(0.999, 0, -1, 1),
        theirs.ConstantSparsity(0.0, 5, 5, 1),
        theirs.ConstantSparsity(0.5, 600, 600 + 7 * 13, 13),
        theirs.ConstantSparsity(0.5, 2000),
        theirs.PolynomialDecay(0.5, 0.8, 0, 1000),
        theirs.PolynomialDecay(0.0, 0.9, 13, 1207, power=1, frequency=17),
        theirs.PolynomialDecay(0.8, 0.2, 100, 101, power=3, frequency=1),
        theirs.PolynomialDecay(0.1, 0.7, 50, 5000, power=0.5, frequency=50),
        theirs.PolynomialDecay(np.float32(0.25), 0.75, np.int32(0), np.int64(1299), frequency=np.int32(3)),
    ],
)
def test_schedules_are_equal_on_1300_steps(schedule):
    ours = convert_schedule(schedule)
    for step in range(1300):
        updates, sparsity = schedule(tf.constant(step, tf.int64))
        # At its end ours always prunes, so that it reaches its target: tfmot only where the frequency divides the way.
        is_end = isinstance(ours, ke.PolynomialDecay) and step == ours.end_step
        assert ours(step)[0] is (bool(updates) or is_end), step
        assert ours(step)[1] == pytest.approx(float(sparsity), abs=1e-6), step


# --- masks ---


def twin(schedule, optimizer):
    """One network and its masks after each batch, once trained by tfmot, once by us."""
    tf_keras.utils.set_random_seed(1)
    layers = [L.Input(IMAGE), L.Conv2D(6, 3, activation="relu"), L.Flatten(), L.Dense(10, "softmax")]
    model = tf_keras.Sequential(layers)
    ours = ke.prune_model(convert_model(model), convert_schedule(schedule))
    pruned = theirs.prune_low_magnitude(model, schedule)
    seen = []

    class Watch(tf_keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append([mask.numpy() for mask in masks_of(pruned)])

    x, y = random_inputs(IMAGE, 160), np.random.default_rng(2).integers(0, 10, 160)
    for each, library in ((pruned, tf_keras), (ours, keras)):
        each.compile(optimizer(library.optimizers), "sparse_categorical_crossentropy")
    callbacks = [theirs.UpdatePruningStep(), Watch()]
    pruned.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0, callbacks=callbacks)
    for batch, expected in enumerate(seen):
        ke.pruning.update_masks(ours, batch + 1)  # tfmot counts from 1
        place = 8 * batch % 160
        ours.train_on_batch(x[place : place + 8], y[place : place + 8])
        yield ours, pruned, our_masks(ours), expected


def masks_of(model):
    return [mask for layer in model.layers for _, mask, _ in getattr(layer, "pruning_vars", ())]


def our_masks(model):
    return [to_numpy(kernel.mask) for layer in ke.pruning.prunable_layers(model) for kernel in layer.kernels]


@pytest.mark.parametrize(
    "schedule, optimizer",
    [
        (theirs.PolynomialDecay(0.1, 0.8, 3, 31, frequency=4), lambda kit: kit.SGD(0.1)),
        (theirs.PolynomialDecay(0.1, 0.8, 3, 31, frequency=4), lambda kit: kit.Adam(1e-3)),
        (theirs.ConstantSparsity(0.55, 2, frequency=5), lambda kit: kit.SGD(0.1)),
    ],
)
def test_masks_of_a_trained_twin_are_equal(schedule, optimizer):
    batches = 0
    for ours, pruned, masks, expected in twin(schedule, optimizer):  # noqa: B007
        batches += 1
        for mask, mine in zip(expected, masks, strict=True):
            np.testing.assert_array_equal(mine, mask)
    assert batches == 40 and min(1 - mask.mean() for mask in masks) > 0.5
    weights = [w for layer in ke.pruning.prunable_layers(ours) for w in layer.effective_weights()]
    expected = [w.numpy() for layer in pruned.layers for w in getattr(layer, "layer", layer).weights]
    for mine, weight in zip(weights, expected, strict=True):
        np.testing.assert_allclose(mine, weight, atol=1e-5)


def mask_of_both(kernel, sparsity):
    """tfmot's mask and ours of a kernel, at once."""
    model = tf_keras.Sequential([L.Input(kernel.shape[:1]), L.Dense(kernel.shape[1], use_bias=False)])
    model.layers[0].kernel.assign(kernel)
    schedule = theirs.ConstantSparsity(sparsity, 1, frequency=1)
    ours = ke.prune_model(convert_model(model), convert_schedule(schedule))
    pruned = theirs.prune_low_magnitude(model, schedule)
    pruned.compile(tf_keras.optimizers.SGD(0.0), "mse", run_eagerly=True)
    x = np.zeros((1, kernel.shape[0]), "float32")
    pruned.fit(x, x[:, :1] + np.zeros(kernel.shape[1]), verbose=0, callbacks=[theirs.UpdatePruningStep()])
    ke.pruning.update_masks(ours, 1)
    return masks_of(pruned)[0].numpy(), our_masks(ours)[0]


@pytest.mark.parametrize("shape", [(1, 1), (4, 3), (7, 11), (16, 25)])
@pytest.mark.parametrize("sparsity", [0.0, 0.1, 0.37, 0.8, 0.99])
def test_masks_of_distinct_weights_are_equal(shape, sparsity):
    kernel = np.random.default_rng(3).permutation(np.prod(shape)).reshape(shape).astype("float32") + 1
    expected, mine = mask_of_both(kernel, sparsity)
    if round(kernel.size * sparsity) == kernel.size:
        assert expected.sum() == 1 and mine.sum() == 0  # tfmot leaves one
    else:
        np.testing.assert_array_equal(mine, expected)


def test_where_masks_differ():
    # Among equals tfmot keeps all; we remove the number that was asked for, the first ones first.
    expected, mine = mask_of_both(np.ones((2, 4), "float32"), 0.5)
    assert expected.sum() == 8 and mine.ravel().tolist() == [0] * 4 + [1] * 4
    # tfmot rounds how many stay, we how many go: 2.5 becomes 2.
    expected, mine = mask_of_both(np.arange(1, 6, dtype="float32")[:, None], 0.5)
    assert expected.sum() == 2 and mine.sum() == 3


# --- pruned models ---


def skip_network():
    inputs = L.Input(IMAGE)
    x = L.ReLU()(L.BatchNormalization()(L.Conv2D(4, 3, padding="same")(inputs)))
    x = L.Add()([x, L.Conv2D(4, 3, padding="same", activation="relu")(x)])
    x = L.MaxPooling2D(2)(L.SeparableConv2D(4, 3, activation="relu")(x))
    return tf_keras.Model(inputs, L.Dense(10, "softmax")(L.Dense(8, "tanh")(L.Flatten()(x))))


def text_network(mask_zero=False):
    inputs = L.Input((6,), dtype="int32")
    return tf_keras.Model(inputs, L.Dense(3)(L.LSTM(5)(L.Embedding(9, 4, mask_zero=mask_zero)(inputs))))


def chain():
    return tf_keras.Sequential([L.Input(ROW), L.Dense(6, "relu"), L.Dropout(0.2), L.Dense(5)])


def trained_pruned(make, x, **settings):
    tf_keras.utils.set_random_seed(0)
    schedule = theirs.PolynomialDecay(0.2, 0.7, 0, 6, frequency=2)
    model = theirs.prune_low_magnitude(make(), schedule, **settings)
    model.compile(tf_keras.optimizers.SGD(0.1), "mse")
    y = np.random.default_rng(2).random((len(x), *model.output_shape[1:]))
    model.fit(x, y, batch_size=len(x) // 7, verbose=0, callbacks=[theirs.UpdatePruningStep()])
    return model


@pytest.mark.parametrize(
    "make, x, settings",
    [
        (skip_network, random_inputs(IMAGE, 28), {}),
        (text_network, np.random.default_rng(0).integers(0, 9, (28, 6)).astype("int32"), {}),
        (chain, random_inputs(ROW, 28), {}),
        (chain, random_inputs(ROW, 28), {"block_size": (2, 1)}),
    ],
)
def test_pruned_models_come_over(make, x, settings, tmp_path):
    model = trained_pruned(make, x, **settings)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "tfmot does not prune the depthwise_kernel")
        ours = convert_model(model)
    assert_same_outputs(ours, model, x)
    wrapped = [layer for layer in model.layers if getattr(layer, "pruning_vars", ())]
    assert len(wrapped) == len(ke.pruning.prunable_layers(ours)) > 1
    for layer, theirs_ in zip(ke.pruning.prunable_layers(ours), wrapped, strict=True):
        assert layer.layer.name == theirs_.layer.name
        assert layer.schedule == ke.PolynomialDecay(0.2, 0.7, 0, 6, frequency=2)
        assert layer.structure == (ke.pruning.Blocks((2, 1)) if settings else ke.pruning.Weights())
        assert int(to_numpy(layer.step)) == int(theirs_.pruning_step) == 7
        masks = {tuple(kernel.mask.shape): to_numpy(kernel.mask) for kernel in layer.kernels}
        for _, mask, _ in theirs_.pruning_vars:
            assert 0.5 < 1 - mask.numpy().mean() < 0.8
            np.testing.assert_array_equal(masks[tuple(mask.shape)], mask.numpy())
    plain = ke.strip_pruning(ours)
    assert_same_outputs(plain, theirs.strip_pruning(model), x)
    plain.save(tmp_path / "model.keras")
    assert_same_outputs(keras.saving.load_model(tmp_path / "model.keras"), model, x)


def test_masks_of_time_steps_act_as_behind_strip_pruning():
    x = np.random.default_rng(0).integers(0, 3, (28, 6)).astype("int32")
    model = trained_pruned(lambda: text_network(mask_zero=True), x)
    stripped = theirs.strip_pruning(model)
    assert np.abs(outputs(model, x)[0] - outputs(stripped, x)[0]).max() > 1e-3  # tfmot's wrappers lose them
    assert_same_outputs(convert_model(model), stripped, x)


def test_a_pruned_model_trains_on():
    x = random_inputs(ROW, 28)
    ours = convert_model(trained_pruned(chain, x))
    before, raw = our_masks(ours), outputs(ours, x)
    ours.compile("sgd", "mse")
    ours.fit(x, np.zeros((28, 5)), batch_size=4, verbose=0, callbacks=[ke.PruningCallback()])
    for old, new in zip(before, our_masks(ours), strict=True):
        np.testing.assert_array_equal(new, old)  # the schedule has ended at step 6
    assert np.abs(outputs(ours, x)[0] - raw[0]).max() > 1e-3


def test_kernels_that_tfmot_leaves_alone_are_named():
    with pytest.warns(UserWarning, match="does not prune the depthwise_kernel of layer 'separable_conv2d"):
        convert_model(trained_pruned(skip_network, random_inputs(IMAGE, 28)))


@pytest.mark.parametrize(
    "settings, text",
    [
        ({"block_size": (2, 2), "block_pooling_type": "MAX"}, "block_pooling_type='MAX'"),
        ({"sparsity_m_by_n": (2, 4)}, r"sparsity_m_by_n=\(2, 4\)"),
    ],
)
def test_other_structures_are_refused(settings, text):
    model = theirs.prune_low_magnitude(chain(), theirs.ConstantSparsity(0.5, 0), **settings)
    with pytest.raises(ValueError, match=f"'prune_low_magnitude_dense.*strip_pruning before.*Received: {text}"):
        convert_model(model)


# --- quantization-aware models ---


def trained_quantized(make, x):
    tf_keras.utils.set_random_seed(0)
    model = quantize.quantize_model(make())
    model.compile(tf_keras.optimizers.SGD(0.05), "mse")
    y = np.random.default_rng(2).random((len(x), *model.output_shape[1:]))
    model.fit(x, y, batch_size=8, epochs=5, verbose=0)
    return model


@pytest.fixture(scope="module")
def quantized_skip():
    return trained_quantized(skip_network, random_inputs(IMAGE, 32))


@pytest.mark.parametrize("make, shape", [(skip_network, IMAGE), (chain, ROW)])
def test_quantized_models_come_over(make, shape, tmp_path):
    x = random_inputs(shape, 32)
    model = trained_quantized(make, x)
    ours = convert_model(model)
    assert_same_outputs(ours, model, x)
    ours.save(tmp_path / "model.keras")
    assert_same_outputs(keras.saving.load_model(tmp_path / "model.keras"), model, x)
    rounded = next(layer for layer in ours.layers if hasattr(layer, "kernel"))
    kernel = to_numpy(rounded.kernel)
    assert all(len(np.unique(column)) <= 255 for column in kernel.reshape(-1, kernel.shape[-1]).T)


def test_quantized_models_come_over_as_float_ones(quantized_skip):
    x = random_inputs(IMAGE, 32)
    ours = convert_model(quantized_skip, quantizers=False)
    kinds = {type(layer).__name__ for layer in ours.layers}
    assert "FakeQuantize" not in kinds and "DepthwiseConv2D" in kinds  # tfmot splits separable convolutions
    theirs_ = {weight.name.split(":")[0]: weight.numpy() for weight in quantized_skip.weights}
    for layer in ours.layers:
        for weight in layer.weights:
            names = [f"{layer.name}/{prefix}{weight.name}" for prefix in ("", "depthwise_")]
            expected = next(theirs_[name] for name in names if name in theirs_)
            np.testing.assert_array_equal(to_numpy(weight), expected)
    difference = np.abs(outputs(ours, x)[0] - outputs(quantized_skip, x)[0]).max()
    assert 0 < difference < 0.1


@pytest.mark.filterwarnings("ignore:These layers stay float.*tanh")
def test_ranges_become_scales_of_our_layers(quantized_skip):
    x = random_inputs(IMAGE, 32)
    ranges = activation_ranges(quantized_skip)
    plain = convert_model(quantized_skip, quantizers=False)
    ours = ke.quantize_model(plain, x=x, mode="freeze_scales")
    done = copy_ranges(quantized_skip, ours)
    names = {layer.name for layer in ke.quantization.quantized_layers(ours)}
    before_functions = {name for name in names if f"{name}_tanh" in names}
    assert set(done) == names - before_functions == {"input_q", *done} and before_functions
    relu = next(layer.name for layer in plain.layers if isinstance(layer, keras.layers.ReLU))
    folded = next(layer for layer in ours.layers if getattr(layer, "batch_norm", None) is not None)
    for layer, limits in ((folded, ranges[relu]), (ours.get_layer(done[-1]), ranges[done[-1]])):
        scale = 2 ** float(to_numpy(layer.quantizers[-1].scale))
        assert scale / 2 < max(-limits[0], limits[1]) <= scale
    np.testing.assert_allclose(outputs(ours, x)[0], outputs(plain, x)[0], atol=0.1)


def test_ranges_of_another_model_are_refused(quantized_skip):
    other = ke.quantize_model(convert_model(chain()), input_bits=None)
    with pytest.raises(ValueError, match="`quantized_model` must be what .* Received: ranges of"):
        copy_ranges(quantized_skip, other)


def test_pruned_and_quantized_models_keep_their_zeros():
    x = random_inputs(ROW, 28)
    annotated = quantize.quantize_annotate_model(theirs.strip_pruning(trained_pruned(chain, x)))
    scheme = tfmot.experimental.combine.Default8BitPrunePreserveQuantizeScheme()
    model = quantize.quantize_apply(annotated, scheme)
    model.compile(tf_keras.optimizers.SGD(0.05), "mse")
    model.fit(x, np.zeros((28, 5)), verbose=0)
    ours = convert_model(model)
    assert_same_outputs(ours, model, x)
    kernel = to_numpy(next(layer for layer in ours.layers if hasattr(layer, "kernel")).kernel)
    assert (kernel == 0).mean() > 0.5


# --- plain models ---

LAYERS = {
    "Dense": (lambda: L.Dense(6, "relu", kernel_regularizer="l2"), ROW),
    "Conv1D": (lambda: L.Conv1D(3, 2, padding="causal", dilation_rate=2), SERIES),
    "Conv2D": (lambda: L.Conv2D(4, 3, groups=2, activation="swish"), IMAGE),
    "Conv2DTranspose": (lambda: L.Conv2DTranspose(3, 3, strides=2, output_padding=1), IMAGE),
    "DepthwiseConv2D": (lambda: L.DepthwiseConv2D(3, depth_multiplier=2), IMAGE),
    "SeparableConv1D": (lambda: L.SeparableConv1D(3, 2, depthwise_regularizer="l2"), SERIES),
    "GRU": (lambda: L.GRU(5, reset_after=False), SERIES),
    "LSTM": (lambda: L.LSTM(5, return_sequences=True, go_backwards=True), SERIES),
    "RNN": (lambda: L.RNN([L.LSTMCell(3), L.GRUCell(2)]), SERIES),
    "Bidirectional": (lambda: L.Bidirectional(L.GRU(3)), SERIES),
    "TimeDistributed": (lambda: L.TimeDistributed(L.Dense(3, activation="relu")), SERIES),
    "BatchNormalization": (lambda: L.BatchNormalization(axis=1), IMAGE),
    "LayerNormalization": (lambda: L.LayerNormalization(axis=[1, 2]), SERIES),
    "Normalization": (lambda: L.Normalization(), SERIES),
    "LeakyReLU": (lambda: L.LeakyReLU(0.2), ROW),
    "ReLU": (lambda: L.ReLU(6.0, 0.1, 0.2), ROW),
    "SpatialDropout2D": (lambda: L.SpatialDropout2D(0.3), IMAGE),
    "AveragePooling2D": (lambda: L.AveragePooling2D(2, padding="same"), IMAGE),
    "UpSampling2D": (lambda: L.UpSampling2D(2, interpolation="bilinear"), IMAGE),
    "mixed precision": (lambda: L.Dense(3, dtype="mixed_float16"), ROW),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_come_over(name):
    make, shape = LAYERS[name]
    model = with_random_weights(tf_keras.Sequential([L.Input(shape), make()]))
    ours = convert_model(model)
    assert ours.layers[-1].name == model.layers[-1].name
    assert_same_outputs(ours, model, random_inputs(shape), tolerance=1e-3 if name == "mixed precision" else 1e-6)


def shared():
    a, b, dense = L.Input(ROW), L.Input(ROW), L.Dense(4)
    return tf_keras.Model([a, b], [L.Concatenate()([dense(a), dense(b)]), dense(b)])


def named():
    a, b = L.Input(ROW, name="a"), L.Input(ROW, name="b")
    return tf_keras.Model({"a": a, "b": b}, {"y": L.Dot(1)([a, b]), "z": L.Maximum()([a, b])})


def attention():
    inputs = L.Input(SERIES)
    y, scores = L.MultiHeadAttention(2, 3)(inputs, value=inputs, return_attention_scores=True)
    return tf_keras.Model(inputs, [L.Add()([inputs, y]), scores])


def nested():
    inner = tf_keras.Sequential([L.Dense(5, input_shape=ROW), L.ReLU()])
    a, b = L.Input(ROW), L.Input(ROW)
    middle = tf_keras.Model(a, L.Dense(3)(inner(a)))
    return tf_keras.Model(b, L.Add()([middle(b), middle(L.Rescaling(2.0)(b))]))


def states():
    inputs = L.Input(SERIES)
    y, *last = L.LSTM(3, return_state=True, return_sequences=True)(inputs)
    return tf_keras.Model(inputs, L.LSTM(3)(y, initial_state=last))


row, series = random_inputs(ROW), random_inputs(SERIES)


@pytest.mark.parametrize(
    "make, x",
    [
        (shared, [row, row + 1]),
        (named, {"a": row, "b": row[::-1]}),
        (attention, series),
        (nested, row),
        (states, series),
    ],
)
def test_graphs_come_over(make, x):
    model = with_random_weights(make())
    assert_same_outputs(convert_model(model), model, x)


class Own(L.Layer):
    """A layer of a user's own."""


def relu(x):
    """A function of a user's own, with a name of Keras's."""
    return x * x


def plus():
    inputs = L.Input(ROW)
    return tf_keras.Model(inputs, L.Dense(8)(inputs) + inputs)


@pytest.mark.parametrize(
    "make, text",
    [
        (lambda: tf_keras.Sequential([L.Input(ROW), Own(name="mine")]), "'mine' .Own.* can not be converted"),
        (lambda: tf_keras.Sequential([L.Input(ROW), L.Lambda(abs, name="mine")]), "'mine' .Lambda.*"),
        (lambda: tf_keras.Sequential([L.Input(ROW), L.ThresholdedReLU(name="mine")]), "'mine' .ThresholdedReLU"),
        (
            lambda: tf_keras.Sequential([L.Input(ROW), L.Dense(2, "hard_sigmoid", name="mine")]),
            "'mine' .Dense.*another function",
        ),
        (lambda: tf_keras.Sequential([L.Input(ROW), L.Dense(2, relu, name="mine")]), "'mine' .Dense.*activation of"),
        (plus, "write x . y .* as layers"),
    ],
)
def test_layers_that_keras_3_has_not_are_refused(make, text):
    with pytest.raises(ValueError, match=text):
        convert_model(make())


def test_a_model_without_inputs_is_refused():
    with pytest.raises(TypeError, match="not built: give it an Input"):
        convert_model(tf_keras.Sequential([L.Dense(2)]))


def test_the_page_for_those_who_come_from_tfmot_runs(tmp_path, monkeypatch):
    page = (Path(__file__).parents[2] / "docs/from_tfmot.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    exec("\n".join(re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)), {})
    for name in set(re.findall(r"`(ke\.[\w.]+)", page)):
        eval(name, {"ke": ke})
