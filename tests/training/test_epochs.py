"""Drawn samples, cosine rates, patience."""

import numpy as np

import keras_efficient as ke
from keras_efficient.training.trial import epoch_order

NETWORK = [("S", 3, 4, 8, 8)]


def data(samples=64):
    random = np.random.default_rng(0)
    x = random.random((samples, 4, 4, 1), dtype="float32")
    return x, random.integers(0, 3, samples), x[:32], random.integers(0, 3, 32)


def trial(directory, **settings):
    stage = ke.Stage("float", 1, **{"epochs": 4, "batch_size": 8, **settings})
    return ke.train_network(NETWORK, data(), [stage], directory, verbose=False).stages[0].trials[0]


def test_an_epoch_draws_every_sample_before_one_comes_twice():
    orders = [epoch_order(3, epoch, samples=10, drawn=4) for epoch in range(5)]
    drawn = np.concatenate(orders)
    assert sorted(drawn[:10]) == sorted(drawn[10:]) == list(range(10))
    assert not np.array_equal(drawn[:10], drawn[10:])
    np.testing.assert_array_equal(epoch_order(3, 2, 10), np.random.default_rng([3, 2]).permutation(10))


def test_cosine_falls_from_the_rate_to_the_minimum():
    stage = ke.Stage("float", 1, 5, learning_rate=0.01, min_learning_rate=0.002, schedule="cosine")
    rates = [stage.learning_rate_at(epoch) for epoch in range(5)]
    np.testing.assert_allclose(
        rates, [0.01, 0.002 + 0.008 * (2 + 2**0.5) / 4, 0.006, 0.002 + 0.008 * (2 - 2**0.5) / 4, 0.002]
    )
    assert ke.Stage("float", 1, 1, learning_rate=0.01, schedule="cosine").learning_rate_at(0) == 0.01


def test_patience_ends_a_trial(tmp_path):
    result = trial(tmp_path, epochs=40, learning_rate=3.0, min_learning_rate=3.0, decay=1.0, patience=3)
    assert len(result.history["loss"]) < 40
    assert len(result.history["loss"]) == result.epoch + 3
