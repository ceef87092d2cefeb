"""What a description holds is data on every version of Keras: `make test-oldest` runs this on the lowest one."""

import json
from types import FunctionType

import keras
import pytest

import keras_efficient as ke
from keras_efficient.descriptions import objects
from keras_efficient.networks.build import MOST_WEIGHTS

pytestmark = pytest.mark.one_backend


@pytest.fixture
def mark(tmp_path):
    return tmp_path / "code_ran"


def bytecode(mark):
    """What Keras writes for `lambda x: x`, of a function that leaves a mark."""
    text = f"lambda x: (__import__('pathlib').Path({str(mark)!r}).touch(), x)[1]"
    function = FunctionType(compile(text, "", "eval").co_consts[0], {})
    return keras.layers.Lambda(function).get_config()["function"]


def items(mark):
    inner = {"class_name": "Lambda", "config": {"function": bytecode(mark)}}
    keras_own = {"module": "keras.layers", "registered_name": None, **inner}
    return [
        inner,
        {"class_name": "TimeDistributed", "config": {"layer": keras_own}},
        {"class_name": "Pipeline", "config": {"layers": [keras_own]}},
        {"class_name": "Dense", "config": {"units": 3, "activation": bytecode(mark)}},
        {"class_name": "Dense", "config": {"units": 3, "kernel_initializer": bytecode(mark)}},
    ]


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("by_name", [True, False], ids=["by name", "by safe mode"])
def test_no_bytecode_runs(number, by_name, mark, monkeypatch):
    item = json.loads(json.dumps(items(mark)[number]))
    if not by_name:
        monkeypatch.setattr(objects, "check_is_data", lambda item: None)
    with pytest.raises(ValueError, match="item 1"):
        ke.build_network([item, ["S", 3, 4, 8, 8]], (8, 8, 1))
    assert not mark.exists()


def test_no_vocabulary_is_read_even_where_its_name_is_not_known(tmp_path, monkeypatch):
    (tmp_path / "words.txt").write_text("secret\n")
    monkeypatch.setattr(objects, "check_is_data", lambda item: None)
    item = {"class_name": "StringLookup", "config": {"vocabulary": str(tmp_path / "words.txt")}}
    with pytest.raises(ValueError, match="vocabulary file outside of the model archive"):
        ke.build_network([item], (1,))


def test_what_would_fill_the_memory_is_refused_first(monkeypatch):
    monkeypatch.setattr(keras.layers.Dense, "build", lambda *arguments: pytest.fail("memory was asked for"))
    for item in ({"class_name": "Dense", "config": {"units": 10**12}}, ["F", 10**12, 4, 8, 8]):
        with pytest.raises(ValueError, match=r"there would be \d+,[\d,]+ weights; networks of more than 268,435,456"):
            ke.build_network([item], (8,))
    assert MOST_WEIGHTS == 268_435_456
