"""The engines compute what `model.fit` computes, and the prefix changes nothing."""

import gc
import weakref

import keras
import numpy as np
import pytest

import keras_efficient as ke
from keras_efficient.training.engines import FitEngine, make_engine
from keras_efficient.training.prefix import apply_prefix, split_prefix

_CONFIG = [["A", 2, 4], ["C", 3, 3, 4, 8, 4], ["M", 2, 4], ["S", 4, 4, 8, 8]]


def _arrays(samples=50):
    random = np.random.default_rng(0)
    x = random.integers(0, 256, (samples, 12, 12, 1)).astype("float32") / 256
    return x, random.integers(0, 4, samples)


def _model(mode="learn_scales", seed=0):
    keras.utils.set_random_seed(seed)
    return ke.build_network(_CONFIG, (12, 12, 1), mode)


def _engine(model, arrays, callbacks=(), optimizer=None):
    optimizer = optimizer or keras.optimizers.Adam(0.01)
    engine = make_engine(model, optimizer, "sparse_categorical_crossentropy", arrays, 16, callbacks)
    engine.set_callbacks(list(callbacks))
    return engine


@pytest.mark.parametrize("averages", [{}, {"use_ema": True, "ema_momentum": 0.5}], ids=["plain", "averages"])
@pytest.mark.parametrize("mode", ["float", "learn_scales", "freeze_scales"])
def test_an_epoch_equals_fit(mode, averages):
    x, y = _arrays()
    order = np.random.default_rng(1).permutation(len(x))
    ours, plain = _model(mode), _model(mode)
    loss = _engine(ours, (x, y, x, y), optimizer=keras.optimizers.Adam(0.01, **averages)).train_epoch(order)
    plain.compile(keras.optimizers.Adam(0.01, **averages), "sparse_categorical_crossentropy", jit_compile=False)
    expected = plain.fit(x[order], y[order], batch_size=16, shuffle=False, verbose=0).history["loss"][0]
    assert loss == pytest.approx(expected, abs=1e-5)
    for a, b in zip(ours.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


def test_evaluation_equals_evaluate():
    x, y = _arrays(2300)  # more than two evaluation batches, the last one not full
    model = _model()
    loss, outputs = _engine(model, (x, y, x, y)).evaluate()
    plain = _model()
    plain.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    expected_loss, expected_accuracy = plain.evaluate(x, y, verbose=0)
    assert loss == pytest.approx(expected_loss, abs=1e-5)
    assert outputs.shape == (2300, 4)
    assert (outputs.argmax(axis=1) == y).mean() == pytest.approx(expected_accuracy, abs=1e-6)


def test_weights_of_samples_count_as_in_fit():
    x, y = _arrays()
    weights = np.random.default_rng(2).uniform(0, 3, len(x)).astype("float32")
    order = np.random.default_rng(1).permutation(len(x))
    ours, plain = _model(), _model()
    optimizer, loss = keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy"
    engine = make_engine(ours, optimizer, loss, (x, y, x, y), 16, (), weights=(weights, weights))
    engine.set_callbacks([])
    found = [engine.train_epoch(order), engine.evaluate()[0]]
    plain.compile(keras.optimizers.Adam(0.01), loss, jit_compile=False)
    history = plain.fit(
        x[order], y[order], batch_size=16, sample_weight=weights[order], shuffle=False, verbose=0
    ).history["loss"]
    expected = [*history, plain.evaluate(x, y, batch_size=50, sample_weight=weights, verbose=0)]
    assert found == pytest.approx(expected, abs=1e-4)


def test_regularizers_and_one_hot_labels_count():
    x, y = _arrays()
    one_hot = np.eye(4, dtype="float32")[y]
    losses = []
    for factor in (0.0, 0.1):
        keras.utils.set_random_seed(0)
        inputs = keras.Input((12, 12, 1))
        layer = ke.DenseQ(4, "softmax", kernel_regularizer=keras.regularizers.L2(factor))
        model = keras.Model(inputs, layer(keras.layers.Flatten()(inputs)))
        engine = make_engine(
            model, keras.optimizers.SGD(1e-9), "categorical_crossentropy", (x, one_hot, x, one_hot), 16, ()
        )
        engine.set_callbacks([])
        losses.append(engine.train_epoch(np.arange(len(x))) - factor * (layer.get_weights()[0] ** 2).sum())
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)


