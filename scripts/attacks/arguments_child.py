"""The process in which attack.py makes its calls: they come as JSON, and a line tells what became of each."""

import contextlib
import json
import os
import re
import sys
import traceback
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
warnings.simplefilter("ignore")

import keras  # noqa: E402
import numpy as np  # noqa: E402

import keras_efficient as ke  # noqa: E402

PACKAGE = Path(ke.__file__).parent
# An error that is raised in their code was not looked for in ours.
INNER = ("numpy", "tensorflow", "jax", "h5py", "yaml", "json", "keras/src/backend")


def main():
    names = {"ke": ke, "np": np, "keras": keras, **objects()}
    for text, argument, value, is_right in json.loads(sys.stdin.read()):
        print(json.dumps({"seen": seen_of(text, argument, value, is_right, names)}), flush=True)


def objects():
    """What the calls speak of."""
    random = np.random.default_rng(0)
    small = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            keras.layers.Conv2D(3, 3, activation="relu", name="conv"),
            keras.layers.Flatten(),
            keras.layers.Dense(2, name="dense"),
        ]
    )
    x, y = random.normal(size=(24, 6, 6, 1)).astype("float32"), random.integers(0, 2, 24)
    quantized = ke.quantize_model(small, x=x, mode="freeze_scales")
    data = (x[:16], y[:16], x[16:], y[16:])
    config = [("A", 2, 4), ("S", 2, 4, 8, 8)]
    return {"small": small, "quantized": quantized, "x": x, "y": y, "data": data, "config": config, "nan": np.nan}


def seen_of(text, argument, value, is_right, names):
    """ "held", or what happened to one call."""
    before = files()
    try:
        with contextlib.redirect_stdout(sys.stderr):
            eval(text, dict(names))
    except BaseException as error:
        seen = f"refused: {error}"[:200] if is_right else seen_of_error(error, argument, value)
    else:
        seen = "held" if is_right else "accepted"
    if is_right:
        for path in Path().iterdir():
            remove(path)
        return seen
    return seen if files() == before else f"it wrote {sorted(files() - before)[:3]}; {seen}"


def remove(path):
    """What a right call wrote."""
    if path.is_dir():
        for each in path.iterdir():
            remove(each)
        path.rmdir()
    else:
        path.unlink()


def files():
    return {str(path) for path in Path().rglob("*")}


def seen_of_error(error, argument, value):
    kind, message = type(error).__name__, str(error)
    place = traceback.extract_tb(error.__traceback__)[-1].filename
    if not isinstance(error, (ValueError, TypeError)):
        return f"{kind} of {place[-40:]}: {message[:150]}"
    if not place.startswith(str(PACKAGE)) and any(f"/{name}/" in place for name in INNER):
        return f"{kind} of {place[-40:]}: {message[:150]}"
    if re.search(rf"\b{argument}\b|Received: ", message) or value in message:
        return "held"
    return f"{kind} names neither argument nor value: {message[:150]}"


if __name__ == "__main__":
    main()
