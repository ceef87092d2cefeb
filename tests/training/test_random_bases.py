"""The optimizer in random subspaces, on whichever backend runs."""

import keras
import numpy as np
import pytest

import keras_efficient as ke

_RANDOM = np.random.default_rng(0)
_X = _RANDOM.normal(size=(64, 6)).astype("float32")
_Y = _RANDOM.integers(0, 3, 64)
_ON_TORCH = keras.backend.backend() == "torch"


def _model(optimizer, layers=(), **arguments):
    keras.utils.set_random_seed(1)
    layers = layers or (keras.layers.Dense(8, activation="tanh"), keras.layers.Dense(3))
    model = keras.Sequential([keras.Input((6,)), *layers])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, **{"jit_compile": False, **arguments})
    return model


def _fit(model, epochs=1, batch_size=16):
    history = model.fit(_X, _Y, batch_size=batch_size, epochs=epochs, shuffle=False, verbose=0)
    return history.history["loss"]


def _theta(model):
    return np.concatenate([w.ravel() for w in model.get_weights()])


def _sgd(learning_rate=1.0, dimensions=20, seed=3, redraw=1, **arguments):
    layer_wise = arguments.pop("layer_wise", False)
    return ke.RandomBases(keras.optimizers.SGD(learning_rate, **arguments), dimensions, seed, redraw, layer_wise)


def _updates(optimizer, steps=6):
    """The changes of the weights in steps on gradients that have nothing to do with each other."""
    variables = [keras.Variable(np.zeros(shape, "float32")) for shape in ((7, 4), (4,), (4, 3))]
    optimizer.build(variables)
    random, before, changes = np.random.default_rng(1), 0.0, []
    for _ in range(steps):
        grads = [random.normal(size=v.shape).astype("float32") for v in variables]
        _apply(optimizer, grads, variables)
        theta = np.concatenate([keras.ops.convert_to_numpy(v).ravel() for v in variables])
        changes.append((np.concatenate([g.ravel() for g in grads]), theta - before))
        before = theta
    return changes


def _apply(optimizer, grads, variables):
    if _ON_TORCH:
        import torch

        with torch.no_grad():
            optimizer.apply([keras.ops.convert_to_tensor(g) for g in grads], variables)
    else:
        optimizer.apply([keras.ops.convert_to_tensor(g) for g in grads], variables)


@pytest.mark.parametrize("redraw, rank", [(0, 5), (1, 30), (2, 15), (3, 10)])
def test_the_steps_span_as_many_dimensions_as_were_drawn(redraw, rank):
    changes = _updates(_sgd(0.5, dimensions=5, redraw=redraw))
    assert np.linalg.matrix_rank(np.stack([change for _, change in changes]), tol=1e-4) == min(rank, 6)
    for grad, change in changes:
        # P P' g is the orthogonal projection of g: |P P' g|^2 = <g, P P' g>.
        np.testing.assert_allclose(change @ change, -0.5 * (change @ grad), rtol=1e-4)


def test_as_many_dimensions_as_weights_is_plain_training():
    plain, whole = _model(keras.optimizers.SGD(0.1)), _model(_sgd(0.1, dimensions=83))
    assert plain.count_params() == 83
    _fit(plain)
    _fit(whole)
    np.testing.assert_allclose(_theta(whole), _theta(plain), atol=1e-5)


@pytest.mark.parametrize("inner", [{}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}])
def test_a_fixed_basis_by_coordinates_is_the_projected_gradient(inner):
    fixed = _updates(_sgd(0.1, dimensions=5, redraw=0, **inner))
    same = _updates(_sgd(0.1, dimensions=5, redraw=1000, **inner))
    for (_, a), (_, b) in zip(fixed, same, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_adam_of_a_fixed_basis_has_the_state_of_the_coordinates_and_stays_in_the_basis():
    optimizer = ke.RandomBases(keras.optimizers.Adam(0.1), 5, redraw=0)
    changes = _updates(optimizer, 9)
    assert [tuple(v.shape) for v in optimizer.variables if len(v.shape)] == [(5,)] * 3
    assert np.linalg.matrix_rank(np.stack([change for _, change in changes]), tol=1e-4) == 5


def test_layer_wise_bases_do_not_mix():
    layers = [keras.layers.Dense(8), keras.layers.Dense(3)]
    model = _model(_sgd(dimensions=4, layer_wise=True), layers)
    model.optimizer.build(model.trainable_variables)
    grads = [np.zeros(v.shape, "float32") for v in model.trainable_variables]
    grads[2][:] = 1.0
    before = model.get_weights()
    _apply(model.optimizer, grads, model.trainable_variables)
    moved = [not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)]
    assert moved == [False, False, True, True]


