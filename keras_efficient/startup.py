"""A quiet start for the command line."""

import os
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def quiet_command():
    """Hold back what TensorFlow writes to standard error while the command `keras-efficient`
    imports it: its log level takes effect too late for these lines. They come out after all
    if the import fails. In any other program nothing is held back.
    """
    if Path(sys.argv[0]).name != "keras-efficient":
        yield
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with tempfile.TemporaryFile() as held_back:
        standard_error = os.dup(2)
        os.dup2(held_back.fileno(), 2)
        try:
            yield
        except BaseException:
            held_back.seek(0)
            os.write(standard_error, held_back.read())
            raise
        finally:
            os.dup2(standard_error, 2)
            os.close(standard_error)
