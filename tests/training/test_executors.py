"""Trials in worker processes and on Ray: the same results, data that travels once, dead workers."""

import importlib.util
import os
import pickle
import signal
import subprocess
import sys
import time
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from functools import partial
from io import StringIO
from pathlib import Path

import keras
import numpy as np
import pytest
from rich.console import Console

import keras_efficient as ke
from check_crashes import alive, contents
from keras_efficient import cli
from keras_efficient.files import is_temporary
from keras_efficient.training import driver
from keras_efficient.training.data import TrainingData
from keras_efficient.training.executors.pool import available_cores
from keras_efficient.training.executors.trials import StageWork, shared
from keras_efficient.training.progress import BarProgress, ProgressFile, SilentProgress
from keras_efficient.training.run import Run

_CONFIG = [["C", 3, 3, 4, 8, 4], ["M", 2, 4], ["D", 0.2, 4], ["S", 10, 4, 8, 8]]


def _digits():
    x_train, y_train, x_val, y_val, *_ = ke.datasets.load_dataset("digits").arrays()
    return x_train[:200], y_train[:200], x_val[:100], y_val[:100]


@pytest.fixture(scope="module")
def data():
    return _digits()


def _train(directory, data, executor=None, trials=2, epochs=3):
    stages = [ke.Stage(mode, trials, epochs, batch_size=64) for mode in ("float", "learn_scales")]
    return ke.train_network(_CONFIG, data, stages, directory, executor, seed=1, verbose=False, save_seconds=0)


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """The same run in this process, with all cores."""
    directory = tmp_path_factory.mktemp("whole") / "run"
    _train(directory, data)
    return contents(directory)


class _Executor:
    """The least that the protocol asks for, with futures of its own; loses the tasks it is told to lose."""

    class _Done:
        def __init__(self, error, result):
            self._error, self._result = error, result

        def done(self):
            return True

        def exception(self):
            return self._error

        def result(self):
            return self._result

        def cancel(self):
            return False

    def __init__(self, lost=(), runs=True):
        self.lost, self.runs, self.submitted = dict(lost), runs, []

    def submit(self, function, progress, run_trial, work, data, index):
        self.submitted.append(index)
        if not self.lost.get(index):
            return self._Done(None, function(progress, run_trial, work, data, index))
        self.lost[index] -= 1
        if self.runs:  # dies after the trial has begun
            progress.begin()
            with open(progress.path, "a") as file:
                file.write('{"epo')
        return self._Done(BrokenExecutor("the worker died"), None)


def test_anything_with_the_protocol_runs_trials(whole, data, tmp_path):
    executor = _Executor()
    _train(tmp_path / "run", data, executor)
    assert contents(tmp_path / "run") == whole and executor.submitted == [0, 1, 0, 1]


def test_a_lost_trial_is_run_again(whole, data, tmp_path):
    executor = _Executor(lost={1: 3})
    _train(tmp_path / "run", data, executor)
    assert contents(tmp_path / "run") == whole
    assert executor.submitted == [0, 1, 1, 1, 1, 0, 1]
    assert not list(tmp_path.rglob("progress.jsonl")) and not list(tmp_path.rglob("state.npz"))


@pytest.mark.parametrize("runs, hint", [(True, "enough memory"), (False, "It never began: .*__main__")])
def test_a_trial_that_kills_its_workers_is_named(data, tmp_path, runs, hint):
    with pytest.raises(ChildProcessError, match=rf"trial 1 of stage 0 \(float\) died 4 times: .*{hint}"):
        _train(tmp_path / "run", data, _Executor(lost={1: 4}, runs=runs))
    assert (tmp_path / "run/stages/0_float/trial_000/trial.json").exists()


def test_an_executor_that_retries_by_itself_is_not_asked_again(data, tmp_path):
    executor = _Executor(lost={0: 1})
    executor.retries_lost_tasks = True
    with pytest.raises(ChildProcessError, match="trial 0 .* died 1 times"):
        _train(tmp_path / "run", data, executor)


def test_trials_that_only_waited_are_not_to_blame(data, tmp_path):
    executor = _Executor(lost={0: 4}, runs=False)
    submit = executor.submit

    def lose_with_others(function, progress, run_trial, work, data, index):
        if index == 1:  # runs, and survives at the fifth try only
            executor.runs, executor.lost[1] = True, executor.lost.get(1, 3)
        future = submit(function, progress, run_trial, work, data, index)
        executor.runs = False
        return future

    executor.submit = lose_with_others
    _train(tmp_path / "run", data, executor)  # trial 0 was lost four times, but never ran


