"""Architecture search under a memory limit: enumerate, price, draw, train briefly, rank."""

from keras_efficient.training.search.candidates import candidates, draw, log_uniform_weights
from keras_efficient.training.search.driver import search_networks
from keras_efficient.training.search.outcome import best_within, pareto_front
from keras_efficient.training.search.pricing import NetworkPrice, PricedSpace, price_network, price_space
from keras_efficient.training.search.results import CandidateResult, SearchResult
from keras_efficient.training.search.space import SearchSpace, read_space

__all__ = [
    "CandidateResult",
    "NetworkPrice",
    "PricedSpace",
    "SearchResult",
    "SearchSpace",
    "best_within",
    "candidates",
    "draw",
    "log_uniform_weights",
    "pareto_front",
    "price_network",
    "price_space",
    "read_space",
    "search_networks",
]