class _CountBatches(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.batches = 0

    def on_train_batch_end(self, batch, logs=None):
        self.batches += 1


def test_batch_callbacks_go_through_fit():
    x, y = _arrays()
    callback = _CountBatches()
    engine = _engine(_model(), (x, y, x, y), [callback])
    assert isinstance(engine, FitEngine)
    engine.train_epoch(np.arange(len(x)))
    assert callback.batches == 4  # 50 samples by 16


@pytest.mark.parametrize("mode", ["float", "freeze_scales"])
def test_prefix_and_body_equal_the_model(mode):
    x, _ = _arrays()
    model = _model(mode)
    prefix, body = split_prefix(model)
    assert prefix.output.shape == (None, 6, 6, 1)
    np.testing.assert_array_equal(body.predict(apply_prefix(prefix, x), verbose=0), model.predict(x, verbose=0))
    assert [w.path for w in body.weights] == [w.path for w in model.weights]


def test_prefix_of_a_loaded_model(tmp_path):
    made = keras.Sequential(
        [keras.Input((6, 6, 1)), keras.layers.MaxPooling2D(2), keras.layers.Flatten(), ke.DenseQ(2)]
    )
    made.save(tmp_path / "made.keras")
    model, x = keras.saving.load_model(tmp_path / "made.keras"), np.random.default_rng(0).random((5, 6, 6, 1))
    prefix, body = split_prefix(model)
    assert prefix.output.shape == (None, 9)
    np.testing.assert_array_equal(body.predict(apply_prefix(prefix, x), verbose=0), model.predict(x, verbose=0))


def test_functions_belong_to_the_prefix_and_both_branches_to_the_body():
    inputs = keras.Input((6, 6, 1))
    pooled = keras.layers.MaxPooling2D(2)(inputs / 255.0)
    model = keras.Model(inputs, keras.layers.Add()([pooled, keras.layers.Conv2D(1, 1)(pooled)]))
    prefix, body = split_prefix(model)
    assert prefix.output.shape == body.input_shape == (None, 3, 3, 1)


class _Noisy(keras.layers.MaxPooling2D):
    def call(self, inputs):
        return super().call(inputs) + keras.random.normal(inputs.shape[1:])[:1, :1]


def test_a_class_below_a_known_one_is_no_prefix():
    assert split_prefix(keras.Sequential([keras.Input((6, 6, 1)), _Noisy(2), keras.layers.Flatten()]))[0] is None


def test_models_without_a_prefix_are_left_whole():
    inputs = keras.Input((6, 6, 1))
    pooled = keras.layers.MaxPooling2D(1)(inputs)
    skip = keras.layers.Concatenate()([inputs, pooled])  # reads from in front of the pooling
    outputs = keras.layers.Dense(2)(keras.layers.Flatten()(skip))
    for model in (
        keras.Sequential([keras.Input((4,)), ke.DenseQ(2)]),
        keras.Sequential([keras.Input((4,)), keras.layers.Dropout(0.5), ke.DenseQ(2)]),
        keras.Model(inputs, outputs),
    ):
        prefix, body = split_prefix(model)
        assert prefix is None
        assert body.input_shape == model.input_shape and len(body.weights) == len(model.weights)


def test_whole_pooling_chain_is_the_prefix():
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Rescaling(0.5),
            ke.AveragePoolingQ(2),
            keras.layers.MaxPooling2D(2),
            ke.ConvQ(2, 2),
            keras.layers.MaxPooling2D(1),
        ]
    )
    prefix, body = split_prefix(model)
    assert prefix.output.shape == (None, 2, 2, 1) and len(body.layers) == 3


def test_a_hook_given_as_an_attribute_is_seen():
    x, y = _arrays()
    seen = []
    callback = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(batch))
    _engine(_model(), (x, y, x, y), [callback]).train_epoch(np.arange(len(x)))
    assert len(seen) == 4


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy):
    x, y = _arrays()
    keras.config.set_dtype_policy(policy)
    try:
        engine = _engine(_model(), (x, y, x, y))
        losses = [engine.train_epoch(np.arange(len(x))) for _ in range(5)]
        loss, outputs = engine.evaluate()
    finally:
        keras.config.set_dtype_policy("float32")
    assert np.isfinite([*losses, loss]).all() and losses[-1] < losses[0] and outputs.shape == (50, 4)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the engine of TensorFlow")
def test_the_graphs_hold_no_data():
    """TensorFlow never frees what a graph has captured: the arrays must be arguments."""
    x, y = _arrays(200)
    engine = _engine(_model(), (x, y, x[:190], y[:190]))
    assert type(engine).__name__ == "TensorFlowEngine"
    engine.train_epoch(np.arange(len(x))), engine.evaluate()
    arrays = (engine.x, engine.y, engine.x_val, engine.y_val)
    for function in (engine._epoch, engine._evaluation):
        (concrete,) = function._list_all_concrete_functions()
        assert not [tensor for tensor in concrete.captured_inputs if any(tensor is array for array in arrays)]
        graph = concrete.graph.as_graph_def()
        nodes = [*graph.node, *(node for each in graph.library.function for node in each.node_def)]
        constants = [node.attr["value"].tensor.ByteSize() for node in nodes if node.op == "Const"]
        assert 0 < max(constants) < 190 * 8  # not even the labels
    held = weakref.ref(engine.x)
    del engine, arrays
    gc.collect()
    assert held() is None
