"""Schedules: when they update, and how many weights go."""

import json

import keras
import pytest
from hypothesis import given
from hypothesis import strategies as st

import keras_efficient as ke

ALL = [
    ke.ConstantSparsity(0.3, 5, 40, 7),
    ke.PolynomialDecay(0.1, 0.9, 5, 45, 2, 10),
    ke.StepSparsity({333: 0.17, 666: 0.17}),
]


@pytest.mark.parametrize("schedule", ALL)
def test_round_trips(schedule):
    again = type(schedule).from_config(json.loads(json.dumps(schedule.get_config())))
    assert again == schedule and hash(again) == hash(schedule)
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(schedule)))
    assert keras.saving.deserialize_keras_object(config) == schedule
    assert config["registered_name"] == f"keras_efficient>{type(schedule).__name__}"
    assert eval(repr(schedule), vars(ke)) == schedule


def test_schedules_differ_by_their_arguments():
    assert ke.ConstantSparsity(0.3) != ke.ConstantSparsity(0.4)
    assert ke.StepSparsity({1: 0.5}) != ke.StepSparsity({2: 0.5})
    assert ke.ConstantSparsity(0.3) == ke.ConstantSparsity(0.3, 0, -1, 100)


def test_constant_sparsity_updates_up_to_its_last_step():
    schedule = ke.ConstantSparsity(0.3, begin_step=5, end_step=19, frequency=7)
    assert [step for step in range(60) if schedule(step)[0]] == [5, 12, 19]
    assert schedule(3) == (False, 0.3)
    assert [step for step in range(250) if ke.ConstantSparsity(0.3)(step)[0]] == [0, 100, 200]


def test_polynomial_decay_is_its_formula():
    schedule = ke.PolynomialDecay(0.2, 0.8, 10, 50, power=3, frequency=20)
    assert [step for step in range(100) if schedule(step)[0]] == [10, 30, 50]
    assert schedule(0)[1] == pytest.approx(0.2) and schedule(50)[1] == schedule(99)[1] == 0.8
    assert schedule(30)[1] == pytest.approx(0.8 - 0.6 * 0.5**3)


def test_two_events_compound():
    schedule = ke.StepSparsity({0: 0.17, 10: 0.17})
    zeros = schedule.zeros_at(0, 180, 0)
    assert zeros == 31 and schedule.zeros_at(10, 180, zeros) == 31 + 25
    assert schedule.zeros_at(5, 180, zeros) == zeros
    assert schedule(4) == (False, pytest.approx(0.17)) and schedule(10) == (True, pytest.approx(1 - 0.83**2))


@given(st.integers(0, 5000), st.floats(0, 1), st.integers(0, 300))
def test_counts_are_rounded_and_in_range(count, share, step):
    assert ke.ConstantSparsity(share).zeros_at(step, count, 0) == round(count * share) <= count
    gone = round(count * share)
    assert gone <= ke.StepSparsity({step: share}).zeros_at(step, count, gone) <= count
    decay = ke.PolynomialDecay(share, 1 - share, 10, 200, 2)
    assert 0 <= decay.zeros_at(step, count, 0) <= count


@pytest.mark.parametrize(
    "make, error, text",
    [
        (lambda: ke.ConstantSparsity(1.2), ValueError, "`target_sparsity` .* Received: target_sparsity=1.2"),
        (lambda: ke.ConstantSparsity("half"), ValueError, "Received: target_sparsity='half'"),
        (lambda: ke.ConstantSparsity(0.5, -1), ValueError, "`begin_step` .* Received: begin_step=-1"),
        (lambda: ke.ConstantSparsity(0.5, 5, 3), ValueError, "`end_step` must be -1 or at least begin_step=5"),
        (lambda: ke.ConstantSparsity(0.5, frequency=0), ValueError, "Received: frequency=0"),
        (
            lambda: ke.ConstantSparsity(0.5, 1.5),
            ValueError,
            "must be an integer of at least 0. Received: begin_step=1.5",
        ),
        (lambda: ke.PolynomialDecay(0, 0.5, 10, 10), ValueError, "larger than begin_step=10"),
        (lambda: ke.PolynomialDecay(0, 0.5, 0, 10, power=0), ValueError, "Received: power=0"),
        (lambda: ke.PolynomialDecay(0, True, 0, 10), ValueError, "Received: final_sparsity=True"),
        (lambda: ke.StepSparsity({}), ValueError, "at least one event"),
        (lambda: ke.StepSparsity([(1, 0.2), (1, 0.3)]), ValueError, "each step once"),
        (lambda: ke.StepSparsity({-1: 0.2}), ValueError, "Received: shares=-1"),
        (lambda: ke.StepSparsity(0.3), TypeError, "must be a dictionary"),
    ],
)
def test_wrong_arguments_are_refused(make, error, text):
    with pytest.raises(error, match=text):
        make()
