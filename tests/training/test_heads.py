"""The head of a described network is what the loss of the stages takes."""

import keras
import pytest

import keras_efficient as ke
from keras_efficient.training.losses import head_of

losses = keras.losses


@pytest.mark.parametrize(
    ("loss", "head"),
    [
        (None, "softmax"),
        ("sparse_categorical_crossentropy", "softmax"),
        (losses.CategoricalCrossentropy(label_smoothing=0.1), "softmax"),
        (losses.CategoricalCrossentropy(from_logits=True), "linear"),
        ("binary_crossentropy", "sigmoid"),
        (losses.binary_crossentropy, "sigmoid"),
        ({"class_name": "BinaryFocalCrossentropy", "config": {}}, "sigmoid"),
        (["BinaryCrossentropy"], "sigmoid"),
        ("mse", "linear"),
        (losses.Huber(), "linear"),
        (lambda y, outputs: keras.ops.mean(keras.ops.abs(y - outputs), axis=-1), "linear"),
    ],
)
def test_each_loss_has_its_head(loss, head):
    assert head_of([ke.Stage("float", 1, 1, loss=loss)]) == head


def test_two_heads_in_a_run_are_refused():
    with pytest.raises(ValueError, match="losses for softmax, sigmoid"):
        head_of([ke.Stage("float", 1, 1), ke.Stage("learn_scales", 1, 1, loss="binary_crossentropy")])
