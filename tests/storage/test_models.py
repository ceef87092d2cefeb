"""estimate_storage for Keras models: chains of known layers, and a clear no for all else."""

import pytest

from keras_efficient.storage import estimate_storage

keras = pytest.importorskip("keras")
ke = pytest.importorskip("keras_efficient")
layers = keras.layers


def sequential(input_shape, *stack):
    return keras.Sequential([keras.Input(input_shape), *stack])


def specs_of(model):
    """A description of layer objects with what the model's layers are made of."""
    return [
        {"class_name": type(layer).__name__, "config": layer.get_config()}
        for layer in model.layers
        if type(layer).__name__ != "InputLayer"
    ]


def every_plain_layer():
    return sequential(
        (16, 14, 3),
        layers.Rescaling(1 / 255),
        layers.ZeroPadding2D(1),
        layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.GaussianNoise(0.1),
        layers.DepthwiseConv2D(3, depth_multiplier=2),
        layers.LeakyReLU(),
        layers.SeparableConv2D(8, 3, padding="same"),
        layers.Conv2D(8, 1, groups=4),
        layers.MaxPooling2D(2, padding="same"),
        layers.SpatialDropout2D(0.1),
        layers.AveragePooling2D(2),
        layers.Reshape((-1, 8)),
        layers.Flatten(),
        layers.Dense(12, activation="relu"),
        layers.Dropout(0.1),
        layers.Dense(10),
        layers.Softmax(),
    )


def test_parameters_are_those_that_keras_counts():
    model = every_plain_layer()
    report = estimate_storage(model)
    assert report.parameters == model.count_params()
    assert report.weight_bytes == 4 * model.count_params()


def test_shapes_and_names_are_those_of_the_model():
    model = every_plain_layer()
    report = estimate_storage(model)
    expected = [(layer.name, tuple(layer.output.shape[1:])) for layer in model.layers[:-1]]
    assert [(layer.name, layer.output_shape) for layer in report.layers] == expected


def test_a_model_costs_what_its_layers_as_a_description_cost():
    model = every_plain_layer()
    assert estimate_storage(model) == estimate_storage(specs_of(model), (16, 14, 3))


def test_a_small_float_network_by_hand():
    report = estimate_storage(sequential((4, 4, 1), layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(3)))
    # Convolution: 16 bytes in; the last of the 4 outputs (8 bytes each) is stored while the 9
    # pixels it reads are there. Dense: 8 floats in, 3 out.
    assert [layer.working_bytes for layer in report.layers] == [4 * 8 + 9, 32, 32 + 12]
    assert report.mult_adds == 4 * 2 * 9 + 8 * 3


def test_functional_and_nested_models_are_unfolded():
    flat = sequential((8, 8, 2), layers.Conv2D(4, 3), layers.ReLU(), layers.Conv2D(4, 3))
    inner = sequential((6, 6, 4), layers.ReLU(), layers.Conv2D(4, 3))
    nested = sequential((8, 8, 2), layers.Conv2D(4, 3), inner)
    inputs = keras.Input((8, 8, 2))
    functional = keras.Model(inputs, inner(layers.Conv2D(4, 3)(inputs)))
    expected = estimate_storage(flat)
    assert estimate_storage(nested) == expected
    assert estimate_storage(functional) == expected


def test_a_part_of_a_larger_model_is_a_chain_of_its_own():
    inputs = keras.Input((6,))
    hidden = layers.Dense(5)(inputs)
    keras.Model(inputs, [hidden, layers.Dense(4)(hidden)])
    assert estimate_storage(keras.Model(inputs, hidden)).parameters == 35


def test_global_pooling_runs_in_place():
    model = sequential((4, 4, 2), layers.Conv2D(3, 1), layers.GlobalAveragePooling2D())
    assert estimate_storage(model).layers[1].working_bytes == 16 * 3 * 4


def test_trailing_softmax_or_activation_is_no_layer_of_its_own():
    plain = estimate_storage(sequential((5,), layers.Dense(3)))
    for head in (layers.Softmax(), layers.Activation("softmax"), layers.Dropout(0.5)):
        assert estimate_storage(sequential((5,), layers.Dense(3), head)) == plain


def test_open_sizes_are_taken_from_input_shape():
    model = sequential((None, None, 3), layers.Conv2D(4, 3))
    fixed = sequential((8, 8, 3), layers.Conv2D(4, 3))
    assert estimate_storage(model, (8, 8, 3)) == estimate_storage(fixed)
    for wrong in (None, (8, 8, 1), (8, 8), (None, 8, 3)):
        with pytest.raises(ValueError, match="input_shape must complete the model's"):
            estimate_storage(model, wrong)


def used_twice():
    inputs, shared = keras.Input((4,)), layers.Dense(4, name="shared")
    return keras.Model(inputs, shared(shared(inputs)))


def two_outputs():
    inputs = keras.Input((4,))
    hidden = layers.Dense(4)(inputs)
    return keras.Model(inputs, [hidden, layers.Dense(2)(hidden)])