@pytest.mark.parametrize("redraw", [0, 1, 2])
def test_training_lowers_the_loss(redraw):
    losses = _fit(_model(_sgd(0.5, dimensions=30, redraw=redraw)), epochs=5)
    assert losses[-1] < losses[0]


def _optimizer(kind, **arguments):
    inner = {"sgd": keras.optimizers.SGD, "adam": keras.optimizers.Adam}[kind]
    return inner(0.05, **arguments)


@pytest.mark.parametrize(
    "kind, arguments, redraw",
    [
        ("sgd", {"momentum": 0.9}, 1),
        ("adam", {}, 0),
        ("adam", {}, 3),
        ("adam", {"gradient_accumulation_steps": 3}, 0),
        ("adam", {"gradient_accumulation_steps": 3}, 3),
        ("sgd", {"use_ema": True, "ema_momentum": 0.5, "ema_overwrite_frequency": 3}, 1),
    ],
)
def test_saved_and_resumed_equals_uninterrupted(tmp_path, kind, arguments, redraw):
    whole = _model(ke.RandomBases(_optimizer(kind, **arguments), 20, 5, redraw))
    parts = _model(ke.RandomBases(_optimizer(kind, **arguments), 20, 5, redraw))
    _fit(whole)
    _fit(parts)
    parts.save(tmp_path / "model.keras")
    resumed = keras.saving.load_model(tmp_path / "model.keras")
    assert resumed.optimizer.get_config() == parts.optimizer.get_config()
    _fit(whole)
    _fit(resumed)
    np.testing.assert_array_equal(_theta(resumed), _theta(whole))


@pytest.mark.parametrize("redraw", [0, 1])
def test_accumulated_gradients_are_one_larger_batch(redraw):
    large, small = (_model(_sgd(0.3, redraw=redraw, **extra)) for extra in ({}, {"gradient_accumulation_steps": 4}))
    _fit(large, batch_size=64)
    _fit(small, batch_size=16)
    np.testing.assert_allclose(_theta(small), _theta(large), atol=1e-5)
    _fit(large, batch_size=64)  # a second update, in the second basis
    _fit(small, batch_size=16)
    np.testing.assert_allclose(_theta(small), _theta(large), atol=1e-5)


def _step(grads, redraw=1, reduce=lambda coordinates: coordinates, worker=None):
    """The change of the weights in one step of a worker, and the coordinates that it would send."""
    variables = [keras.Variable(np.zeros(shape, "float32")) for shape in ((7, 4), (4,))]
    sent, optimizer = [], _sgd(0.5, dimensions=6, redraw=redraw)
    optimizer.reduce, optimizer.worker = lambda c: sent.append(c) or reduce(c), worker
    optimizer.build(variables)
    _apply(optimizer, grads, variables)
    assert len(sent) == 1
    return np.concatenate([keras.ops.convert_to_numpy(v).ravel() for v in variables]), sent[0]


_GRADS = [[_RANDOM.normal(size=shape).astype("float32") for shape in ((7, 4), (4,))] for _ in range(2)]


@pytest.mark.parametrize("redraw", [0, 1])
def test_the_mean_of_the_coordinates_is_the_mean_gradient(redraw):
    (_, first), (_, second) = (_step(grads, redraw) for grads in _GRADS)
    assert first.shape == (6,)
    together, _ = _step(_GRADS[0], redraw, lambda c: (c + second) / 2)
    joint, _ = _step([(a + b) / 2 for a, b in zip(*_GRADS, strict=True)], redraw)
    np.testing.assert_allclose(together, joint, atol=1e-6)


def test_independent_bases_add_up():
    stack = keras.ops.stack
    alone, _ = _step(_GRADS[0], reduce=lambda c: stack([c]), worker=0)
    np.testing.assert_array_equal(alone, _step(_GRADS[0])[0])  # worker 0 has the shared basis
    other, sent = _step(_GRADS[1], reduce=lambda c: stack([0 * c, c]), worker=lambda: 1)
    both, _ = _step(_GRADS[0], reduce=lambda c: stack([c, sent]), worker=0)
    np.testing.assert_allclose(both, alone + other, atol=1e-6)
    same_basis, _ = _step(_GRADS[1])
    assert abs(other - same_basis).max() > 0.1, "worker 1 has the basis of worker 0"
    # A projection in its own basis, too.
    flat = np.concatenate([g.ravel() for g in _GRADS[1]])
    np.testing.assert_allclose(other @ other, -0.5 * (other @ flat), rtol=1e-4)


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ({"reduce": 3}, TypeError, "`reduce` must be a function of the coordinates, or None. Received: reduce=3"),
        ({"worker": 1}, ValueError, "A `worker` needs `reduce`.*Received: worker=1"),
        ({"worker": -1, "reduce": abs}, ValueError, "`worker` must be at least 0. Received: worker=-1"),
        ({"worker": 0.5, "reduce": abs}, ValueError, "`worker` must be an integer. Received: worker=0.5"),
        ({"worker": 1, "reduce": abs, "redraw": 0}, ValueError, "must share it: redraw=0 takes no `worker`"),
    ],
)
def test_wrong_exchanges_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        ke.RandomBases("sgd", 5, **arguments)


