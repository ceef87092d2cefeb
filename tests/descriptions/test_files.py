"""Descriptions in JSON files."""

import json

import pytest

from keras_efficient.descriptions import expand, read_description

NETWORK = [["A", 2, 4], ["S", 10, 4, 8, 8]]


def write(tmp_path, text):
    path = tmp_path / "network.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_list_of_items(tmp_path):
    description = read_description(write(tmp_path, json.dumps(NETWORK)))
    assert description == NETWORK
    assert description.input_shape is None


def test_an_object_with_the_input_shape(tmp_path):
    content = {"network": NETWORK, "input_shape": [8, 8, 1]}
    description = read_description(str(write(tmp_path, json.dumps(content))))
    assert (description, description.input_shape) == (NETWORK, (8, 8, 1))
    assert expand(description, description.input_shape) == expand(NETWORK, (8, 8, 1))


def test_a_byte_order_mark_is_skipped(tmp_path):
    assert read_description(write(tmp_path, b"\xef\xbb\xbf" + json.dumps(NETWORK).encode())) == NETWORK


WRONG_FILES = [
    ("", "is not JSON: Expecting value in line 1"),
    ("[1, 2", "is not JSON"),
    ("hello", "is not JSON"),
    (b"\xff\xfe\x00", "is not a text file in UTF-8"),
    ("3", "must hold"),
    ('"AS"', "must hold"),
    ("{}", "must hold"),
    ('{"network": 3}', "must hold"),
    ('{"network": [], "shape": [8, 8, 1]}', r"unknown keys \['shape'\]"),
    ('{"network": [], "input_shape": [8, 8, 1, 1]}', "`input_shape` must be"),
    ('{"network": [], "input_shape": "8"}', "`input_shape` must be"),
    ("[" * 100_000, "network.json"),
    ("[" + "9" * 5000 + "]", "network.json"),
]


@pytest.mark.parametrize(("text", "message"), WRONG_FILES, ids=lambda value: repr(value)[:30])
def test_a_wrong_file_is_refused_in_one_line(tmp_path, text, message):
    with pytest.raises(ValueError, match=message) as caught:
        read_description(write(tmp_path, text))
    assert "\n" not in str(caught.value)
    assert "network.json" in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no network description at .*missing.json"):
        read_description(tmp_path / "missing.json")


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="cannot be read"):
        read_description(tmp_path)
