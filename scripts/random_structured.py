"""Random quantized networks of layers made of small factors: Kronecker sums, low ranks and ACDC, beside the others.

Used by fuzz_firmware.py.
"""

from random_networks import RandomNetwork

import keras_efficient as ke


class StructuredNetwork(RandomNetwork):
    """Draws a network, as `RandomNetwork`: dense layers and convolutions are structured, sometimes in two branches."""

    def _dense(self, x):
        kind = self.random.choice([self._low_rank, self._phm, self._lphm, self._dual, self._acdc, self._acdc_stack])
        return self._branched(kind(x.shape[-1]), x)

    _dense_on_map = _dense

    def _conv(self, x):
        return self._branched(self._phm_conv(x) if self.random.random() < 0.5 else self._acdc_conv(x), x)

    def _branched(self, layer, x):
        """The layer, or the sum of it and of another of its kind."""
        y = layer(x)
        if self.random.random() < 0.85:
            return y
        twin = type(layer).from_config({**layer.get_config(), "name": f"{layer.name}_twin"})
        return ke.AddQ(activation_bits=self._width())([y, twin(x)])

    def _low_rank(self, inputs):
        return ke.LowRankDense(self._size(14), self._size(4), **self._settings())

    def _phm(self, inputs):
        return ke.PHMDense(terms=self._size(3), **self._sizes(inputs), **self._settings())

    def _lphm(self, inputs):
        return ke.LPHMDense(rank=self._size(3), **self._sizes(inputs), **self._settings())

    def _dual(self, inputs):
        return ke.DualLPHMDense(rank=self._size(3), **self._sizes(inputs), **self._settings())

    def _phm_conv(self, x):
        window = self._window(x, same=self.random.random() < 0.5)
        sizes = self._sizes(x.shape[-1])
        return ke.PHMConv2D(sizes.pop("units"), terms=self._size(2), **window, **sizes, **self._settings())

    def _acdc(self, inputs):
        return ke.ACDC(**self._cosine(inputs, 1))

    def _acdc_stack(self, inputs):
        units = self._size(14)
        return ke.ACDCDense(units, **self._deep(max(inputs, units)))

    def _acdc_conv(self, x):
        window = self._window(x, same=self.random.random() < 0.5)
        filters = self._size(9)
        return ke.ACDCConv2D(filters, **window, **self._deep(max(x.shape[-1], filters)))

    def _deep(self, size):
        groups = self._size(2)
        return {
            **self._cosine(-(-size // groups) * groups, groups),
            "depth": self._size(3),
            "activation": str(self.random.choice(["relu", "linear"])),
            "expand": str(self.random.choice(["tile", "pad"])),
        }

    def _cosine(self, size, groups):
        """What has integers: see `kinds.acdc_stages`."""
        by_matrix = size // groups <= 64 and self.random.random() < 0.5
        permutations = [None]
        permutations += ["riffle"] if size % 2 == 0 or (by_matrix and groups == 1) else []
        permutations += ["random"] if by_matrix and groups == 1 else []
        return {
            "transform": "dct" if by_matrix else "dct2d",
            "permutation": permutations[self.random.integers(len(permutations))],
            "bias": ["output", "spectrum", None][self.random.integers(3)],
            "order": "inner_riffle" if by_matrix and self.random.random() < 0.5 else "paper",
            "groups": groups,
            "seed": int(self.random.integers(100)),
            **self._bits(),
            "inner_bits": self._inner(),
        }

    def _sizes(self, inputs):
        units = self._size(24)
        return {"units": units, "p": self._divisor(units), "q": self._divisor(inputs)}

    def _divisor(self, size):
        return int(self.random.choice([n for n in range(1, size + 1) if size % n == 0]))

    def _settings(self):
        return {**self._bits(), **self._output(), "use_bias": self._mostly(), "inner_bits": self._inner()}

    def _inner(self):
        return None if self.random.random() < 0.6 else int(self.random.integers(3, 17))

    def _width(self):
        """Grids of one or two signed bits have no zero to fill with."""
        return max(3, super()._width())
