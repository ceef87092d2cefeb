"""Made-up spoken commands: two sounds one after the other, each of which rises, falls or keeps its pitch.

A record is 1,024 numbers of 16 bits with a sign. Nine classes are the ordered pairs of the three sounds, the tenth is
background alone. With n the time in samples and w a Hann window of the length of a sound:

    sound(n) = w(n) sin(2 pi (f n + s n^2 / (2 length)) + phase)     f at its start, s the change over its length
    record   = amplitude (first sound, a gap, second sound, at a random place) + hum + noise

All of it is drawn anew for each record: lengths from 200 to 320 samples, pitch from 0.05 to 0.1 of the sampling rate,
rises and falls by 4 to 10 % of it, which the noise hides in part, steady sounds by less than 0.5 %.
"""

import numpy as np

SAMPLES, CLASSES = 1024, 10
SOUNDS = (0.0, 1.0, -1.0)  # steady, rising, falling
FULL_SCALE = 2**15
NOISE = (0.2, 1.2)  # standard deviation, in amplitudes of the sounds


def make_signals(count, seed):
    """(x, y): x (count, 1024, 1) float32, integers of 16 bits / 2^15; y the classes."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, CLASSES, count)
    records = np.stack([record(label, random) for label in labels])
    integers = np.clip(np.rint(records * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1)
    return (integers / FULL_SCALE).astype("float32")[..., np.newaxis], labels


def record(label, random):
    """One record as reals; those outside of [-1, 1) are cut off later."""
    amplitude = random.uniform(0.1, 0.4)
    x = amplitude * random.uniform(*NOISE) * random.normal(size=SAMPLES)
    x += 0.3 * amplitude * random.random() * tone(SAMPLES, random.uniform(0.002, 0.01), 0.0, random)
    if label == CLASSES - 1:
        return x
    sounds = [sound(SOUNDS[kind], random) for kind in divmod(label, len(SOUNDS))]
    first, second = map(len, sounds)
    gap = random.integers(0, 120)
    start = random.integers(0, SAMPLES - first - gap - second + 1)
    x[start : start + first] += amplitude * sounds[0]
    x[start + first + gap :][:second] += amplitude * sounds[1]
    return x


def sound(direction, random):
    """A sound that keeps its pitch (0), rises (1) or falls (-1)."""
    length = random.integers(200, 321)
    change = direction * random.uniform(0.04, 0.1) if direction else random.uniform(-0.005, 0.005)
    return np.hanning(length) * tone(length, random.uniform(0.05, 0.1) + max(-change, 0), change, random)


def tone(length, frequency, change, random):
    """A sine whose frequency, in turns a sample, changes evenly by `change`."""
    n = np.arange(length)
    turns = frequency * n + change * n**2 / (2 * length)
    return np.sin(2 * np.pi * (turns + random.random()))
