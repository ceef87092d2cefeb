"""Recipes: what is paired, what is pruned, what the table says."""

import json

import keras
import numpy as np
import pytest

import keras_efficient as ke
from keras_efficient.training.pruning import Comparison, Variant
from keras_efficient.training.pruning.runs import PairedRuns

L = keras.layers
CHOICES = {"epochs": 3, "seeds": 2, "batch_size": 16}


def _data(samples=50):
    random = np.random.default_rng(0)
    x = random.normal(size=(samples, 6)).astype("float32")
    y = (x @ random.normal(size=(6, 3))).argmax(axis=1)
    return x[:32], y[:32], x[32:], y[32:]


def _build(rate=0.01):
    model = keras.Sequential([keras.Input((6,)), L.Dense(10, activation="relu"), L.Dense(3, activation="softmax")])
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    return model


@pytest.fixture(scope="module")
def runs():
    return PairedRuns(_build, _data(), 2, 16)


def _kernels(runs, run, number=0):
    runs.engine.write(*run.trainings.of(number))
    masks = [keras.ops.convert_to_numpy(kernel.mask) for kernel in runs.kernels]
    return [keras.ops.convert_to_numpy(kernel.variable) for kernel in runs.kernels], masks


def _build_convolutions():
    body = [L.Reshape((3, 2, 1)), L.Conv2D(4, 2, kernel_regularizer="l2"), L.BatchNormalization(), L.Flatten()]
    model = keras.Sequential([keras.Input((6,)), *body, L.Dense(3)])
    model.compile(keras.optimizers.SGD(0.1), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def _build_scaled():
    model = _build()
    model.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1)), "sparse_categorical_crossentropy")
    return model


@pytest.mark.parametrize("build", [_build, _build_convolutions, _build_scaled])
def test_training_is_that_of_fit(build):
    """The same numbers as a plain loop over the batches of the run, for each seed."""
    runs = PairedRuns(build, _data(), 2, 16)
    trained = runs.train(runs.begin(), 4)
    for number, seed in enumerate(runs.seeds):
        keras.utils.set_random_seed(seed)
        model, (x, y, *_) = build(), _data()
        for samples in runs._order(seed, 0, 4):
            model.train_on_batch(x[samples], y[samples])
        kernels = [layer.kernel for layer in model.layers if hasattr(layer, "kernel")]
        expected = [keras.ops.convert_to_numpy(kernel) for kernel in kernels]
        for one, other in zip(_kernels(runs, trained, number)[0], expected, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)
    assert trained.step == 4 and np.asarray(trained.history[0]).shape == (2, 4)


def _build_one(loss):
    def build():
        last = L.Dense(1, activation="sigmoid" if loss == "binary_crossentropy" else None)
        model = keras.Sequential([keras.Input((6,)), L.Dense(4, activation="relu"), last])
        model.compile("adam", loss)
        return model

    return build


def test_all_forms_of_data_and_labels():
    x, y, x_val, y_val = _data()
    names = np.array(["no", "yes", "perhaps"])
    texts = ke.training.pruning.one_shot(_build, ((x, names[y]), (x_val, names[y_val])), **CHOICES)
    same = ke.training.pruning.one_shot(_build, (x, _renamed(y), x_val, _renamed(y_val)), **CHOICES)
    assert texts.to_dict()["trainings"] == same.to_dict()["trainings"]
    runs = PairedRuns(_build_one("binary_crossentropy"), (x, y > 0, x_val, y_val > 0), 2, 16)
    variant = runs.finish("binary", runs.train(runs.begin(), 2))
    runs.engine.write(*runs.train(runs.begin(), 2).trainings.of(1))
    right = (runs.model.predict(x_val, verbose=0)[:, 0] > 0.5) == (y_val > 0)
    assert variant.accuracies[1] == pytest.approx(right.mean())
    regression = ke.training.pruning.one_shot(_build_one("mse"), (x, x[:, 0], x_val, x_val[:, 0]), **CHOICES)
    assert regression.rows()[0]["accuracy"] is None and "nan" not in str(regression) + regression.to_json().lower()
    with pytest.raises(ValueError, match="without weights of the samples"):
        PairedRuns(_build, ((x, y, np.ones(32)), (x_val, y_val)), 2, 16)


