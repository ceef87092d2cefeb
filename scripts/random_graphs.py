"""`RandomGraph`: a plain Keras model of random layers, functions and branches, with one to three inputs and outputs."""

import random

import keras
import numpy as np
from keras import layers, ops

FUNCTIONS = ("relu", "relu6", "tanh", "sigmoid", "silu", "hard_silu", "gelu", "softplus", "elu", "leaky_relu", "linear")
SHAPES = {1: (9,), 2: (10, 3), 3: (7, 6, 3)}
PADDINGS = ("valid", "same")
MOST_CELLS = 1500


class RandomGraph:
    """A model of `size` operations.

    values: What has been computed. unread: What nobody has read so far.
    """

    def __init__(self, seed):
        self.seed, self.random = seed, random.Random(seed)
        self.values, self.unread = [], []

    def model(self):
        """The model, with random weights and statistics that are not those of a start."""
        keras.utils.set_random_seed(self.seed)
        inputs = [
            keras.Input(SHAPES[self.random.choice((1, 2, 3, 3))]) for _ in range(self.random.choice((1, 1, 1, 2)))
        ]
        for value in inputs:
            self.add(value)
        for value in inputs:
            self.use(value)
        for _ in range(self.random.randint(3, 10)):
            self.use(self.random.choice(self.values))
        model = keras.Model(inputs, self.outputs())
        generator = np.random.default_rng(self.seed)
        for variable in model.variables:
            if variable.path.endswith(("gamma", "moving_variance")):
                variable.assign(generator.uniform(0.5, 2, variable.shape))
            elif variable.path.endswith(("beta", "moving_mean", "bias", "alpha")):
                variable.assign(generator.uniform(-0.3, 0.5, variable.shape))
        return model

    def settings(self, inputs):
        """Arguments of `quantize_model`. Several inputs of 16 bits might be of different signs."""
        wide = self.random.random() < 0.7
        return {
            "kernel_bits": 8 if wide else self.random.choice((2, 3, 4, 5, 8)),
            "activation_bits": 8 if wide else self.random.choice((3, 4, 5, 8)),
            "input_bits": self.random.choice((8, 8, 8, 16)) if inputs == 1 else 8,
            "per_channel": self.random.random() < 0.7,
        }

    def samples(self, model, count):
        """Inputs as the model takes them; of one input an array."""
        generator = np.random.default_rng(self.seed)
        x = [generator.normal(size=(count, *each.shape[1:])).astype("float32") for each in model.inputs]
        x = [np.abs(each) if self.random.random() < 0.3 else each for each in x]
        return x if len(x) > 1 else x[0]

    def add(self, value):
        self.values.append(value)
        self.unread.append(value)

    def use(self, value):
        """One more operation, which reads `value`; none where it gives nothing, or too much."""
        makers = {1: of_vectors, 2: of_signals, 3: of_images}[len(value.shape) - 1](self.random, value)
        makers += [lambda: self.combined(value), lambda: self.beside(value), lambda: self.of_each_number(value)]
        try:
            made = self.random.choice(makers)()
        except ValueError:  # a window that does not fit
            return
        if made is None or min(made.shape[1:]) < 1 or np.prod(made.shape[1:]) > MOST_CELLS:
            return
        self.unread = [each for each in self.unread if each is not value]
        self.add(made)

    def of_each_number(self, x):
        options = [
            lambda: layers.Activation(self.random.choice(FUNCTIONS))(x),
            lambda: layers.LeakyReLU(0.2)(x),
            lambda: layers.PReLU(keras.initializers.RandomUniform(0, 0.4, seed=self.seed))(x),
            lambda: layers.ReLU(*self.random.choice([(), (6.0,), (3.0, 0.1, 0.2)]))(x),
            lambda: layers.BatchNormalization()(x),
            lambda: layers.Rescaling(0.5, 0.25)(x),
            lambda: 1.0 - x * 0.3,
            lambda: ops.abs(x),
            lambda: ops.square(x),
            lambda: layers.Dropout(0.3)(x),
        ]
        return self.random.choice(options)()

    def combined(self, x):
        """A sum or the like with another value of the same shape, or with an axis of length 1."""
        others = [each for each in self.values if fits(each.shape[1:], x.shape[1:])]
        y = self.random.choice(others)
        kinds = (layers.Add, layers.Subtract, layers.Multiply, layers.Maximum, layers.Minimum, layers.Average)
        self.unread = [each for each in self.unread if each is not y]
        return self.random.choice(kinds)()([x, y] if self.random.random() < 0.5 else [y, x])

    def beside(self, x):
        """Side by side with another value, along any axis."""
        axis = self.random.randrange(1, len(x.shape))
        others = [each for each in self.values if beside(each.shape, x.shape, axis)]
        y = self.random.choice(others)
        self.unread = [each for each in self.unread if each is not y]
        return layers.Concatenate(axis=self.random.choice((axis, axis - len(x.shape))))([x, y])

    def outputs(self):
        """Maps that nobody has read, and a dense layer after all others."""
        ends = self.unread[: self.random.choice((0, 0, 1, 2))]
        rest = [each for each in self.unread if all(each is not end for end in ends)] or self.values[-1:]
        flat = [each if len(each.shape) == 2 else layers.Flatten()(each) for each in rest]
        head = layers.Dense(self.random.choice((1, 3)))(layers.Concatenate()(flat) if len(flat) > 1 else flat[0])
        return [head, *ends] if self.random.random() < 0.5 else [*ends, head]


