"""Files are whole or not there."""

import pytest

from keras_efficient.files import is_temporary, make_temporary_folder, read_json, write_atomically, write_json


def test_a_failing_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.keras"
    path.write_text("old")

    def fail(temporary):
        temporary.write_text("half")
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError):
        write_atomically(path, fail)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_link_in_the_place_of_a_file_is_not_followed(tmp_path):
    victim, link = tmp_path / "victim", tmp_path / "a.json"
    victim.write_text("mine")
    link.symlink_to(victim)
    write_json(link, 1)
    assert victim.read_text() == "mine" and not link.is_symlink() and read_json(link) == 1


def test_only_own_folders_are_temporary(tmp_path):
    assert is_temporary(make_temporary_folder(tmp_path))
    for name in ("old.tmp.d", ".keras_efficient-mine"):
        (tmp_path / name).mkdir()
        assert not is_temporary(tmp_path / name)
    (tmp_path / ".keras_efficient-abcd1234").symlink_to(tmp_path / "old.tmp.d")
    assert not is_temporary(tmp_path / ".keras_efficient-abcd1234")


def test_json_has_no_nan(tmp_path):
    path = tmp_path / "deep" / "a.json"
    write_json(path, {"a": float("nan"), "b": [1, (2.5, float("inf"))]})
    assert read_json(path) == {"a": None, "b": [1, [2.5, None]]}
    path.write_text("{")
    with pytest.raises(ValueError, match="is damaged"):
        read_json(path)
