"""Random quantized networks with random weights: all layer kinds, bits, shapes and scales.

Used by fuzz_firmware.py and by the tests.
"""

import keras
import numpy as np

import keras_efficient as ke

LARGEST_MAP = 14
BITS = (1, 2, 2, 3, 4, 4, 4, 5, 6, 7, 8)


class RandomNetwork:
    """Draws a network. The same seed gives the same network.

    Args:
        seed: An integer.
        extreme: Whether scales may be anything from 2^-60 to 2^60, and activations up to 16 bits:
            beyond what float32 computes exactly.
    """

    def __init__(self, seed, extreme=False):
        self.random = np.random.default_rng(seed)
        self.extreme = extreme
        self.layers = []

    def model(self):
        """A Keras model in freeze_scales mode."""
        inputs = keras.Input(self._input_shape())
        x = inputs
        count = int(self.random.integers(1, 7))
        for position in range(count):
            x = self._add(x, is_last=position == count - 1)
        if not any(hasattr(layer, "quantizers") for layer in keras.Model(inputs, x).layers):
            x = self._flatten(x) if len(x.shape) == 4 else self._dense(x)
        if self.random.random() < 0.3:
            x = keras.layers.Activation("softmax")(x)
        model = keras.Model(inputs, x)
        for layer in model.layers:
            if layer.weights:
                self._set_weights(layer)
        ke.set_mode(model, "freeze_scales")
        return model

    def images(self, count, shape):
        """Noise, dark and bright images, as bytes."""
        noise = self.random.integers(0, 256, (count, *shape))
        gain = self.random.choice([0, 1 / 16, 1 / 4, 1, 4], (count, *[1] * len(shape)))
        return np.clip(noise * gain, 0, 255).astype(np.uint8)

    def adversarial_images(self, shape):
        """What drives sums to their ends, as bytes: black, white, stripes and a checkerboard with their negatives, one
        bright number, slopes, and random numbers that are 0 or 255."""
        place = np.indices(shape)
        number = np.arange(np.prod(shape)).reshape(shape)
        binary = [number >= 0, place[0] % 2 == 0, place[-2 % len(shape)] % 2 == 0, place.sum(axis=0) % 2 == 0]
        binary += [number % 2 == 0, number == 0, number < number.size // 2, *(self.random.random((3, *shape)) < 0.5)]
        slope = (255 * number // max(number.size - 1, 1)).astype(np.uint8)
        return np.stack(
            [255 * each.astype(np.uint8) for part in binary for each in (part, ~part)] + [slope, 255 - slope]
        )

    def _input_shape(self):
        if self.random.random() < 0.1:
            return (int(self.random.integers(1, 40)),)
        rows, columns = (int(n) for n in self.random.integers(1, LARGEST_MAP + 1, 2))
        return rows, columns, int(self.random.choice([1, 1, 2, 3, 4]))

    def _add(self, x, is_last):
        """One random layer after x; a flatten before it at times."""
        if len(x.shape) == 4:
            kinds = ["conv"] * 5 + ["depthwise", "depthwise", "residual", "max", "average", "quantizer", "relu"]
            kinds += ["dense_on_map", "flatten", "dropout", "global_max"]
            if is_last:
                kinds += ["flatten"] * 12
        else:
            kinds = ["dense"] * 4 + ["quantizer", "relu"]
        return getattr(self, f"_{self.random.choice(kinds)}")(x)

    def _flatten(self, x):
        return self._dense(keras.layers.Flatten()(x))

    def _dense(self, x):
        return ke.DenseQ(self._size(14), **self._bits(), **self._output(), use_bias=self._mostly())(x)

    _dense_on_map = _dense

    def _conv(self, x):
        window = self._window(x, same=self.random.random() < 0.3)
        return ke.ConvQ(self._size(9), **window, **self._bits(), **self._output(), use_bias=self._mostly())(x)

    def _depthwise(self, x):
        window = self._window(x, same=self.random.random() < 0.3)
        multiplier = int(self.random.choice([1, 1, 2, 3]))
        return ke.DepthwiseConvQ(depth_multiplier=multiplier, **window, **self._bits(), **self._output())(x)

    def _residual(self, x):
        return ke.ResidualQ(**self._bits())(x)

    def _max(self, x):
        return keras.layers.MaxPooling2D(**self._pooling(x))(x)

    def _average(self, x):
        return ke.AveragePoolingQ(bits=self._width(), **self._pooling(x))(x)

    def _global_max(self, x):
        return keras.layers.GlobalMaxPooling2D()(x)

    def _quantizer(self, x):
        return ke.ActivationQ(bits=self._width(), signed=bool(self.random.integers(2)))(x)

    def _relu(self, x):
        return keras.layers.Activation("relu")(x) if self._mostly() else keras.layers.ReLU()(x)

    def _dropout(self, x):
        return keras.layers.Dropout(0.5)(x)

    def _window(self, x, same):
        rows, columns = x.shape[1:3]
        limits = (5, 5) if same else (min(5, rows), min(5, columns))
        kernel = tuple(int(self.random.integers(1, limit + 1)) for limit in limits)
        strides = (1, 1) if self.random.random() < 0.7 else tuple(int(n) for n in self.random.integers(1, 4, 2))
        return {"kernel_size": kernel, "strides": strides, "padding": "same" if same else "valid"}

    def _pooling(self, x):
        window = self._window(x, same=self.random.random() < 0.3)
        strides = None if self.random.random() < 0.5 else window["strides"]
        return {"pool_size": window["kernel_size"], "strides": strides, "padding": window["padding"]}

    def _bits(self):
        return {
            "kernel_bits": int(self.random.choice(BITS)),
            "bias_bits": int(self.random.choice([1, 2, 4, 8, 8, 8, 8, 12, 16])),
            "activation_bits": self._width(),
        }

    def _width(self):
        if self.extreme and self.random.random() < 0.3:
            return int(self.random.integers(9, 17))
        return int(self.random.choice(BITS))

    def _output(self):
        activation = self.random.choice(["relu", "linear"])
        return {"activation": str(activation), "signed_output": [True, False, "auto"][self.random.integers(3)]}

    def _size(self, limit):
        return int(self.random.integers(1, limit + 1))

    def _mostly(self):
        return bool(self.random.random() < 0.85)

    def _set_weights(self, layer):
        """Weights around the size that keeps activations in their range, and scales near it."""
        scales = [i for i, weight in enumerate(layer.weights) if weight.shape == () and "scale" in weight.name]
        values = []
        for i, weight in enumerate(layer.weights):
            if i in scales:
                spread = 60 if self.extreme and self.random.random() < 0.3 else 2
                values.append(np.float32(self.random.uniform(-spread, spread)))
            else:
                values.append(self.random.normal(0, 1, weight.shape).astype("float32"))
        layer.set_weights(values)
