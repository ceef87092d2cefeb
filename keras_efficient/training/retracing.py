"""TensorFlow's warning of functions that are traced anew, which is what training many networks is."""

import logging
from contextlib import contextmanager


@contextmanager
def without_retracing_warnings():
    """A block in which TensorFlow logs errors only."""
    logger = logging.getLogger("tensorflow")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
