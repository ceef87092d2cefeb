"""TensorFlow's warning of functions that are traced anew, which is what training many networks is."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_retracing_warnings() -> Iterator[None]:
    """A block in which TensorFlow logs errors only."""
    logger = logging.getLogger("tensorflow")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