@pytest.mark.parametrize("redraw", [0, 1])
def test_loss_scaling_changes_nothing(redraw):
    plain = _model(_sgd(0.3, redraw=redraw))
    fixed = _model(_sgd(0.3, redraw=redraw, loss_scale_factor=256.0))
    dynamic = _model(keras.optimizers.LossScaleOptimizer(_sgd(0.3, redraw=redraw, loss_scale_factor=8.0), 1024.0))
    for model in (plain, fixed, dynamic):
        _fit(model)
    np.testing.assert_allclose(_theta(fixed), _theta(plain), atol=1e-5)
    np.testing.assert_allclose(_theta(dynamic), _theta(plain), atol=1e-5)


@pytest.mark.parametrize("redraw", [0, 1])
def test_global_clipping_limits_the_step(redraw):
    for _, change in _updates(_sgd(1.0, dimensions=5, redraw=redraw, global_clipnorm=0.25)):
        np.testing.assert_allclose(np.linalg.norm(change), 0.25, rtol=1e-4)


def test_weight_decay_of_a_fixed_basis_draws_towards_the_first_weights():
    model = _model(ke.RandomBases(keras.optimizers.AdamW(0.05, weight_decay=0.5), 20, redraw=0))
    start = _theta(model)
    _fit(model)
    far = np.linalg.norm(_theta(model) - start)
    for _ in range(150):  # the moments of Adam fade within some tens of steps
        zeros = [np.zeros(v.shape, "float32") for v in model.trainable_variables]
        _apply(model.optimizer, zeros, model.trainable_variables)
    assert np.linalg.norm(_theta(model) - start) < 0.3 * far


def test_the_average_of_a_fixed_basis_is_that_of_the_weights():
    averaged = _model(_sgd(0.3, redraw=0, use_ema=True, ema_momentum=0.5))
    plain = _model(_sgd(0.3, redraw=0))
    average, weights = None, []
    for start in range(0, 64, 16):
        plain.train_on_batch(_X[start : start + 16], _Y[start : start + 16])
        weights.append(_theta(plain))
        average = weights[0] if average is None else 0.5 * average + 0.5 * weights[-1]
    _fit(averaged)  # the end of fit puts the average in place
    np.testing.assert_allclose(_theta(averaged), average, atol=1e-5)


@pytest.mark.skipif(_ON_TORCH, reason="torch compiles with a C++ compiler only, and has no steps_per_execution")
@pytest.mark.parametrize("redraw", [0, 1, 2])
def test_compiled_steps_are_the_same(redraw):
    eager, compiled = (
        _model(_sgd(0.3, redraw=redraw), **arguments)
        for arguments in ({}, {"jit_compile": True, "steps_per_execution": 4})
    )
    _fit(eager, epochs=2)
    _fit(compiled, epochs=2)
    np.testing.assert_allclose(_theta(compiled), _theta(eager), atol=1e-5)


def test_mixed_precision_wraps_it_in_a_loss_scale():
    layers = [keras.layers.Dense(8, dtype="mixed_float16"), keras.layers.Dense(3, dtype="mixed_float16")]
    model = _model(keras.optimizers.LossScaleOptimizer(_sgd(0.3)), layers)
    assert np.isfinite(_fit(model, epochs=2)).all()


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="it is about XLA for the CPU")
def test_no_sum_is_left_to_the_slow_kernel():
    # The guard: a sum over the rows of the sketch, merged with its product, made a step 21 times slower.
    import jax

    variables = [keras.Variable(np.zeros((784, 128), "float32"))]
    optimizer = _sgd(dimensions=250)
    optimizer.build(variables)

    def step(state, grad, value):
        return optimizer.stateless_apply(state, [grad], [value])

    state = [v.value for v in optimizer.variables]
    text = jax.jit(step).lower(state, variables[0].value, variables[0].value).as_text()
    sums = [line for line in text.splitlines() if "stablehlo.reduce" in line and "x250x" in line]
    assert "stablehlo.dot_general" in text and not sums
    # Nor is the sketch merged into what reads it: it is written into a matrix with one row more, 402 + 1.
    assert any("dynamic_update_slice" in line and "403x250" in line for line in text.splitlines())


