"""`quantize_model`: the same function in float mode, nearly the same in 8 bits, and it trains, saves and loads."""

import keras
import numpy as np
import pytest
from quantization.own_models import (
    NETWORKS,
    batch_norm_network,
    inputs_of,
    outputs_of,
    residual_network,
    signal_network,
    with_random_weights,
)

import keras_efficient as ke
from keras_efficient.quantization import float_layers, quantized_layers

L = keras.layers


@pytest.fixture(params=NETWORKS)
def plain(request):
    return with_random_weights(NETWORKS[request.param]())


def test_float_mode_is_the_plain_model(plain):
    x = inputs_of(plain)
    for fold in (True, False):
        quantized = ke.quantize_model(plain, x=x, fold_batch_norm=fold, mode="float")
        assert type(quantized) is type(plain)
        np.testing.assert_allclose(outputs_of(quantized, x), outputs_of(plain, x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [(6,), (5, 6), (4, 5, 6)])
def test_normalizations_wherever_they_stand(shape):
    """The first Normalization stays outside; the statistics of all others are those that a fold leaves as they are."""
    random = np.random.default_rng(0)
    x = random.normal(3, 2, (32, *shape)).astype("float32")
    first, inner, inverse = L.Normalization(name="first"), L.Normalization(name="inner"), L.Normalization(invert=True)
    norms = [L.BatchNormalization(name=name) for name in ("start", "middle", "end")]
    inputs = keras.Input(shape)
    y = L.Dense(6, activation="relu")(L.ReLU()(norms[0](first(inputs))))
    y = norms[1](inverse(inner(y)), training=False)
    plain = with_random_weights(keras.Model(inputs, norms[2](L.Dense(3)(L.ReLU()(y)))))
    for layer in (first, inner, inverse):
        layer.adapt(random.normal(1, 2, (32, *shape)) * np.arange(1, 7))
    quantized = ke.quantize_model(plain, x=x, fold_batch_norm=False, mode="float")
    np.testing.assert_allclose(outputs_of(quantized, x), outputs_of(plain, x), rtol=1e-4, atol=1e-4)
    made = {layer.name: layer for layer in quantized.layers}
    assert type(made["first"]) is L.Normalization and list(made).index("input_q") == 2
    assert {type(made[name]) for name in ("start", "inner", inverse.name, "middle", "end")} == {ke.ScaleQ}
    assert not made["start"].output_is_signed and made["end"].activation_bits == 16 and made["end"].output_is_signed
    assert made["middle"].frozen_statistics and not made["start"].frozen_statistics
    ke.set_mode(quantized, "freeze_scales")
    np.testing.assert_allclose(outputs_of(quantized, x), outputs_of(plain, x), atol=0.1 * outputs_of(plain, x).std())


@pytest.mark.parametrize(
    "layer, message",
    [
        (L.BatchNormalization(1, name="bad"), "bad.*channels must come last. Received: axis=1"),
        (L.Normalization((1, 2), name="bad"), r"bad.*axis must be the last one, or None. Received: axis=\(1, 2\)"),
    ],
)
def test_normalizations_of_other_axes_stay_float(layer, message):
    model = keras.Sequential([keras.Input((4, 3)), L.Dense(3), layer, L.Dense(2)])
    with pytest.warns(UserWarning, match=message):
        assert type(ke.quantize_model(model).get_layer("bad")) is type(layer)
    assert "Received: axis" in str(ke.support_report(model))


def test_what_is_done_at_each_step_needs_no_loop():
    """A TimeDistributed(Dense) is a DenseQ of its name; its own activation comes before the relu that follows."""
    each = L.TimeDistributed
    inputs = keras.Input((6, 5))
    y = each(L.ReLU(), name="relu")(each(L.Dense(7, "tanh"), name="steps")(inputs))
    y = each(L.BatchNormalization(), name="other")(each(L.Dense(4, use_bias=False), name="last")(y))
    plain = with_random_weights(keras.Model(inputs, each(L.Dense(3, "softmax"), name="classes")(y)))
    x = inputs_of(plain)
    with pytest.warns(UserWarning, match=r"other \(TimeDistributed\)$"):
        quantized = ke.quantize_model(plain, x=x, mode="float", overrides={"last": {"kernel_bits": 4}})
    np.testing.assert_allclose(outputs_of(quantized, x), outputs_of(plain, x), rtol=1e-5, atol=1e-5)
    kinds = {layer.name: type(layer).__name__ for layer in quantized.layers[2:]}
    dense = dict.fromkeys(("steps", "last", "classes"), "DenseQ")
    assert kinds == {
        **dense,
        "steps_tanh": "ActivationQ",
        "relu": "TimeDistributed",
        "other": "TimeDistributed",
        "classes_softmax": "Activation",
    }
    assert quantized.get_layer("last").kernel_bits == 4 and not quantized.get_layer("last").use_bias


def test_a_pruned_dense_layer_of_each_step_stays_pruned():
    layers = [L.TimeDistributed(L.Dense(7, "relu"), name="steps"), L.Flatten(), L.Dense(3)]
    pruned = ke.prune_model(keras.Sequential([keras.Input((6, 5)), *layers]), ke.ConstantSparsity(0.5))
    quantized = ke.quantize_model(pruned, x=inputs_of(pruned), mode="float")
    np.testing.assert_allclose(outputs_of(quantized, inputs_of(pruned)), outputs_of(pruned, inputs_of(pruned)), 1e-4)
    assert type(quantized.layers[1].layer) is ke.DenseQ
    kept = ke.remove_filters(pruned)
    np.testing.assert_allclose(outputs_of(kept, inputs_of(pruned)), outputs_of(pruned, inputs_of(pruned)), 1e-4)


def test_a_pruned_layer_is_wrapped_without_the_function_after_it():
    layers = [L.Dense(7, "tanh"), L.Dense(3)]
    pruned = ke.prune_model(keras.Sequential([keras.Input((5,)), *layers]), ke.ConstantSparsity(0.5))
    quantized = ke.quantize_model(pruned, x=inputs_of(pruned), mode="float")
    np.testing.assert_allclose(outputs_of(quantized, inputs_of(pruned)), outputs_of(pruned, inputs_of(pruned)), 1e-4)
    wrapped = [type(layer.layer) for layer in quantized.layers if isinstance(layer, ke.Prunable)]
    assert wrapped == [ke.DenseQ, ke.DenseQ]


def test_pooling_of_signals_of_any_length_becomes_a_quantized_one():
    layers = [L.Conv1D(3, 3, padding="same"), L.AveragePooling1D(3, 2, padding="same"), L.GlobalMaxPooling1D()]
    model = keras.Sequential([keras.Input((None, 4)), *layers])
    quantized = ke.quantize_model(model, x=np.ones((2, 6, 4), "float32"))
    assert ke.MeanPoolingQ in map(type, quantized.layers)


def test_a_relu_behind_what_stays_float_is_kept():
    inputs = keras.Input((6, 3))
    x = L.BatchNormalization(axis=1)(L.ReLU()(inputs + 0.5))
    plain = with_random_weights(keras.Model(inputs, L.Dense(2)(L.Flatten()(L.ReLU()(x)))))
    x = inputs_of(plain)
    with pytest.warns(UserWarning, match="stay float"):
        quantized = ke.quantize_model(plain, x=x, input_bits=None, mode="float")
    np.testing.assert_allclose(outputs_of(quantized, x), outputs_of(plain, x), rtol=1e-5, atol=1e-5)


def test_eight_bits_are_near_and_four_are_farther(plain):
    x = inputs_of(plain)
    expected = outputs_of(plain, x)
    distances = []
    for bits in (8, 4):
        quantized = ke.quantize_model(plain, bits, 16, bits, x=x, mode="freeze_scales")
        distances.append(np.abs(outputs_of(quantized, x) - expected).max() / np.abs(expected).max())
    assert distances[0] < 0.1 and distances[0] < distances[1]


def test_every_layer_that_works_is_quantized(plain):
    quantized = ke.quantize_model(plain, x=inputs_of(plain))
    heads = {"classes_softmax (Activation)", "out_sigmoid (Activation)"}
    assert {text for text in float_layers(quantized) if not text.startswith("rescaling")} <= heads
    outputs = [layer for layer in quantized_layers(quantized) if layer.name in ("classes", "logits", "value", "out")]
    assert [layer.activation_bits for layer in outputs] == [16]


def test_saves_and_loads_in_another_process(plain, tmp_path, reloader):
    x = inputs_of(plain)
    quantized = ke.quantize_model(plain, 4, 8, 4, x=x)
    quantized.save(tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", x)
    reloader.predict(tmp_path / "model.keras", tmp_path / "x.npy", tmp_path / "y.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), quantized.predict(x, verbose=0))


def test_what_is_fused_keeps_its_weights_and_names():
    plain = with_random_weights(residual_network())
    quantized = ke.quantize_model(plain, x=inputs_of(plain))
    kinds = [(layer.name, type(layer).__name__) for layer in quantized.layers[1:]]
    assert kinds == [
        ("input_q", "InputQ"),
        ("stem", "ConvQ"),
        ("branch", "ConvQ"),
        ("sum", "AddQ"),
        ("second", "ConvQ"),
        (kinds[5][0], "AddQ"),
        ("both", "ConcatenateQ"),
        ("means", "GlobalMeanPoolingQ"),
        ("logits", "DenseQ"),
    ]
    # The branch is read twice, so its batch normalization is folded and nothing else.
    branch, norm = quantized.get_layer("branch"), plain.get_layer("branch_norm")
    for ours, theirs in zip(branch.batch_norm.get_weights(), norm.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert quantized.get_layer("sum").activation is keras.activations.relu
    assert quantized.get_layer("stem").activation is keras.activations.relu6
    assert not quantized.get_layer("sum").output_is_signed and quantized.get_layer("both").output_is_signed


def test_overrides_by_name_and_pattern():
    plain = residual_network()
    overrides = {"s*": {"kernel_bits": 5}, "stem": {"kernel_bits": 3, "per_channel": False}, "branch": None}
    with pytest.warns(UserWarning, match=r"stay float, and have no integer form: branch \(Conv2D\)$"):
        quantized = ke.quantize_model(plain, 4, x=inputs_of(plain), overrides=overrides)
    stem, second = quantized.get_layer("stem"), quantized.get_layer("second")
    assert (stem.kernel_bits, stem.per_channel) == (3, False) and (second.kernel_bits, second.per_channel) == (5, True)
    assert type(quantized.get_layer("branch")) is L.Conv2D and quantized.get_layer("logits").kernel_bits == 4
    assert float_layers(quantized) == ["branch (Conv2D)"]
    assert type(quantized.get_layer("branch_norm")) is ke.ScaleQ  # nothing to fold it into


@pytest.mark.parametrize(
    "arguments, kind, message",
    [
        ({"overrides": {"nothing*": {}}}, ValueError, "`overrides` names no layer of the model: 'nothing\\*'"),
        ({"overrides": {"stem": {"bits": 4}}}, ValueError, "Received: bits for 'stem'"),
        ({"overrides": {"stem": 4}}, ValueError, "Received: 4 for 'stem'"),
        ({"overrides": {"stem": {"kernel_bits": 0}}}, ValueError, "'stem': `kernel_bits` must be an integer from 1"),
        ({"overrides": ["stem"]}, TypeError, "`overrides` must be a dictionary"),
        ({"kernel_bits": 17}, ValueError, "`kernel_bits` must be an integer from 1 to 16"),
        ({"input_bits": 17}, ValueError, "`input_bits` must be an integer from 1 to 16"),
        ({"per_channel": 1}, ValueError, "`per_channel` must be True or False"),
        ({"mode": "int8"}, ValueError, "`mode` must be one of"),
        ({"x": np.ones((8, 8, 2))}, ValueError, r"`x` must hold samples of shape \(8, 8, 2\)"),
        ({"x": [np.ones((8, 8, 2))[None, None]]}, ValueError, r"Received: shapes \[\(1, 1, 8, 8, 2\)\]"),
        ({"x": np.zeros((0, 8, 8, 2))}, ValueError, "`x` must hold at least one sample"),
    ],
)
def test_wrong_arguments(arguments, kind, message):
    with pytest.raises(kind, match=message):
        ke.quantize_model(batch_norm_network(), **arguments)


@pytest.mark.parametrize(
    "layer, shape, message",
    [
        (
            L.AveragePooling2D(3, (1, 2), "same", name="bad"),
            (None, 8, 2),
            "bad.*size of the map must be known where they",
        ),
        (L.Conv2D(2, 3, data_format="channels_first", name="bad"), (2, 8, 8), "bad.*channels must come last"),
    ],
)
def test_what_can_not_be_done_stays_float_by_name(layer, shape, message):
    if keras.backend.backend() == "tensorflow" and "channels_first" in str(layer.get_config().get("data_format")):
        pytest.skip("TensorFlow has no such convolution on a CPU")
    model = keras.Sequential([keras.Input(shape), layer])
    with pytest.warns(UserWarning, match=message):
        small = ke.quantize_model(model)
    assert type(small.get_layer("bad")) is type(layer)
    with pytest.warns(UserWarning, match=r"These layers stay float.*bad"):
        ke.quantize_model(model, overrides={"bad": None})


def test_other_models_are_refused():
    with pytest.raises(TypeError, match="`model` must be a built Functional or Sequential model. Received"):
        ke.quantize_model(keras.Sequential([L.Dense(3)]))


def test_layers_of_this_package_inside_a_plain_model():
    model = keras.Sequential(
        [
            keras.Input((8,)),
            ke.PHMDense(8, terms=2, p=2, q=2, activation="relu", name="products"),
            ke.ACDCDense(8, depth=2, name="transforms"),
            ke.DenseQ(6, kernel_bits=3, name="own"),
            ke.RandomBasisDense(4, dimensions=5, name="random", coordinate_bits=4, bias_bits=5),
            L.Dense(2, name="last"),
        ]
    )
    x = inputs_of(model)
    quantized = ke.quantize_model(model, 6, x=x, mode="float")
    np.testing.assert_allclose(outputs_of(quantized, x), outputs_of(model, x), rtol=1e-5, atol=1e-5)
    assert all(quantized.get_layer(name).kernel_bits == 6 for name in ("products", "transforms", "random"))
    assert quantized.get_layer("own").kernel_bits == 3


def widths(model):
    layers = [layer.layer if isinstance(layer, ke.Prunable) else layer for layer in model.layers]
    return {layer.name: (layer.kernel_bits, layer.activation_bits) for layer in layers if hasattr(layer, "kernel_bits")}


@pytest.mark.parametrize("trained", [False, True])
def test_a_quantized_model_gets_other_widths(trained):
    """The weights stay, the scales are those of a model that is quantized from the start; outputs keep their widths."""
    plain = with_random_weights(residual_network())
    x = inputs_of(plain)
    eight = ke.quantize_model(plain, x=x, mode="learn_scales" if trained else "float")
    if trained:
        eight.compile("adam", "sparse_categorical_crossentropy")
        eight.fit(x, np.arange(len(x)) % 3, verbose=0)
    four = ke.quantize_model(eight, 4, activation_bits=5, x=x, mode="freeze_scales")
    assert set(widths(eight).values()) == {(8, 8), (8, 16)}
    assert set(widths(four).values()) == {(4, 5), (4, 16)}
    assert widths(ke.quantize_model(four, x=x)) == widths(four)  # nothing is asked for
    ke.set_mode(eight, "float"), ke.set_mode(four, "float")
    np.testing.assert_allclose(outputs_of(four, x), outputs_of(eight, x), rtol=1e-5, atol=1e-5)
    ke.set_mode(four, "freeze_scales")
    if not trained:
        fresh = ke.quantize_model(plain, 4, activation_bits=5, x=x, mode="freeze_scales")
        np.testing.assert_array_equal(outputs_of(four, x), outputs_of(fresh, x))


def test_other_widths_without_samples():
    """Scales of activations are logarithms of ranges: they came along, and nothing is said."""
    plain = with_random_weights(residual_network())
    x = inputs_of(plain)
    eight = ke.quantize_model(plain, x=x)
    four = ke.quantize_model(eight, 4, 8, 5, per_channel=False, input_bits=16)
    stem, old = four.get_layer("stem"), eight.get_layer("stem")
    assert four.get_layer("input_q").bits == 16 and not stem.per_channel and stem.bias_bits == 8
    for layer in ("stem", "input_q"):
        scales = [keras.ops.convert_to_numpy(m.get_layer(layer).activation_quantizer.scale) for m in (four, eight)]
        assert scales[0] == scales[1]
    assert stem.kernel_quantizer.scale.shape == () != old.kernel_quantizer.scale.shape
    fresh = ke.quantize_model(plain, 4, 8, 5, per_channel=False, x=x).get_layer("stem")
    for one, other in ((stem.kernel, old.kernel), (stem.kernel_quantizer.scale, fresh.kernel_quantizer.scale)):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(one), keras.ops.convert_to_numpy(other))


def test_other_widths_of_single_layers_and_pruned_ones():
    plain = with_random_weights(batch_norm_network())
    x = inputs_of(plain)
    pruned = ke.prune_model(ke.quantize_model(plain, x=x), ke.ConstantSparsity(0.5))
    again = ke.quantize_model(pruned, 4, x=x, overrides={"*": {"activation_bits": 6}})
    assert {kernel for kernel, _ in widths(again).values()} == {4}
    assert {activation for _, activation in widths(again).values()} == {6}
    assert again.get_layer("input_q").bits == 8  # no pattern means it
    named = ke.quantize_model(pruned, x=x, overrides={"input_q": {"activation_bits": 16}})
    assert named.get_layer("input_q").bits == 16 and widths(named) == widths(pruned)


def test_models_inside_are_converted():
    inner = keras.Sequential([keras.Input((6,)), L.Dense(5, activation="relu", name="inner_dense")], name="inner")
    model = keras.Sequential([keras.Input((6,)), inner, L.Dense(2, name="outer_dense")])
    x = inputs_of(model)
    quantized = ke.quantize_model(model, x=x, overrides={"inner_dense": {"kernel_bits": 2}}, mode="float")
    np.testing.assert_allclose(outputs_of(quantized, x), outputs_of(model, x), rtol=1e-5, atol=1e-5)
    assert [type(layer).__name__ for layer in quantized_layers(quantized)] == ["InputQ", "DenseQ", "DenseQ"]
    assert quantized.get_layer("inner").layers[-1].kernel_bits == 2


@pytest.mark.parametrize("cut", [(0, 2), (1, 3), (2, 3), (3, 5), (4, 6), (0, 6)])
def test_an_inner_model_changes_no_grid(cut):
    """What reads the maps of a layer decides on its grid: a table, the user of the outputs; in whatever model."""
    x = np.random.default_rng(1).normal(size=(24, 5)).astype("float32")

    def small(first, end):
        layers = [
            *(L.Dense(8, activation="relu"), L.Dense(8), L.Activation("tanh"), L.Rescaling(-2.0), L.ReLU(6)),
            L.Dense(2, activation="sigmoid"),
        ]
        if end:
            inner = keras.Sequential([keras.Input((5 if first == 0 else 8,)), *layers[first:end]])
            layers[first:end] = [inner]
        plain = with_random_weights(keras.Sequential([keras.Input((5,)), *layers]))
        return ke.quantize_model(plain, activation_bits=16, input_bits=16, x=x, mode="freeze_scales")

    cut_up, flat = small(*cut), small(0, 0)
    np.testing.assert_array_equal(outputs_of(cut_up, x), outputs_of(flat, x))
    codes = [ke.export.IntegerModel(each).output.codes for each in (cut_up, flat)]
    assert codes[0] == codes[1]


def test_only_tables_narrow_what_is_wide():
    """And what others read beside them keeps its width."""
    inputs = keras.Input((4,))
    x = L.Dense(4, name="wide")(inputs)
    y = L.Multiply()([x, L.Activation("tanh", name="gate")(x)])
    y = L.Dense(4, name="narrow")(L.Activation("relu6", name="limit")(y))
    plain = keras.Model(inputs, L.Dense(2)(L.Activation("tanh", name="last")(y)))
    small = ke.quantize_model(plain, activation_bits=16, x=inputs_of(plain))
    bits = {layer.name: layer.activation_quantizer.bits for layer in quantized_layers(small)}
    assert (bits["wide"], bits["gate_input"], bits["gate"], bits["limit"], bits["narrow"]) == (16, 8, 16, 16, 8)
    assert not {"limit_input", "last_input"} & bits.keys()


def test_several_inputs():
    first, second = keras.Input((4,), name="first"), keras.Input((3,), name="second")
    x = L.Concatenate()([L.Dense(3)(first), second])
    model = keras.Model([first, second], L.Dense(2)(x))
    arrays = [np.random.default_rng(0).uniform(size=(9, n)).astype("float32") for n in (4, 3)]
    quantized = ke.quantize_model(model, x=arrays, mode="freeze_scales")
    assert sum(type(layer).__name__ == "InputQ" for layer in quantized.layers) == 2
    np.testing.assert_allclose(outputs_of(quantized, arrays), outputs_of(model, arrays), atol=0.1)


def test_a_shared_layer_stays_shared():
    inputs = keras.Input((4,))
    shared = L.Dense(4, name="shared")
    model = keras.Model(inputs, L.Dense(2)(shared(shared(inputs))))
    x = inputs_of(model)
    quantized = ke.quantize_model(model, x=x, mode="float")
    np.testing.assert_allclose(outputs_of(quantized, x), outputs_of(model, x), rtol=1e-5, atol=1e-5)
    assert sum(layer.name == "shared" for layer in quantized.layers) == 1


def test_a_shared_layer_without_weights_meets_negative_numbers_later():
    inputs = keras.Input((6, 6, 2))
    pool = L.AveragePooling2D(2, name="pool")
    parts = [pool(L.Conv2D(3, 1, activation=name)(inputs)) for name in ("relu", None)]
    model = keras.Model(inputs, L.Dense(2)(L.Flatten()(L.Concatenate()(parts))))
    quantized = ke.quantize_model(model, x=inputs_of(model))
    assert quantized.get_layer("pool").signed_output


def test_inputs_by_keyword_and_dictionary():
    inputs = {name: keras.Input((4,), name=name) for name in ("a", "b")}
    hidden = [L.ReLU()(inputs=L.Dense(3)(inputs=each)) for each in inputs.values()]
    model = keras.Model(inputs, L.Dense(2, name="last")(inputs=L.Add()(hidden)))
    x = {name: np.random.default_rng(0).uniform(size=(9, 4)).astype("float32") for name in inputs}
    quantized = ke.quantize_model(model, x=x, mode="float")
    np.testing.assert_allclose(outputs_of(quantized, x), outputs_of(model, x), rtol=1e-5, atol=1e-5)
    with pytest.warns(UserWarning, match="is wasted on"):
        smaller, error = ke.compress(model, "last", ke.LowRankDense(2, rank=2))
    assert error < 1e-5
    np.testing.assert_allclose(outputs_of(smaller, x), outputs_of(model, x), rtol=1e-4, atol=1e-5)


def test_a_product_of_three_stays_float():
    inputs = keras.Input((6, 6, 2))
    model = keras.Model(inputs, L.Multiply(name="product")([inputs, inputs, inputs]))
    with pytest.warns(UserWarning, match=r"product \(Multiply\): it takes two inputs. Received: 3"):
        ke.quantize_model(model)
    with pytest.warns(UserWarning, match="stay float.*product"):
        ke.quantize_model(model, overrides={"product": None})


def test_layers_without_weights_keep_their_dtype_and_stay_frozen():
    inputs = keras.Input((6, 6, 2), dtype="float64")
    layers = [L.Add(name="sum"), L.Concatenate(name="side"), L.AveragePooling2D(2), L.GlobalAveragePooling2D()]
    x = layers[1]([layers[0]([inputs, inputs]), inputs])
    model = keras.Model(inputs, layers[3](layers[2](x)))
    for layer in layers:
        layer.dtype_policy, layer.trainable = "float64", False
    quantized = ke.quantize_model(model)
    assert len(quantized_layers(quantized)) == 5
    for layer in quantized_layers(quantized):
        assert layer.dtype_policy.name == "float64"
        assert layer.trainable == (type(layer) is ke.InputQ)


@pytest.mark.skipif(keras.backend.backend() == "numpy", reason="numpy does not train")
def test_trains_within_plain_fit(tmp_path):
    """Regression, sample weights, callbacks, another mode between; the statistics that are folded stay."""
    plain = with_random_weights(signal_network())
    x = inputs_of(plain, 32)
    quantized = ke.quantize_model(plain, x=x)
    statistics = quantized.get_layer("stem").batch_norm.get_weights()[2:]
    quantized.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
    y, weights = np.tile([0.2, 0.7], (32, 1)), np.linspace(0, 1, 32)
    seen = []
    callback = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(logs["val_loss"]))
    fitted = {"sample_weight": weights, "validation_data": (x, y), "callbacks": [callback], "verbose": 0}
    quantized.fit(x, y, epochs=4, **fitted)
    ke.set_mode(quantized, "freeze_scales")
    quantized.fit(x, y, epochs=2, **fitted)
    assert len(seen) == 6 and seen[-1] < seen[0]
    for before, after in zip(statistics, quantized.get_layer("stem").batch_norm.get_weights()[2:], strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.skipif(keras.backend.backend() == "numpy", reason="numpy does not train")
def test_trains_on_a_data_set_of_tensorflow():
    data = pytest.importorskip("tensorflow").data.Dataset
    plain = batch_norm_network()
    x = inputs_of(plain, 32)
    quantized = ke.quantize_model(plain, 4, 8, 4, x=x)
    quantized.compile("adam", "sparse_categorical_crossentropy")
    before = quantized.get_layer("stem").get_weights()[0]
    quantized.fit(data.from_tensor_slices((x, np.arange(32) % 3)).batch(16), shuffle=False, verbose=0)
    assert not np.array_equal(before, quantized.get_layer("stem").get_weights()[0])


def test_without_samples_the_scales_of_activations_wait_for_calibrate():
    plain = with_random_weights(batch_norm_network())
    with pytest.warns(UserWarning, match=r"the activations of \d+ layers have no scales yet"):
        quantized, x = ke.quantize_model(plain), inputs_of(plain)
    assert quantized.get_layer("input_q").signed
    quantizers = [quantizer for layer in quantized_layers(quantized) for quantizer in layer.quantizers]
    are_set = [(q.weight is not None, bool(keras.ops.convert_to_numpy(q.scale).any())) for q in quantizers]
    assert (True, True) in are_set and (False, True) not in are_set
    ke.calibrate(quantized, x=x)
    again = ke.quantize_model(plain, x=x)
    np.testing.assert_array_equal(outputs_of(quantized, x), outputs_of(again, x))
    with pytest.raises(ValueError, match="`rule` must be one of .* Received: rule='best'"):
        ke.calibrate(quantized, x=x, rule="best")
    with pytest.raises(ValueError, match="`percentile` does not go with rule='least_error'. Received: percentile=2"):
        ke.calibrate(quantized, x=x, percentile=2, rule="least_error")


class Noisy(keras.layers.Layer):
    """Draws numbers in inference, too."""

    def call(self, inputs):
        return inputs + keras.random.normal(keras.ops.shape(inputs))


def test_a_copy_that_is_far_from_its_model_is_named():
    """One that is another function in float, and one whose grids are too coarse for numbers of so different sizes."""
    x = np.random.default_rng(0).normal(size=(64, 2)).astype("float32") * (1, 3_000)
    model = keras.Sequential([keras.Input((2,)), Noisy(), keras.layers.Dense(3)])
    with pytest.warns(UserWarning) as caught:
        ke.quantize_model(model, x=x / (1, 3_000))
    assert sum("In float mode the copy differs by" in str(each.message) for each in caught) == 1
    plain = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, use_bias=False)])
    plain.set_weights([np.array([[1] * 3, [1 / 3_000] * 3], "float32")])
    with pytest.warns(
        UserWarning, match="outputs differ by .* though no grid has less than 8 bits: numbers of very diff"
    ):
        ke.quantize_model(plain, x=x, input_bits=16)
    ke.quantize_model(plain, x=x / (1, 3_000))  # warnings are errors here