def _renamed(y):
    """As the sorted texts number them: no, perhaps, yes."""
    return np.array([0, 2, 1])[y]


def test_the_order_goes_on_and_shows_every_sample_once_an_epoch(runs):
    whole = runs._order(1, 0, 6)
    np.testing.assert_array_equal(np.concatenate([runs._order(1, 0, 3), runs._order(1, 3, 3)]), whole)
    for epoch in range(3):
        assert sorted(whole[2 * epoch : 2 * epoch + 2].ravel()) == list(range(32))
    assert not np.array_equal(whole[:2], whole[2:4]) and not np.array_equal(whole, runs._order(0, 0, 6))


@pytest.mark.parametrize("scope", ["global", "kernel"])
def test_pruning_takes_the_smallest_of_each_training_and_holds(runs, scope):
    run = runs.prune(runs.train(runs.begin(), 2), 0.3, scope)
    for number in range(2):
        weights, masks = _kernels(runs, run, number)
        pools = [(weights, masks)] if scope == "global" else [([w], [m]) for w, m in zip(weights, masks, strict=True)]
        for each, kept in pools:
            each = np.concatenate([np.abs(w).ravel() for w in each])
            kept = np.concatenate([m.ravel() for m in kept])
            assert (kept == 0).sum() == round(0.3 * kept.size)
            assert each[kept == 0].max() <= each[kept == 1].min()
    again = runs.prune(runs.train(run, 2), 0.5, scope)
    before, after = _kernels(runs, run)[1], _kernels(runs, again)[1]
    assert all((new <= old).all() for new, old in zip(after, before, strict=True))
    alive = sum(mask.sum() for mask in before)
    if scope == "global":
        assert sum(mask.sum() for mask in after) == alive - round(0.5 * alive)


