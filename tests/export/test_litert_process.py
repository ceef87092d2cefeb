"""LiteRT's converter in a process of its own: each way in which it can end is an error that names the model."""

import os
import selectors
import subprocess
import sys
from pathlib import Path

import keras
import pytest

from keras_efficient.export import litert_child, litert_process
from keras_efficient.export.litert_process import ConverterError, convert_saved_model

_HEAD = "import os, signal, sys, time, json\nfrom pathlib import Path\n"
_GOOD = """
for line in sys.stdin:
    (Path(json.loads(line)) / "model.tflite").write_bytes(str(os.getpid()).encode())
    print("null", flush=True)
"""
_KILLS_ITSELF = "sys.stdin.readline(); os.kill(os.getpid(), signal.{})"
_ENDINGS = {
    "dies": ("sys.stdin.readline(); sys.exit('out of cheese')", r"it ended its process \(exit code 1: out of cheese\)"),
    "dies at once": ("os._exit(3)", r"it ended its process \(exit code 3\)"),
    "dies without an error": ("sys.stdin.readline()", r"\(exit code 0\)"),
    "aborts": (_KILLS_ITSELF.format("SIGABRT"), r"\(signal SIGABRT\)"),
    "crashes": (_KILLS_ITSELF.format("SIGSEGV"), r"\(signal SIGSEGV\)"),
    "is out of memory": (_KILLS_ITSELF.format("SIGKILL"), r"\(signal SIGKILL\)"),
    "ends by a clock": (_KILLS_ITSELF.format("SIGALRM"), r"\(signal SIGALRM\)"),
    "aborts with words": (
        "print('LLVM ERROR: no  type\\nPlease submit a report', file=sys.stderr, flush=True);"
        + _KILLS_ITSELF.format("SIGABRT"),
        r"\(signal SIGABRT: LLVM ERROR: no type\)",
    ),
    "hangs": ("time.sleep(60)", "it took more than 0.5 s"),
    "stops talking": ("sys.stdin.readline(); os.close(1); time.sleep(60)", "it ended its answers, but not its process"),
    "prints rubbish": ("sys.stdin.readline(); print('<rubbish>', flush=True); time.sleep(60)", "no answer but b'<rub"),
    "prints a number": ("sys.stdin.readline(); print('3', flush=True); time.sleep(60)", "no answer but b'3"),
    "prints no line": ("print('x' * 3_000_000, flush=True); time.sleep(60)", "no answer but b'xxx"),
    "refuses": ("sys.stdin.readline(); print('\"an LSTM\"', flush=True); time.sleep(60)", "an LSTM$"),
}


@pytest.fixture
def child(tmp_path, monkeypatch):
    """Puts another program in the place of the converter."""

    def put(text):
        script = tmp_path / "child.py"
        script.write_text(_HEAD + text)
        monkeypatch.setattr(litert_process, "_SCRIPT", str(script))

    litert_process.end_converter()
    yield put
    litert_process.end_converter()


@pytest.mark.parametrize("how", _ENDINGS)
def test_each_end_is_an_error_that_names_the_model(child, tmp_path, monkeypatch, how):
    text, reason = _ENDINGS[how]
    child(text)
    if how == "hangs":
        monkeypatch.setattr(litert_process, "_SECONDS", 0.5)
    monkeypatch.setattr(litert_process, "_END_SECONDS", 0.2 if how == "stops talking" else 10)
    with pytest.raises(ConverterError, match=f"(?s)LiteRT's converter cannot write the model 'my model': .*{reason}"):
        convert_saved_model(tmp_path, "my model")
    assert how == "refuses" or not litert_process._kept
    child(_GOOD)
    litert_process.end_converter()
    assert convert_saved_model(tmp_path, "my model").isdigit()


def test_one_process_converts_one_model_after_the_other(child, tmp_path):
    child(_GOOD)
    first = convert_saved_model(tmp_path, "a")
    assert convert_saved_model(tmp_path, "b") == first
    os.kill(int(first), 9)
    litert_process._kept[0].process.wait()
    assert convert_saved_model(tmp_path, "c") != first


def test_a_process_that_waited_too_long_is_started_again(child, tmp_path):
    """It may end between the question whether it is there and the request."""
    child(f"if not os.path.exists('{tmp_path}/was'):\n    open('{tmp_path}/was', 'w')\n    signal.alarm(1)\n"
          f"    time.sleep(60)\n{_GOOD}")  # fmt: skip
    assert convert_saved_model(tmp_path, "a").isdigit()


def test_ctrl_c_ends_the_process(child, tmp_path, monkeypatch):
    child("time.sleep(60)")
    litert_process.start_converter()
    process = litert_process._kept[0].process

    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(selectors.DefaultSelector, "select", interrupted)
    with pytest.raises(KeyboardInterrupt):
        convert_saved_model(tmp_path, "a")
    assert process.returncode == -9 and not litert_process._kept


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
def test_a_fork_has_a_process_of_its_own(child, tmp_path):
    child(_GOOD)
    first = convert_saved_model(tmp_path, "a")
    done = tmp_path / "done"
    if (pid := os.fork()) == 0:
        try:
            done.write_bytes(convert_saved_model(tmp_path, "b"))
            litert_process.end_converter()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    assert done.read_bytes() not in (first, b"")
    assert convert_saved_model(tmp_path, "c") == first


def test_the_process_needs_nothing_of_this_package():
    assert "import keras" not in Path(litert_child.__file__).read_text()


_PROGRAM = """
import keras, numpy as np, keras_efficient as ke
x = np.random.default_rng(0).normal(size=(8, 5, 3))
lstm = keras.Sequential([keras.Input((5, 3)), keras.layers.LSTM(4)], name="my_lstm")
try:
    ke.export.convert_litert(lstm, x)
except ValueError as error:
    print(error)
print("and on it goes")
"""


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="LiteRT converts models of the TensorFlow backend")
def test_an_lstm_does_not_end_this_process(tmp_path):
    """In a program that comes from standard input, with no file that a process could import again."""
    done = subprocess.run([sys.executable, "-"], input=_PROGRAM, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    refusal, after = done.stdout.splitlines()
    assert refusal.startswith("LiteRT's converter cannot write the model 'my_lstm': it ended its process (signal SIG")
    assert after == "and on it goes"