def test_an_executor_that_stays_broken(data, tmp_path):
    class Broken(_Executor):
        def submit(self, *arguments):
            if self.submitted:
                raise BrokenExecutor("it is broken")
            return super().submit(*arguments)

    with pytest.raises(ChildProcessError, match=r"Broken takes no more tasks: .*process_pool\(n\)"):
        _train(tmp_path / "run", data, Broken(lost={0: 1}), trials=1)


def test_an_error_of_a_trial_is_raised_and_the_others_are_cancelled(data, tmp_path):
    waiting = Future()

    class Failing(_Executor):
        def submit(self, function, progress, run_trial, work, data, index):
            return waiting if index else self._Done(ValueError("wrong labels"), None)

    def raising(future):
        raise future._error

    Failing._Done.result = raising
    with pytest.raises(ValueError, match="wrong labels"):
        _train(tmp_path / "run", data, Failing())
    assert waiting.cancelled()


def test_a_task_carries_no_data_and_files_are_written_once(data, tmp_path):
    run = Run.prepare(_CONFIG, (*data, *data[2:]), [ke.Stage("float", 1, 1)], tmp_path / "run", "score", 0)
    run.directory.mkdir()
    with shared(run.data, None, run.directory) as files:
        assert not list(run.directory.iterdir())  # nobody needs the files yet
        task = pickle.dumps((StageWork.of(run, 0, None), files))
        assert len(task) < 5000 < run.data.x_train.nbytes
        before = {path: path.stat().st_mtime_ns for path in run.directory.glob("*/*.npy")}
        assert len(before) == 4  # no test data
        pickle.dumps(files)
        assert {path: path.stat().st_mtime_ns for path in before} == before
        _, arrived = pickle.loads(task)
        assert isinstance(arrived, TrainingData) and isinstance(arrived.x_train, np.memmap)
        assert not arrived.x_train.flags.writeable and arrived.x_test is None
        np.testing.assert_array_equal(arrived.x_train, run.data.x_train)
        np.testing.assert_array_equal(arrived.y_val, run.data.y_val)
    assert not list(run.directory.iterdir())


class _Recorder(SilentProgress):
    def __init__(self):
        self.epochs = []

    def epoch(self, trial, epoch, logs):
        self.epochs.append((trial, epoch))
        assert logs["val_loss"] > 0


def test_progress_comes_from_the_workers(data, tmp_path, monkeypatch):
    recorder = _Recorder()
    monkeypatch.setattr(driver, "make_progress", lambda verbose: recorder)
    with ThreadPoolExecutor(1) as executor:
        _train(tmp_path / "run", data, executor)
    assert recorder.epochs == [(trial, epoch) for _ in range(2) for trial in range(2) for epoch in (1, 2, 3)]
    assert not list(tmp_path.rglob("progress.jsonl"))


def test_bars_count_trials_that_run_at_once():
    with BarProgress(Console(file=StringIO())) as bars:
        bars.stage(1, 1, "float", trials=3, epochs=10)
        for trial, epoch in ((0, 4), (1, 2), (0, 5), (2, 1)):  # trial 2 goes on after an interruption
            bars.epoch(trial, epoch, {})
        assert bars.bars.tasks[0].completed == 5 + 2 + 1
        bars.trial(1, None, None)
        assert bars.bars.tasks[0].completed == 5 + 10 + 1


def _die_after_an_epoch(mark, function, *arguments):
    """In a worker: call `function`; the first process that finishes an epoch dies then, and leaves `mark`."""
    if not mark.exists():
        tell = ProgressFile.epoch

        def tell_and_die(*epoch):
            tell(*epoch)
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)

        ProgressFile.epoch = tell_and_die
    return function(*arguments)


def _train_while_killing(directory, data, executor):
    mark = directory.parent / "killed"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(executor, "submit", partial(executor.submit, _die_after_an_epoch, mark))
        _train(directory, data, executor, epochs=12)
    assert mark.exists()


@pytest.fixture(scope="module")
def long_run(data, tmp_path_factory):
    directory = tmp_path_factory.mktemp("long") / "run"
    _train(directory, data, epochs=12)
    return contents(directory)