def test_a_ticket_has_its_first_weights_and_a_fresh_optimizer(runs):
    trained = runs.prune(runs.train(runs.begin(), 4), 0.3)
    ticket = runs.rewind(trained)
    assert ticket.step == 0 and len(ticket.history) == 1
    weights, masks = _kernels(runs, ticket)
    for one, other in zip(weights, _kernels(runs, runs.begin())[0], strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(masks, _kernels(runs, trained)[1], strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(ticket.trainings.optimizer, runs.start.optimizer, strict=True):
        np.testing.assert_array_equal(one, other)
    early = runs.train(runs.begin(), 2)
    later = runs.rewind(trained, early)
    assert later.step == 2
    for one, other in zip(_kernels(runs, later)[0], _kernels(runs, early)[0], strict=True):
        np.testing.assert_array_equal(one, other)


def _largest_first(model, kernels, x, y, random):
    return [1 / (1 + kernel.scores()) for kernel in kernels]


@pytest.mark.parametrize("criterion", ["random", _largest_first])
def test_other_scores_leave_an_exact_count(runs, criterion):
    weights, _ = _kernels(runs, runs.begin())
    masks = _kernels(runs, runs.prune(runs.begin(), 0.4, criterion=criterion))[1]
    count = sum(mask.size for mask in masks)
    assert sum((mask == 0).sum() for mask in masks) == round(0.4 * count)
    magnitude = _kernels(runs, runs.prune(runs.begin(), 0.4))[1]
    assert any(not np.array_equal(one, other) for one, other in zip(masks, magnitude, strict=True))
    again = _kernels(runs, runs.prune(runs.begin(), 0.4, criterion=criterion))[1]
    for one, other in zip(masks, again, strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(weights, _kernels(runs, runs.begin())[0], strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_function_says_which_weights_go(runs):
    before = np.concatenate([np.abs(kernel).ravel() for kernel in _kernels(runs, runs.begin())[0]])
    masks = _kernels(runs, runs.prune(runs.begin(), 0.5, criterion=_largest_first))[1]
    kept = np.concatenate([mask.ravel() for mask in masks])
    assert before[kept == 0].min() >= before[kept == 1].max()


@pytest.mark.parametrize("scores", [[], [np.ones(60), np.ones(29)], [np.ones(60), -np.ones(30)]])
def test_wrong_scores_are_refused(runs, scores):
    with pytest.raises(ValueError, match="`criterion` must give arrays of the shapes .*Received: shapes"):
        runs.prune(runs.begin(), 0.5, criterion=lambda *arguments: scores)


def _build_linear():
    model = keras.Sequential([keras.Input((6,)), L.Dense(3, activation="softmax")])
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    return model


def test_the_weights_with_the_largest_gradients_come_back():
    runs = PairedRuns(_build_linear, _data(), 2, 16)
    run = runs.train(runs.prune(runs.begin(), 0.5, criterion="random"), 3)
    moved = runs.regrow(run, 1 / 3, "kernel", "magnitude", "gradient")
    for number, seed in enumerate(runs.seeds):
        (weights,), (mask,) = _kernels(runs, run, number)
        effective = weights * mask
        x, y, *_ = _data()
        chosen = np.random.default_rng((seed, 2, run.step)).integers(0, 32, 256)
        error = keras.ops.convert_to_numpy(runs.model(x[chosen])) - np.eye(3)[y[chosen]]
        gradient = np.abs(x[chosen].T @ error)
        smallest = np.sort(np.abs(effective[mask == 1]))[3]  # three of nine go
        kept = np.abs(effective) >= smallest
        back = ~kept & (gradient >= np.sort(gradient[~kept])[-3])
        (weights,), (mask,) = _kernels(runs, moved, number)
        np.testing.assert_array_equal(mask == 1, kept | back)
        np.testing.assert_array_equal(weights, effective)  # what was away starts at 0


def test_connections_move_at_one_sparsity():
    table = ke.training.sparse_training(_build, _data(), 0.5, frequency=2, **CHOICES)
    assert [v.name for v in table.variants] == ["unpruned", "static", "SET", "RigL"]
    assert {v.epochs for v in table.variants} == {3}
    assert [v.sparsity for v in table.variants] == [0, 0.5, 0.5, 0.5]
    first = [table[name].history[:, 0] for name in ("static", "SET", "RigL")]  # of two batches
    np.testing.assert_array_equal(first[0], first[1])
    np.testing.assert_array_equal(first[0], first[2])
    assert len({table[name].history[0, 2] for name in ("static", "SET", "RigL")}) == 3
    still = ke.training.sparse_training(_build, _data(), 0.5, frequency=2, moved=0.0, **CHOICES)
    np.testing.assert_array_equal(still["RigL"].losses, still["static"].losses)


def test_recipes_report_budgets_and_controls():
    table = ke.training.compare_recipes(_build, _data(), sparsity=0.5, **CHOICES)
    rows = {row["variant"]: row for row in table.rows()}
    assert {name: row["epochs"] for name, row in rows.items()} == {
        "unpruned": 3,
        "one-shot": 3,
        "one-shot, trained on": 6,
        "unpruned, twice as long": 6,
        "lottery ticket": 6,
        "random ticket": 6,
        "dynamic": 3,
    }
    assert rows["unpruned"]["sparsity"] == rows["unpruned, twice as long"]["sparsity"] == 0
    for name in ("one-shot", "lottery ticket", "random ticket", "dynamic"):
        assert rows[name]["sparsity"] == pytest.approx(0.5, abs=0.01)
    assert "against unpruned, twice as long" in rows["lottery ticket"]
    assert table["one-shot"].losses.shape == (2,)
    json.loads(table.to_json())
    assert str(table).count("\n") == 1 + 7
    # Before the pruning the trainings are the same.
    np.testing.assert_array_equal(table["unpruned"].history, table["lottery ticket"].history[:, :3])
    np.testing.assert_array_equal(table["unpruned"].history[:, 0], table["dynamic"].history[:, 0])
    assert not np.array_equal(table["unpruned"].losses, table["one-shot"].losses)


def test_single_recipes_hold_what_their_names_say():
    once = ke.training.one_shot(_build, _data(), sparsity=0.5, **CHOICES)
    assert [v.name for v in once.variants] == [
        "unpruned",
        "one-shot",
        "one-shot, trained on",
        "unpruned, twice as long",
    ]
    ticket = ke.training.lottery_ticket(_build, _data(), rewind_epoch=1, **CHOICES)
    assert ticket["lottery ticket"].epochs == 3 + 2
    dynamic = ke.training.dynamic_pruning(_build, _data(), {0.0: 0.5, 1.0: 0.5}, scope="kernel", **CHOICES)
    assert dynamic["dynamic"].sparsity == pytest.approx(1 - (15 + 8) / 90, abs=0.02)


def _comparison(tmp_path=None):
    def variant(name, losses, history):
        return Variant(name, np.array(losses), np.array([0.5, 0.5, 0.5]), np.array(history, "float32"), 0.3, 6.0)

    dense = variant("unpruned", [1.0, 2.0, 3.0], [[3, 2], [3, 2], [3, 2]])
    other = variant("pruned", [0.5, 2.5, 2.0], [[3, 3, 1], [2, 1, 1], [4, 4, 4]])
    return Comparison((dense, other), (0, 1, 2), {"pruned": "unpruned"})


def test_differences_are_paired():
    table = _comparison()
    pairs = np.array([-0.5, 0.5, -1.0])
    expected = {"mean": pairs.mean(), "standard_error": pairs.std(ddof=1) / np.sqrt(3), "wins": 2}
    assert table.difference("pruned") == pytest.approx(expected)
    assert "-0.333 (se 0.441), 2/3 against unpruned" in str(table)


def test_epochs_until_the_unpruned_loss_is_reached_count_all_phases():
    table = _comparison()
    assert table.epochs_to_baseline("pruned") == [3, 1, None]
    row = table.rows()[1]
    assert row["epochs_to_baseline"] == 2 and row["reached_baseline"] == 2
    assert row["seconds_to_baseline"] == pytest.approx(2 * 6.0 / 3 / 3)


def test_the_plot_is_a_file(tmp_path):
    _comparison().plot(tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 1000


@pytest.mark.parametrize(
    "change, error, text",
    [
        ({"sparsity": 1.5}, ValueError, "`sparsity` must be a fraction.*Received: sparsity=1.5"),
        ({"scope": "model"}, ValueError, "`scope` must be one of"),
        ({"criterion": "luck"}, ValueError, "`criterion` must be one of .* Received: criterion='luck'"),
        ({"epochs": 0}, ValueError, "`epochs` must be a positive integer"),
        ({"seeds": ()}, ValueError, "`seeds` must be at least one"),
        (
            {"seeds": [0, 2**32]},
            ValueError,
            "`seed` must be an integer from 0 to 4294967295. Received: seed=4294967296",
        ),
        ({"batch_size": 1.5}, ValueError, "`batch_size` must be a positive integer. Received: batch_size=1.5"),
        ({"batch_size": 33}, ValueError, "`batch_size` must be from 1 to the 32 training samples"),
        ({"build": lambda: 3}, TypeError, "`build` must return a built and compiled Keras model. Received: 3"),
        ({"build": 3}, TypeError, "`build` must be a function"),
    ],
)
def test_wrong_arguments_are_refused(change, error, text):
    arguments = {"build": _build, "data": _data(), **CHOICES, **change}
    with pytest.raises(error, match=text):
        ke.training.one_shot(**arguments)


def test_wrong_events_are_refused():
    with pytest.raises(ValueError, match="`events` must be a fraction"):
        ke.training.dynamic_pruning(_build, _data(), {2: 0.5}, **CHOICES)
    with pytest.raises(ValueError, match="`rewind_epoch` must be from 0 to epochs - 1"):
        ke.training.lottery_ticket(_build, _data(), rewind_epoch=3, **CHOICES)