def nested_branch():
    inputs = keras.Input((4,))
    first = layers.Dense(4, name="first")(inputs)
    model = keras.Model(inputs, layers.Dense(4, name="second")(inputs))
    return sequential((4,), keras.Model(inputs, [first, model.output]))


def nothing():
    inputs = keras.Input((4,))
    return keras.Model(inputs, inputs)


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(3)

    def call(self, x):
        return self.dense(x)


REFUSED = [
    (
        lambda: sequential((4,), layers.UnitNormalization(name="odd")),
        "not known: 'odd' .UnitNormalization.. keras_effic",
    ),
    (
        lambda: sequential((4, 4, 4), layers.TimeDistributed(layers.Conv1D(2, 2), name="wrapper")),
        r"not known: 'wrapper' \(TimeDistributed\)",
    ),
    (
        lambda: sequential((4,), *(layers.UnitNormalization(name=f"odd_{number}") for number in range(12))),
        r"'odd_9' \(UnitNormalization\) and 2 more",
    ),
    (lambda: keras.Sequential([layers.Dense(3)]), "is not built"),
    (Subclassed, "Subclassed.*does not say how its layers are connected"),
    (
        lambda: sequential((8, 8, 3), layers.Conv2D(4, 3, data_format="channels_first")),
        "data_format must be 'channels_last'",
    ),
    (lambda: sequential((8, 8, 3), layers.BatchNormalization(axis=1)), "axis must be the last"),
    (nothing, "holds no layer"),
]


@pytest.mark.parametrize(("make", "message"), REFUSED)
def test_what_it_cannot_price_it_refuses(make, message):
    with pytest.raises(ValueError, match=message):
        estimate_storage(make())


def test_weights_that_are_used_twice_are_stored_once():
    report = estimate_storage(used_twice())
    assert [row.parameters for row in report.layers] == [20, 0] and report.parameters == 20
    assert [row.mult_adds for row in report.layers] == [16, 16]


@pytest.mark.parametrize(("make", "outputs"), [(two_outputs, 4 + 2), (nested_branch, 4 + 4)])
def test_outputs_are_copied_together(make, outputs):
    """Maps of floats, and 16 bits for each of their numbers."""
    report = estimate_storage(make())
    assert report.layers[-1].name == "outputs" and report.layers[-1].working_bytes == outputs * (4 + 2)


def test_a_layer_is_no_model():
    with pytest.raises(TypeError, match="a description .* or a built Keras model"):
        estimate_storage(layers.Dense(3))


def _behind(preparation, has_branches):
    """A network whose input has a grid, after what prepares the input."""
    inputs = keras.Input((6, 6, 1))
    x = ke.InputQ(bits=8)(inputs if preparation is None else preparation(inputs))
    if has_branches:
        x = ke.AddQ()([x, ke.ConvQ(1, 3, padding="same")(x)])
    model = keras.Model(inputs, ke.DenseQ(3)(layers.Flatten()(ke.ConvQ(2, 3)(x))))
    ke.set_mode(model, "freeze_scales")
    return model


@pytest.mark.parametrize("has_branches", [False, True])
@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize(
    "preparation", [lambda: layers.Rescaling(1 / 255), lambda: layers.Normalization(mean=0.5, variance=1.0)]
)
def test_what_prepares_the_input_stays_outside(preparation, streaming, has_branches, tmp_path):
    model, bare = _behind(preparation(), has_branches), _behind(None, has_branches)
    assert ke.estimate_storage(model, streaming=streaming) == ke.estimate_storage(bare, streaming=streaming)
    assert ke.export_c(model, tmp_path / "a").arena_bytes == ke.export_c(bare, tmp_path / "b").arena_bytes


def test_a_rescaling_within_a_branch_is_priced():
    inputs = keras.Input((6, 6, 1))
    x = ke.InputQ(bits=8)(layers.Rescaling(1 / 255)(inputs))
    y = layers.Rescaling(2.0, name="within")(x)
    model = keras.Model(inputs, ke.DenseQ(3)(layers.Flatten()(ke.AddQ()([x, y]))))
    assert "within" in [row.name for row in ke.estimate_storage(model).layers]


def test_a_branch_around_the_inputs_grid_is_refused():
    inputs = keras.Input((6, 6, 1))
    total = ke.AddQ(name="sum")([ke.InputQ(bits=8)(inputs), inputs])
    with pytest.raises(ValueError, match=r"the layer 'sum' \(AddQ\) of the model 'around' reads what stands before"):
        ke.estimate_storage(keras.Model(inputs, total, name="around"))


@pytest.mark.parametrize("shape", [8, "abc", (8.0, 8, 1), ("8", 8, 1), (-8, 8, 1), (8, 8), (None, 8, 1)])
def test_a_shape_that_does_not_complete_the_models_is_refused(shape):
    inputs = keras.Input((None, None, 1))
    model = keras.Model(inputs, ke.ConvQ(2, 3, padding="same")(inputs))
    with pytest.raises(ValueError, match=r"input_shape must complete the model's \(None, None, 1\)"):
        ke.estimate_storage(model, shape)
