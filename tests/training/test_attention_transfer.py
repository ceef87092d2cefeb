"""Attention transfer: the student comes to look where its teacher does, and nothing else changes."""

import keras
import numpy as np
import pytest

import keras_efficient as ke
from keras_efficient.training import AttentionTransfer
from keras_efficient.training.attention_transfer import attention_map

_PAIRS = ["first", ("second", "third")]


def _network(channels, names=("first", "second"), dropout=0.2):
    """Two convolutions, a normalization and perhaps dropout, with weights from a fixed seed."""
    keras.utils.set_random_seed(channels)
    conv = keras.layers.Conv2D
    layers = [
        conv(channels, 3, padding="same", activation="relu", name=names[0]),
        *([keras.layers.BatchNormalization(), keras.layers.Dropout(dropout, seed=1)] if dropout else []),
        conv(channels + 1, 3, strides=2, activation="relu", name=names[1]),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(3, activation="softmax", name="classes"),
    ]
    return keras.Sequential([keras.Input((6, 6, 2)), *layers])


def _pair(beta=1000.0, dropout=0.2):
    return AttentionTransfer(_network(3, dropout=dropout), _network(8, ("first", "third")), _PAIRS, beta)


def _data():
    random = np.random.default_rng(0)
    return random.normal(size=(32, 6, 6, 2)).astype("float32"), random.integers(0, 3, 32)


def _compile(pair, optimizer):
    pair.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return pair


@pytest.fixture(scope="module")
def fitted():
    """A pair that was trained, its attention loss and weights before, and the history."""
    x, y = _data()
    pair = _pair()
    before = pair.attention_loss(x), pair.student.get_weights(), pair.teacher.get_weights()
    _compile(pair, keras.optimizers.AdamW(0.01, weight_decay=0.01))  # which would shrink a teacher
    history = pair.fit(x, y, batch_size=16, epochs=15, validation_data=(x, y), verbose=0).history
    return pair, before, history


def test_a_map_is_its_formula():
    features = np.random.default_rng(0).normal(size=(4, 3, 5, 2)).astype("float32")
    energy = (features**2).mean(axis=-1).reshape(4, 15)
    expected = energy / np.sqrt((energy**2).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(attention_map(features)), expected, atol=1e-6)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(attention_map(0 * features)), 0)


def test_the_loss_is_its_formula():
    x, y = _data()
    pair = _compile(_pair(beta=70.0, dropout=0.0), keras.optimizers.SGD(0.0))
    parts = []
    for student_name, teacher_name in (("first", "first"), ("second", "third")):
        maps = []
        for model, name in ((pair.student, student_name), (pair.teacher, teacher_name)):
            features = keras.Model(model.inputs[0], model.get_layer(name).output)(x, training=False)
            maps.append(keras.ops.convert_to_numpy(attention_map(features)))
        parts.append(((maps[0] - maps[1]) ** 2).mean())
    assert pair.attention_loss(x) == pytest.approx(sum(parts), rel=1e-5)
    alone = pair.evaluate(x, y, verbose=0, return_dict=True)
    together = pair.train_on_batch(x, y, return_dict=True)
    assert together["loss"] == pytest.approx(alone["loss"] + 70 * sum(parts), rel=1e-5)
    assert together["accuracy"] == pytest.approx(alone["accuracy"])


def test_fit_lowers_the_loss_and_brings_the_student_to_look_where_the_teacher_does(fitted):
    pair, (attention, _, _), history = fitted
    x, _ = _data()
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    assert pair.attention_loss(x) < 0.5 * attention


def test_only_the_student_changes(fitted):
    pair, (_, student, teacher), history = fitted
    x, y = _data()
    for old, new in zip(teacher, pair.teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    names = [weight.path for weight in pair.student.weights if "seed" not in weight.path]
    for name, old, new in zip(names, student, pair.student.get_weights(), strict=True):
        assert not np.array_equal(old, new), name
    assert len(pair.teacher.trainable_weights) == 8 == len(pair.trainable_weights) == len(pair.trainable_variables)
    assert len(pair.optimizer.variables) == 2 + 2 * len(pair.student.trainable_weights)
    np.testing.assert_array_equal(pair.predict(x, verbose=0), pair.student.predict(x, verbose=0))
    _compile(pair.student, "sgd")
    alone = pair.student.evaluate(x, y, verbose=0, return_dict=True)
    assert history["val_loss"][-1] == pytest.approx(alone["loss"], rel=1e-4)


def test_the_student_is_a_plain_file(fitted, tmp_path):
    pair, _, _ = fitted
    x, _ = _data()
    pair.student.save(tmp_path / "student.keras")
    student = keras.saving.load_model(tmp_path / "student.keras")
    assert type(student) is keras.Sequential
    np.testing.assert_array_equal(student.predict(x, verbose=0), pair.predict(x, verbose=0))


def test_the_pair_goes_on_from_its_file(fitted, tmp_path):
    pair, _, history = fitted
    x, y = _data()
    pair.save(tmp_path / "pair.keras")
    again = keras.saving.load_model(tmp_path / "pair.keras")
    assert again.pairs == pair.pairs and again.beta == pair.beta
    assert again.attention_loss(x) == pytest.approx(pair.attention_loss(x), rel=1e-6)
    loss = again.fit(x, y, batch_size=16, verbose=0).history["loss"][0]
    assert loss < 1.5 * history["loss"][-1]


def test_a_layer_that_another_model_called_first():
    teacher = _network(8, dropout=0)
    inputs = keras.Input((6, 6, 2))
    x = inputs + 1
    for layer in teacher.layers:
        x = layer(x)
    again = keras.Model(inputs, x)
    assert AttentionTransfer(_network(3, dropout=0), again, ["first"]).attention_loss(_data()[0]) > 0


def test_stages_of_reference_architectures_are_found():
    student = ke.networks.wide_resnet(10, 1, (8, 8, 2), 3, ke.networks.acdc_convolution(depth=2))
    pair = AttentionTransfer(student, ke.networks.wide_resnet(10, 2, (8, 8, 2), 3))
    assert pair.pairs == [("stage_1", "stage_1"), ("stage_2", "stage_2"), ("stage_3", "stage_3")]


@pytest.mark.parametrize(
    "layers, message",
    [
        (None, "`layers` must be given, unless .*Received: layers=None, stages"),
        ([], "`layers` must hold names or pairs of names, at least one"),
        ([("first", "first", "first")], "`layers` must hold names or pairs of names"),
        (["third"], "Model '.*' has no layer 'third' in `layers`. Its layers are: first"),
        ([("second", "first")], r"'second' of the student with \(None, 2, 2, 4\), 'first' of the teacher with"),
        (["classes"], "Both of a pair in `layers` must give feature maps"),
    ],
)
def test_wrong_layers_are_refused(layers, message):
    with pytest.raises(ValueError, match=message):
        AttentionTransfer(_network(3), _network(8, ("first", "third")), layers)


def test_wrong_models_are_refused():
    with pytest.raises(
        TypeError, match="`teacher` must be a built Functional or Sequential model with one output. Received"
    ):
        AttentionTransfer(_network(3), keras.Sequential([keras.layers.Dense(3)]))
    with pytest.raises(TypeError, match="`student` must be .*Received: student=3"):
        AttentionTransfer(3, _network(3))
    with pytest.raises(ValueError, match="`beta` must be a number of at least 0. Received: beta=-1"):
        AttentionTransfer(_network(3), _network(4), ["first"], beta=-1)