@pytest.fixture(scope="module")
def pool():
    """One worker with all cores, as this process: the sums are grouped alike."""
    with ke.training.process_pool(1) as executor:
        yield executor


def test_a_process_pool_gives_the_same_result_though_a_worker_is_killed(long_run, data, tmp_path, pool):
    before = pool.submit(os.getpid).result()
    _train_while_killing(tmp_path / "run", data, pool)
    assert contents(tmp_path / "run") == long_run
    assert not list(filter(is_temporary, tmp_path.rglob("*")))
    assert pool.submit(os.getpid).result() != before


def test_the_workers_of_a_pool_share_the_cores(pool):
    assert ke.training.process_pool(2).threads == max(1, available_cores() // 2)
    assert ke.training.process_pool(10_000).threads == 1
    if keras.backend.backend() == "tensorflow":
        setting = "__import__('tensorflow').config.threading.get_intra_op_parallelism_threads()"
        assert pool.submit(eval, setting).result() == pool.threads == available_cores()


_PARENT = """
import os, time
import keras_efficient as ke

if __name__ == "__main__":
    executor = ke.training.process_pool(1)
    print(executor.submit(os.getpid).result(), flush=True)
    executor.submit(time.sleep, 600)
    time.sleep(600)
"""


def test_workers_die_with_their_parent(tmp_path):
    (tmp_path / "parent.py").write_text(_PARENT)
    parent = subprocess.Popen(
        [sys.executable, tmp_path / "parent.py"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    worker = int(parent.stdout.readline())
    assert alive(worker)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while alive(worker) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(worker)


@pytest.mark.parametrize("value", [0, -1, 2.5, True, "2"])
def test_wrong_numbers_of_workers_are_refused(value):
    with pytest.raises((ValueError, TypeError), match="`workers` must be"):
        ke.training.process_pool(value)
    with pytest.raises((ValueError, TypeError), match="`threads` must be"):
        ke.training.process_pool(1, threads=value)


def ray_session(directory):
    """What the test of Ray does, in a process of its own."""
    cores = available_cores()
    with ke.training.RayExecutor(None, threads=cores, num_cpus=cores) as ray:
        put, puts = ray.share, []
        ray.share = lambda value: puts.append(value) or put(value)
        _train_while_killing(directory / "run", _digits(), ray)
        assert len(puts) == 1 and puts[0].x_test is None  # the data travels once
        with pytest.raises(ZeroDivisionError, match="^integer division or modulo by zero$"):
            ray.submit(divmod, 1, 0).result()
        with ke.training.RayExecutor(max_retries=0) as fragile, pytest.raises(BrokenExecutor):
            fragile.submit(os._exit, 1).result()
        assert ray.submit(divmod, 7, 2).result() == (3, 1)  # Ray still runs: it is not the second executor's own
    import ray

    assert not ray.is_initialized()


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs Ray: pip install 'keras_efficient[ray]'")
def test_ray_gives_the_same_result_though_a_worker_is_killed(long_run, tmp_path):
    # A program whose Ray goes down is ended by Ray without a word: that must not be the tests.
    program = "import sys, pathlib, test_executors; test_executors.ray_session(pathlib.Path(sys.argv[1]))"
    folders = [Path(__file__).parent, *sys.path]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders))}
    command = [sys.executable, "-c", program, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "run") == long_run


@pytest.mark.parametrize("retries", [-1, 1.5, True])
def test_wrong_retries_are_refused(retries):
    with pytest.raises(ValueError, match="`max_retries` must be"):
        ke.training.RayExecutor(None, max_retries=retries)


def test_without_ray_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r"pip install 'keras_efficient\[ray\]'"):
        ke.training.RayExecutor(None)


@pytest.mark.parametrize(
    "options, message",
    [
        (
            ["--workers", "2", "--ray", "auto"],
            "Only one of `--workers` and `--ray` may be given. Received: 2 and 'auto'",
        ),
        (["--ray", "auto"], "pip install 'keras_efficient[ray]'"),
    ],
)
def test_the_command_refuses(tmp_path, monkeypatch, capsys, options, message):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setattr(sys, "argv", ["keras-efficient", "train", "--out", str(tmp_path / "run"), *options])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2 and message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
