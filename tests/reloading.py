"""A second process that loads Keras files and predicts: it knows no layer but by importing the package.

It serves all tests of a session, one after the other, since an interpreter with Keras takes seconds to start.
"""

import json
import os
import subprocess
import sys

import keras

_PROGRAM = """
import json, sys, traceback
import numpy as np
import keras_efficient
import keras
print("ready", flush=True)
for line in sys.stdin:
    model, x, y = json.loads(line)
    try:
        np.save(y, keras.ops.convert_to_numpy(keras.saving.load_model(model)(np.load(x))))
        error = None
    except Exception:
        error = traceback.format_exc()
    print(json.dumps(error), flush=True)
"""


class Reloader:
    """Starts the process at the first use; `close` ends it."""

    def __init__(self):
        self._process = None

    def predict(self, model, x, y):
        """Load `model` (.keras), write its answers to the samples in `x` (.npy) to `y` (.npy)."""
        self._start()
        self._process.stdin.write(json.dumps([str(model), str(x), str(y)]) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        error = json.loads(answer) if answer else "the process died"
        assert error is None, error

    def _start(self):
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM],
                env={**os.environ, "KERAS_BACKEND": keras.backend.backend()},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            assert self._process.stdout.readline() == "ready\n"

    def close(self):
        """End the process."""
        if self._process is not None:
            self._process.stdin.close()
            self._process.wait()
            self._process.stdout.close()
            self._process = None
