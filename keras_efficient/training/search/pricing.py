"""The exact price of very many networks: each item on each kind of input is priced once.

A network's price is a fold over its items: weights add up, the largest working memory decides. What an item adds
depends on the map in front of it alone, so the 182,957 networks of the study's space share some 3,100 prices.
The prices themselves are those of `estimate_storage`, order "best".
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from keras_efficient.descriptions import LayerSpec, check_input_shape
from keras_efficient.descriptions.expand import item_specs, next_shape
from keras_efficient.kinds.measures import FeatureMap
from keras_efficient.storage.chains import ShapedLayer
from keras_efficient.storage.estimate import price_layers, target_map
from keras_efficient.storage.liveness import CACHE_SIZE
from keras_efficient.training.search.candidates import Item, Network

ORDER = "best"
INPUT_BITS = 8
# Stands after an item that is not the last one of its network, and costs nothing.
_MORE = LayerSpec("Dropout", {"rate": 0.0})


class NetworkPrice(NamedTuple):
    """What `StorageReport` calls by the same names."""

    weight_bytes: float
    activation_bytes: float
    parameters: int
    mult_adds: int

    @property
    def total_bytes(self) -> float:
        """Weights and activations."""
        return self.weight_bytes + self.activation_bytes

    def and_then(self, item: "NetworkPrice") -> "NetworkPrice":
        """The price of a chain that goes on with another item."""
        return NetworkPrice(
            self.weight_bytes + item.weight_bytes,
            max(self.activation_bytes, item.activation_bytes),
            self.parameters + item.parameters,
            self.mult_adds + item.mult_adds,
        )


class PricedSpace(NamedTuple):
    """The candidates that fit a limit, with their prices, and how many there were of the others."""

    networks: list[Network]
    prices: list[NetworkPrice]
    invalid: int  # nothing is left of a map
    too_large: int
    smallest_bytes: float | None  # of all valid candidates


def price_space(networks: Iterable[Network], input_shape: Sequence[int], max_bytes: float) -> PricedSpace:
    """Price networks and keep those whose weights and activations together fit `max_bytes`."""
    fitting, prices = [], []
    invalid = too_large = 0
    smallest = None
    for network in networks:
        price = price_network(network, input_shape)
        if price is None:
            invalid += 1
            continue
        total = price.total_bytes
        smallest = total if smallest is None else min(smallest, total)
        if total > max_bytes:
            too_large += 1
            continue
        fitting.append(network)
        prices.append(price)
    return PricedSpace(fitting, prices, invalid, too_large, smallest)


def price_network(network: Network, input_shape: Sequence[int]) -> NetworkPrice | None:
    """The price of a network whose items are tuples and whose last item works (as "S" does); None where its
    shapes do not fit. Equal to `estimate_storage(network, input_shape)`."""
    source, streaming = _source(tuple(input_shape)), True
    total, last = NetworkPrice(0.0, 0.0, 0, 0), len(network) - 1
    for position, item in enumerate(network):
        priced = _price_item(item, source, streaming, position == last)
        if priced is None:
            return None
        price, source, streaming = priced
        total = total.and_then(price)
    return total


@lru_cache(maxsize=CACHE_SIZE)
def _source(input_shape: tuple) -> FeatureMap:
    return FeatureMap(check_input_shape(input_shape), INPUT_BITS)


@lru_cache(maxsize=CACHE_SIZE)
def _price_item(
    item: Item, source: FeatureMap, streaming: bool, is_last: bool
) -> tuple[NetworkPrice, FeatureMap, bool] | None:
    """(price, map after it, whether that map still arrives pixel by pixel); None where nothing is left."""
    layers = _layers(item, source.shape)
    if layers is None:
        return None
    more = [] if is_last else [ShapedLayer("", _MORE, layers[-1].shape)]
    rows = price_layers([*layers, *more], source, streaming, ORDER)[: len(layers)]
    price = NetworkPrice(
        sum(row.weight_bytes for row in rows),
        max(row.working_bytes for row in rows),
        sum(row.parameters for row in rows),
        sum(row.mult_adds for row in rows),
    )
    for _, spec, shape in layers:
        streaming = streaming and spec.price.streams(spec.config) == "pixels"
        source = target_map(spec, source, shape, logits_bits=None)
    return price, source, streaming


def _layers(item: Item, shape: tuple) -> list[ShapedLayer] | None:
    layers: list[ShapedLayer] = []
    try:
        for spec in item_specs(item, shape):
            after = next_shape(spec, layers[-1].shape if layers else shape)
            if after is None:
                return None
            layers.append(ShapedLayer("", spec, after))
    except ValueError:
        return None
    return layers
