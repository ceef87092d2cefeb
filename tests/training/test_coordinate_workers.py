"""Two processes on JAX that exchange only coordinates."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import keras
import pytest

import keras_efficient as ke

_LOSS = keras.losses.MeanSquaredError()


@pytest.fixture(scope="module")
def processes():
    """What each of the two processes says."""
    if keras.backend.backend() != "jax":
        pytest.skip("the processes are on JAX whatever runs here: once is enough")
    with socket.socket() as listener:
        listener.bind(("localhost", 0))
        port = listener.getsockname()[1]
    script = Path(__file__).with_name("two_workers.py")
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    commands = [[sys.executable, str(script), str(rank), str(port)] for rank in range(2)]
    running = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for command in commands
    ]
    try:
        said = [process.communicate(timeout=600) for process in running]
    finally:
        for process in running:
            process.kill()
    assert [process.returncode for process in running] == [0, 0], said
    return [json.loads(output.strip().splitlines()[-1]) for output, _ in said]


@pytest.mark.slow  # two processes import JAX and compile
def test_both_processes_end_with_the_same_weights(processes):
    first, second = processes
    assert {way: first[way]["checksum"] for way in first} == {way: second[way]["checksum"] for way in second}
    assert len({figures["checksum"] for figures in first.values()}) == 3


@pytest.mark.slow
@pytest.mark.parametrize("way", ["shared", "fixed"])
def test_a_shared_basis_is_one_process_with_the_joint_batch(processes, way):
    assert all(figures[way]["difference"] < 1e-6 for figures in processes)


@pytest.mark.slow
@pytest.mark.parametrize("way, sent", [("shared", 40), ("fixed", 40), ("independent", 2 * 40)])
def test_only_coordinates_travel(processes, way, sent):
    for figures in processes:
        assert figures[way]["bytes"] == 4 * sent
        # A worker sends its own 40 only; an all-gather returns those of both.
        assert figures[way]["weights"] >= 150 * 40


def _model(layers=()):
    return keras.Sequential([keras.Input((3,)), *layers, keras.layers.Dense(2)])


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="it is about the other backends")
def test_other_backends_are_refused():
    with pytest.raises(RuntimeError, match="needs the JAX backend.*Received: "):
        ke.training.CoordinateWorkers(_model(), ke.RandomBases("sgd", 2), _LOSS)


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="needs JAX")
@pytest.mark.parametrize(
    "layers, optimizer, independent, error, message",
    [
        ([], lambda: keras.optimizers.SGD(), False, TypeError, "must be a RandomBases. Received: optimizer="),
        ([keras.layers.BatchNormalization()], None, False, ValueError, "exchange trained weights only"),
        ([], lambda: ke.RandomBases("sgd", 2, redraw=0), True, ValueError, "redraw=0 cannot be independent"),
    ],
)
def test_what_cannot_be_exchanged_is_refused(layers, optimizer, independent, error, message):
    optimizer = ke.RandomBases("sgd", 2) if optimizer is None else optimizer()
    with pytest.raises(error, match=message):
        ke.training.CoordinateWorkers(_model(layers), optimizer, _LOSS, independent)
