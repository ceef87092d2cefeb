"""Random quantized networks of structured layers: Kronecker sums, low ranks, Monarch, ACDC, random bases, and others.

Used by fuzz_firmware.py.
"""

import keras_efficient as ke
from random_networks import RandomNetwork


class StructuredNetwork(RandomNetwork):
    """Draws a network, as `RandomNetwork`: dense layers and convolutions are structured, sometimes in two branches."""

    def _dense(self, x):
        factors = [self._low_rank, self._monarch, self._phm, self._lphm, self._dual]
        kind = self.random.choice([*factors, self._acdc, self._acdc_stack, self._random_basis])
        return self._branched(kind(x.shape[-1]), x)

    _dense_on_map = _dense

    def _conv(self, x):
        kind = self.random.choice([self._phm_conv, self._acdc_conv, self._random_basis_conv])
        return self._branched(kind(x), x)

    def _branched(self, layer, x):
        """The layer, or the sum of it and of another of its kind."""
        y = layer(x)
        if self.random.random() < 0.85:
            return y
        twin = type(layer).from_config({**layer.get_config(), "name": f"{layer.name}_twin"})
        return ke.AddQ(activation_bits=self._width())([y, twin(x)])

    def _low_rank(self, inputs):
        return ke.LowRankDense(self._size(14), self._size(4), **self._settings())

    def _monarch(self, inputs):
        blocks = self._divisor(inputs)
        return ke.MonarchDense(blocks * self._size(4), blocks, **self._settings())

    def _random_basis(self, inputs):
        units = self._size(14)
        return ke.RandomBasisDense(units, **self._basis(inputs * units))

    def _random_basis_conv(self, x):
        window, filters = self._window(x, same=self.random.random() < 0.5), self._size(9)
        rows, columns = window["kernel_size"]
        return ke.RandomBasisConv2D(filters, **window, **self._basis(rows * columns * x.shape[-1] * filters))

    def _basis(self, entries):
        bits = {**self._bits(), **self._output(), "coordinate_bits": int(self.random.integers(3, 17))}
        bits["kernel_bits"] = max(3, bits["kernel_bits"])
        numbers = {"dimensions": int(self.random.integers(1, entries + 1)), "seed": int(self.random.integers(2**32))}
        return {**bits, **numbers, "use_bias": self._mostly()}

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
