"""A quiet start for the command line."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def quiet_command() -> Iterator[None]:
    """Hold back what TensorFlow writes to standard error while the command `keras-efficient`
    imports it: its log level takes effect too late for these lines. They come out after all
    if the import fails. In any other program nothing is held back.
    """
    # While `python -m keras_efficient` imports the package, its arguments begin with "-m".
    by_module = sys.argv[0] == "-m" and {"keras_efficient", "-mkeras_efficient"} & set(sys.orig_argv)
    if not by_module and Path(sys.argv[0]).name != "keras-efficient":
        yield
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    said = b""
    try:
        with held_back_errors() as written:
            try:
                yield
            finally:
                said = written()
    except BaseException:
        os.write(2, said)
        raise


@contextmanager
def held_back_errors() -> Iterator[Callable[[], bytes]]:
    """Hold back what is written to standard error, also past Python, and give a function that tells it."""
    with tempfile.TemporaryFile() as file:

        def written() -> bytes:
            sys.stderr.flush()
            return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0)

        sys.stderr.flush()
        standard_error = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            yield written
        finally:
            sys.stderr.flush()
            os.dup2(standard_error, 2)
            os.close(standard_error)
