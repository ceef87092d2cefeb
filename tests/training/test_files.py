"""Files are whole or not there."""

import pytest

from keras_efficient.files import is_temporary, read_json, temporary_name, write_atomically, write_json


def test_a_failing_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.keras"
    path.write_text("old")

    def fail(temporary):
        temporary.write_text("half")
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError):
        write_atomically(path, fail)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_temporary_names_keep_the_suffix(tmp_path):
    temporary = temporary_name(tmp_path / "best.keras")
    assert temporary.suffix == ".keras" and temporary.name != "best.keras" and is_temporary(temporary)
    assert not is_temporary(tmp_path / "best.keras")


def test_json_has_no_nan(tmp_path):
    path = tmp_path / "deep" / "a.json"
    write_json(path, {"a": float("nan"), "b": [1, (2.5, float("inf"))]})
    assert read_json(path) == {"a": None, "b": [1, [2.5, None]]}
    path.write_text("{")
    with pytest.raises(ValueError, match="is damaged"):
        read_json(path)
