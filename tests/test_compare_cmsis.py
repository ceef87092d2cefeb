"""The networks, arena and goals of scripts/compare_cmsis.py; tests/test_scripts.py runs it."""

import itertools
import math

import pytest

from peers.cmsis_nn_program import planned, program
from peers.firmware_goals import Goal, reached
from peers.tiny_networks import INPUT, NETWORKS, keras_model, mnist

_ALL = (*NETWORKS, mnist)
_PRODUCTS = (12_501_632, 2_656_768, 264_192, 264_192, 7_489_664, 94_928)


@pytest.mark.parametrize("make", _ALL)
def test_keras_makes_the_same_shapes(make):
    network = make()
    model = keras_model(network)
    assert math.prod(model.output.shape[1:]) == math.prod(network.shapes[network.output])
    made = {tuple(layer.output.shape[1:]) for layer in model.layers if len(layer.output.shape) == 4}
    assert {shape for shape in network.shapes.values() if shape[0] > 1} <= made


@pytest.mark.parametrize(("make", "products"), [*zip(_ALL, _PRODUCTS, strict=True)])
def test_products_are_those_of_mlperf_tiny(make, products):
    assert make().products == products


@pytest.mark.parametrize("make", _ALL)
def test_maps_that_live_together_lie_apart(make):
    network = make()
    scratch = [100 + number for number in range(len(network.operations))]
    places, arena = planned(network, scratch)
    sizes = {name: math.prod(shape) for name, shape in network.shapes.items()}
    later = [set(each.sources) for each in network.operations]
    for number, operation in enumerate(network.operations):
        made = {INPUT, *(each.target for each in network.operations[:number])}
        alive = (made & set().union(*later[number:])) | {operation.target}
        spans = [(places[name], places[name] + sizes[name]) for name in alive]
        spans.append((places[f"scratch{number}"], places[f"scratch{number}"] + scratch[number]))
        assert all(b <= c or d <= a for (a, b), (c, d) in itertools.combinations(spans, 2))
        assert max(end for _, end in spans) <= arena


@pytest.mark.parametrize("bits", [8, 4])
def test_each_operation_is_a_call(bits):
    network = mnist()
    source = program(network, bits, [0] * len(network.operations))["network.c"]
    assert source.count("failed |= arm_") == len(network.operations)


def _row(target, level, instructions, code, ram=100):
    where = {"network": "mnist", "bits": 4, "target": target, "core": "cortex-m4", "level": level}
    sizes = {"code_bytes": code, "constant_bytes": 1000, "ram_bytes": ram}
    return {**where, "instructions": instructions, **sizes}


_ROWS = [_row("arm", "-O3", 900, 200), _row("dsp", "-Os", 500, 240), _row("dsp", "-O3", 400, 300, ram=90)]


@pytest.mark.parametrize(
    ("millions", "ram", "level", "met"),
    [(0.0005, None, "-Os", True), (0.0005, 95, "-O3", True), (0.0003, None, "-O3", False)],
)
def test_the_smallest_build_within_a_goal(millions, ram, level, met):
    found = reached(Goal("mnist", 4, millions, ram), _ROWS)
    assert (found["build"]["target"], found["build"]["level"], found["met"]) == ("dsp", level, met)