def fits(shape, other):
    """Whether axes of one of them can be repeated to give the other."""
    if len(shape) != len(other):
        return False
    pairs = list(zip(shape, other, strict=True))
    return all(a == b or 1 in (a, b) for a, b in pairs)


def beside(shape, other, axis):
    return len(shape) == len(other) and all(
        a == b for k, (a, b) in enumerate(zip(shape, other, strict=True)) if k != axis
    )


def of_vectors(r, x):
    features = x.shape[-1]
    return [
        lambda: layers.Dense(r.randint(2, 9), activation=r.choice((None, "relu", "tanh")))(x),
        lambda: layers.Dense(r.randint(2, 9), use_bias=False)(x),
        lambda: layers.RepeatVector(r.randint(2, 4))(x),
        lambda: layers.Reshape((features, 1))(x),
        lambda: layers.Reshape((1, 1, features))(x),
        lambda: x[:, : max(features // 2, 1)],
        lambda: ops.flip(x, axis=1),
    ]


def of_signals(r, x):
    steps, channels = x.shape[1:]
    groups = r.choice([n for n in (1, 1, 2, 3) if channels % n == 0])
    return [
        lambda: layers.Conv1D(
            groups * r.randint(1, 3), r.randint(1, 4), padding=r.choice(("valid", "same", "causal")), groups=groups,
            dilation_rate=r.choice((1, 1, 2)), activation=r.choice((None, "relu", "silu")),
        )(x),
        lambda: layers.Conv1D(r.randint(1, 4), 3, strides=2, padding="same")(x),
        lambda: layers.Conv1DTranspose(r.randint(1, 4), r.randint(1, 4), r.choice((1, 2)), r.choice(PADDINGS))(x),
        lambda: layers.DepthwiseConv1D(r.randint(1, 3), depth_multiplier=r.choice((1, 2)))(x),
        lambda: layers.SeparableConv1D(r.randint(1, 4), 3, padding="same")(x),
        lambda: layers.MaxPooling1D(2)(x),
        lambda: layers.AveragePooling1D(r.choice((2, 3)), padding=r.choice(("valid", "same")))(x),
        lambda: layers.GlobalAveragePooling1D(keepdims=r.random() < 0.5)(x),
        lambda: layers.GlobalMaxPooling1D()(x),
        lambda: layers.TimeDistributed(layers.Dense(r.randint(2, 4)))(x),
        lambda: layers.Dense(r.randint(2, 5), activation="relu")(x),
        lambda: layers.UpSampling1D(2)(x),
        lambda: layers.ZeroPadding1D((r.randint(0, 2), 1))(x),
        lambda: layers.Cropping1D((1, 0))(x),
        lambda: layers.Permute((2, 1))(x),
        lambda: layers.Flatten()(x),
        lambda: layers.Reshape((steps, channels, 1))(x),
        lambda: x[:, ::2],
    ]  # fmt: skip


def of_images(r, x):
    rows, columns, channels = x.shape[1:]
    groups = r.choice([n for n in (1, 1, 2, 3) if channels % n == 0])
    size = (r.randint(1, 3), r.randint(1, 3))
    return [
        lambda: layers.Conv2D(
            groups * r.randint(1, 2), size, padding=r.choice(("valid", "same")), groups=groups,
            dilation_rate=r.choice((1, 1, 2)), activation=r.choice((None, "relu", "gelu")),
        )(x),
        lambda: layers.Conv2D(r.randint(1, 4), size, strides=r.choice((2, 3)), padding="same", use_bias=False)(x),
        lambda: layers.Conv2DTranspose(r.randint(1, 3), size, strides=r.choice((1, 2)), padding=r.choice(PADDINGS))(x),
        lambda: layers.DepthwiseConv2D(size, depth_multiplier=r.choice((1, 2)), activation="relu")(x),
        lambda: layers.SeparableConv2D(r.randint(1, 4), 3, padding="same")(x),
        lambda: layers.MaxPooling2D(2, padding=r.choice(("valid", "same")))(x),
        lambda: layers.AveragePooling2D(r.choice((2, 3)), r.choice((None, 1, 2)), r.choice(("valid", "same")))(x),
        lambda: layers.GlobalAveragePooling2D(keepdims=True)(x),
        lambda: layers.GlobalAveragePooling2D()(x),
        lambda: layers.GlobalMaxPooling2D(keepdims=r.random() < 0.5)(x),
        lambda: layers.Dense(r.randint(2, 4))(x),
        lambda: layers.UpSampling2D((1, 2))(x),
        lambda: layers.ZeroPadding2D(((1, 0), (r.randint(0, 2), 1)))(x),
        lambda: layers.Cropping2D(((1, 0), (0, 1)))(x),
        lambda: layers.Permute(r.choice(((2, 1, 3), (3, 1, 2))))(x),
        lambda: layers.Flatten()(x),
        lambda: layers.Reshape((rows * columns, channels))(x),
        lambda: x[:, 1:, ::2],
        lambda: x[..., : max(channels // 2, 1)],
    ]  # fmt: skip
