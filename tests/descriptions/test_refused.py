"""Objects in a description that run code or read a file are refused by name, wherever they stand."""

import pytest

from keras_efficient.descriptions import expand

LAMBDA = {"class_name": "Lambda", "config": {"function": "x"}}
LOOKUP = {"class_name": "StringLookup", "config": {"vocabulary": "/etc/passwd"}}


def wrapped(inner):
    return {"class_name": "TimeDistributed", "config": {"layer": inner}}


@pytest.mark.parametrize(
    "item, message",
    [
        (LAMBDA, "Lambda may run code"),
        ({**LAMBDA, "class_name": "package>Lambda"}, "Lambda may run code"),
        (wrapped(LAMBDA), "Lambda may run code"),
        (wrapped(wrapped(LAMBDA)), "Lambda may run code"),
        ({"class_name": "Pipeline", "config": {"layers": [{"class_name": "ReLU"}, LAMBDA]}}, "Lambda may run code"),
        ({"class_name": "Dense", "config": {"units": 3, "activation": {"class_name": "__lambda__"}}}, "__lambda__"),
        ({"class_name": "TFSMLayer", "config": {"filepath": "x"}}, "TFSMLayer may run code"),
        ({"class_name": "TorchModuleWrapper", "config": {"module": "x"}}, "TorchModuleWrapper may run code"),
        ({"class_name": "JaxLayer", "config": {}}, "JaxLayer may run code"),
        (LOOKUP, "StringLookup would read a file: its vocabulary must be a list. Received: '/etc/passwd'"),
        ({**LOOKUP, "class_name": "IntegerLookup"}, "IntegerLookup would read a file"),
        ({**LOOKUP, "class_name": "TextVectorization"}, "TextVectorization would read a file"),
        (wrapped(LOOKUP), "StringLookup would read a file"),
    ],
)
def test_by_name(item, message):
    with pytest.raises(ValueError, match=f"item 1 of 1.*{message}"):
        expand([item], (8, 8, 1))


def test_a_vocabulary_in_the_description_itself_is_data():
    expand([{"class_name": "StringLookup", "config": {"vocabulary": ["a", "b"]}}], (8,))


def test_depth():
    item = {"class_name": "Dense", "config": {"units": 3}}
    for _ in range(60):
        item = wrapped(item)
    with pytest.raises(ValueError, match="more than 100 lists or objects in one another"):
        expand([item], (8,))


def test_at_most_10_000_items():
    expand([["D", 0.1, 4]] * 10_000, (8,))
    with pytest.raises(ValueError, match="at most 10,000 items. Received: 10,001 items"):
        expand([["D", 0.1, 4]] * 10_001, (8,))
