"""One process at a time works in a folder; several files of one change together."""

import os
import signal
import subprocess
import sys

import pytest

from keras_efficient import files
from keras_efficient.files import is_temporary
from keras_efficient.folders import LOCK, locked, write_together

_HOLDER = """
import pathlib, sys, time
from keras_efficient.files import temporary_folder
from keras_efficient.folders import locked
folder = pathlib.Path(sys.argv[1])
with locked(folder), temporary_folder(folder):
    print("held", flush=True)
    time.sleep(600)
"""


def test_one_process_holds_a_folder_until_its_end(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", _HOLDER, tmp_path], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(BlockingIOError, match=f"in use by process {holder.pid} on"), locked(tmp_path):
        pass
    assert len(list(tmp_path.iterdir())) == 2
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with locked(tmp_path):
        assert [path.name for path in tmp_path.iterdir()] == [LOCK]  # what the killed process left is gone
    assert not list(tmp_path.iterdir())


def test_a_lock_that_was_deleted_holds_nobody_up(tmp_path, monkeypatch):
    """The holder ends between the opening of its file and the lock on it: the file is no longer the folder's."""
    flock, deleted = os.open, []

    def open_and_delete(path, *arguments):
        descriptor = flock(path, *arguments)
        if not deleted:
            deleted.append(os.unlink(path))
        return descriptor

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", open_and_delete)
        with locked(tmp_path):
            assert (tmp_path / LOCK).exists()


def test_a_link_in_the_place_of_the_lock_is_not_followed(tmp_path):
    (tmp_path / "victim").write_text("mine")
    (tmp_path / LOCK).symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match=LOCK), locked(tmp_path):
        pass
    assert (tmp_path / "victim").read_text() == "mine"


def test_a_folder_that_nobody_may_write_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everywhere
    with locked(tmp_path), locked(tmp_path):
        assert not list(tmp_path.iterdir())


def test_nothing_changes_before_all_files_are_on_the_disk(tmp_path, monkeypatch):
    for name in ("a", "b", "report"):
        (tmp_path / name).write_text("old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match=r"cannot be written \(No space left"):
        write_together(tmp_path, {"a": "new", "b": "new"}, outdated=["report"])
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == dict.fromkeys(("a", "b", "report"), "old")


def test_outdated_files_go_first(tmp_path, monkeypatch):
    (tmp_path / "report").write_text("old")
    seen = []
    monkeypatch.setattr(files.os, "replace", lambda source, target: seen.append((tmp_path / "report").exists()))
    write_together(tmp_path, {"a": "new", "report": "new"}, outdated=["report"])
    assert seen == [False, False] and not list(filter(is_temporary, tmp_path.iterdir()))


def test_a_text_may_come_in_pieces(tmp_path):
    write_together(tmp_path, {"a": iter(["of ", "pieces\n"]), "b": "whole"})
    assert (tmp_path / "a").read_text() == "of pieces\n" and (tmp_path / "b").read_text() == "whole"