def test_variables_without_gradients_count_as_zero():
    optimizer = _sgd(dimensions=5)
    variables = [keras.Variable(np.zeros(shape, "float32")) for shape in ((7, 4), (4,))]
    optimizer.build(variables)
    _apply(optimizer, [np.ones((7, 4), "float32"), np.zeros(4, "float32")], variables)
    expected = [keras.ops.convert_to_numpy(v) for v in variables]
    other = [keras.Variable(np.zeros(shape, "float32")) for shape in ((7, 4), (4,))]
    again = _sgd(dimensions=5)
    again.build(other)
    again.apply([keras.ops.ones((7, 4)), None], other)
    for variable, value in zip(other, expected, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable), value)
    with pytest.raises(ValueError, match="No gradients provided for any variable"):
        again.apply([None, None], other)


def test_the_learning_rate_is_the_inner_one():
    optimizer = _sgd(0.5)
    optimizer.learning_rate = 0.25
    assert float(keras.ops.convert_to_numpy(optimizer.inner_optimizer.learning_rate)) == 0.25
    schedule = keras.optimizers.schedules.ExponentialDecay(0.5, 2, 0.5)
    model = _model(ke.RandomBases(keras.optimizers.SGD(schedule), 20))
    _fit(model)
    assert float(keras.ops.convert_to_numpy(model.optimizer.learning_rate)) == pytest.approx(0.125)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"dimensions": 0}, "`dimensions` must be a positive integer. Received: dimensions=0"),
        ({"dimensions": 2.0}, "`dimensions` must be a positive integer. Received: dimensions=2.0"),
        ({"seed": "a"}, "`seed` must be an integer. Received: seed='a'"),
        ({"redraw": -1}, "`redraw` must be at least 0.*Received: redraw=-1"),
        ({"redraw": 0.5}, "`redraw` must be an integer. Received: redraw=0.5"),
        (
            {"weight_decay": 0.1},
            "`weight_decay` of the inner optimizer.*kernel_regularizer.*Received: weight_decay=0.1",
        ),
        ({"clipnorm": 1.0}, "`clipnorm` of the inner.*`global_clipnorm` does not.*Received: clipnorm=1.0"),
        ({"clipvalue": 1.0}, "`clipvalue` of the inner.*`global_clipnorm` does not.*Received: clipvalue=1.0"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        _sgd(**arguments)


def test_wrong_inner_optimizers_are_refused():
    with pytest.raises(TypeError, match="`inner_optimizer` must be a Keras optimizer.*Received: inner_optimizer=3"):
        ke.RandomBases(3, 10)
    with pytest.raises(ValueError, match=r"LossScaleOptimizer\(RandomBases"):
        ke.RandomBases(keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1)), 10)


def test_constraints_leave_a_fixed_basis():
    layers = [keras.layers.Dense(3, kernel_constraint="non_neg")]
    with pytest.raises(ValueError, match="A constraint moves weights out of the one basis of redraw=0"):
        _model(_sgd(redraw=0), layers).optimizer.build(layers[0].trainable_variables)


def test_evolution_strategies_lower_the_loss_and_repeat():
    models = [_model(keras.optimizers.SGD(0.1)) for _ in range(2)]
    before = models[0].evaluate(_X, _Y, verbose=0)
    for model in models:
        losses = ke.training.train_nes(model, _X, _Y, 40, learning_rate=0.1, offspring=20, sigma=0.05, seed=4)
    assert len(losses) == 40 and models[0].evaluate(_X, _Y, verbose=0) < 0.95 * before
    np.testing.assert_array_equal(_theta(models[0]), _theta(models[1]))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"steps": 0}, "`steps` must be a positive integer. Received: steps=0"),
        ({"sigma": 0}, "`sigma` must be larger than 0. Received: sigma=0"),
        ({"learning_rate": -1.0}, "`learning_rate` must be a number of at least 0. Received: learning_rate=-1.0"),
    ],
)
def test_wrong_arguments_of_evolution_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ke.training.train_nes(_model(keras.optimizers.SGD(0.1)), _X, _Y, **{"steps": 1, **arguments})
