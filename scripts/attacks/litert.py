"""Ends of LiteRT's converter: the process that asked goes on, with an error that names the model."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

from attacks.shared import Attack, check, program

_SECONDS = 120
_CONVERT = """
import sys
import keras, numpy as np, keras_efficient as ke
from keras_efficient.export import litert_process
{before}
x = np.random.default_rng(0).normal(size=(8, 5, 3)).astype("float32")
model = keras.Sequential([keras.Input((5, 3)), {layer}], name="my_model")
{after}
try:
    print("converted", ke.export.convert_litert(model, x)[4:8])
except ValueError as error:
    print("refused", error)
"""
_DENSE = "keras.layers.Dense(4)"
_HUGE = 'model.set_weights([np.full((3, 4), 3e38, "float32"), np.full(4, 3e38, "float32")]); x *= 1e30'


def _refused(layer=_DENSE, child=None, after="", before=""):
    def run(folder):
        done = _run(folder, layer, child, after, before)
        check("refused LiteRT's converter cannot write the model 'my_model': it" in done.stdout, done.stdout)

    return run


def _goes_on(layer=_DENSE, after=""):
    """Converted or refused: the process goes on."""

    def run(folder):
        done = _run(folder, layer, None, after, "")
        check(done.stdout.startswith(("refused", "converted")), done.stdout)

    return run


def _run(folder, layer, child, after, before):
    done = program(_text(folder, layer, child, after, before), folder, _SECONDS)
    check(done.returncode == 0 and "Traceback" not in done.stderr, f"exit code {done.returncode}: {done.stderr}")
    return done


def _text(folder, layer=_DENSE, child=None, after="", before=""):
    if child is not None:
        (folder / "child.py").write_text(f"import os, signal, sys, time\n{child}\n")
        before += f"\nlitert_process._SCRIPT = {str(folder / 'child.py')!r}"
    return _CONVERT.format(layer=layer, before=before, after=after)


_HANGS = "open('pid', 'w').write(str(os.getpid())); sys.stdin.readline(); {}"


def _ended(number, hang):
    """The asking process is ended by a signal; the converter must not stay."""

    def run(folder):
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        process = subprocess.Popen(
            [sys.executable, "-c", _text(folder, child=_HANGS.format(hang))],
            cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # which background jobs may ignore
        )  # fmt: skip
        pid = _wait_for(lambda: int((folder / "pid").read_text()))
        time.sleep(1)
        process.send_signal(number)
        process.wait(_SECONDS)
        _wait_for(lambda: _is_gone(pid) or 1 / 0)

    return run


def _wait_for(value):
    for _ in range(_SECONDS * 10):
        try:
            return value()
        except (OSError, ValueError, ZeroDivisionError):
            time.sleep(0.1)
    check(False, "the converter does not come or go")


def _is_gone(pid):
    """Ended, even if nobody has asked how."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


LITERT = [
    Attack("LiteRT: an LSTM in int8", _refused("keras.layers.LSTM(4)")),
    Attack("LiteRT: a GRU in int8", _refused("keras.layers.GRU(4)")),
    Attack("LiteRT: two LSTMs", _goes_on("keras.layers.Bidirectional(keras.layers.LSTM(4))")),
    Attack("LiteRT: floats that overflow", _goes_on(after=_HUGE)),
    Attack("LiteRT: weights that are infinite", _goes_on(after="model.layers[0].bias.assign([np.inf] * 4)")),
    Attack("LiteRT: weights that are no numbers", _goes_on(after="model.layers[0].bias.assign([np.nan] * 4)")),
    Attack("LiteRT: a converter that exits", _refused(child="sys.stdin.readline(); sys.exit('no')")),
    Attack("LiteRT: a converter that is killed", _refused(child="os.kill(os.getpid(), signal.SIGKILL)")),
    Attack("LiteRT: a converter that aborts", _refused(child="sys.stdin.readline(); os.abort()")),
    Attack("LiteRT: a converter that hangs",
           _refused(child="time.sleep(600)", before="litert_process._SECONDS = 2")),
    Attack("LiteRT: a converter that prints rubbish",
           _refused(child="sys.stdin.readline(); print('<rubbish>', flush=True); time.sleep(600)")),
    Attack("LiteRT: a converter that prints without end", _refused(child="while True: print('x' * 65536, end='')")),
    Attack("LiteRT: a converter that is no Python", _refused(child="no Python")),
    Attack("LiteRT: Ctrl-C", _ended(signal.SIGINT, "time.sleep(600)")),
    Attack("LiteRT: the asking process is killed", _ended(signal.SIGKILL, "sys.stdin.readline()")),
]  # fmt: skip
