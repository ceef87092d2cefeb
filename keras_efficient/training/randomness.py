"""Random numbers that depend on a seed only, never on what ran before."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import keras
import numpy as np


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed everything that initialisers and dropout draw from; give Python's and numpy's
    generators back as they were."""
    states = random.getstate(), np.random.get_state()
    try:
        keras.utils.set_random_seed(seed)
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])


def reseed(model: keras.Model, *seed: int) -> None:
    """Set every random generator that the layers of `model` draw from, so that an epoch's dropout depends on
    `seed` alone."""
    states = [variable for variable in model.variables if variable.name == "seed_generator_state"]
    for number, state in enumerate(states):
        words = np.random.SeedSequence([*seed, number]).generate_state(2)
        state.assign(words.astype(keras.backend.standardize_dtype(state.dtype)))
    if keras.backend.backend() == "torch":
        import torch

        # There, dropout without a seed of its own draws from the global generator.
        torch.manual_seed(int(np.random.SeedSequence(seed).generate_state(1)[0]))


def epoch_order(seed: int, epoch: int, samples: int, drawn: int | None = None) -> np.ndarray:
    """The samples of an epoch, in order: `drawn` of them (None: all), a new shuffle whenever all have been drawn."""
    drawn = samples if drawn is None else drawn
    parts, start, stop = [], epoch * drawn, (epoch + 1) * drawn
    while start < stop:
        shuffle, place = divmod(start, samples)
        part = np.random.default_rng([seed, shuffle]).permutation(samples)[place : place + stop - start]
        parts.append(part)
        start += len(part)
    return np.concatenate(parts)
