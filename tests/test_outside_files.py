"""Readers of files that somebody else wrote: plain files only, sizes first, one line for what is wrong."""

import json
import os
import zipfile

import numpy as np
import pytest

from keras_efficient import outside_files
from keras_efficient.outside_files import check_archive_size, check_plain_file, read_json, read_text


def pipe(path):
    os.mkfifo(path)


def device(path):
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [pipe, device, os.mkdir], ids=["pipe", "device", "folder"])
@pytest.mark.parametrize("read", [check_plain_file, read_text, read_json])
def test_only_plain_files_are_read(make, read, tmp_path):
    make(tmp_path / "file.json")
    with pytest.raises(ValueError, match=r"file\.json cannot be read: it is no plain file"):
        read(tmp_path / "file.json", "description")


def test_a_link_to_a_plain_file_is_one(tmp_path):
    (tmp_path / "there").write_text("[1]")
    (tmp_path / "link").symlink_to("there")
    assert read_json(tmp_path / "link", "description") == [1]


def test_a_missing_file_and_a_wrong_name(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no description at .*missing"):
        read_text(tmp_path / "missing", "description")
    with pytest.raises(ValueError, match="null byte"):
        read_text("a\0b", "description")


def test_a_file_above_the_limit_is_refused(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("x" * 10)
    assert read_text(path, "description", most_bytes=10) == "x" * 10
    with pytest.raises(ValueError, match="too large for a description: it must not be above 9 bytes"):
        read_text(path, "description", most_bytes=9)


def test_the_limit_of_descriptions_is_a_megabyte(tmp_path):
    (tmp_path / "file.json").write_text(json.dumps("x" * 1_000_000))
    with pytest.raises(ValueError, match="1,000,000 bytes"):
        read_json(tmp_path / "file.json", "description")


@pytest.mark.parametrize("depth, is_refused", [(100, False), (101, True), (900, True), (200_000, True)])
def test_depth(depth, is_refused, tmp_path):
    path = tmp_path / "file.json"
    for text in ("[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth):
        path.write_text(text)
        if is_refused:
            with pytest.raises(ValueError, match=r"file\.json .*more than 100 lists or objects in one another|large"):
                read_json(path, "description")
        else:
            assert read_json(path, "description")


def test_archives_that_grow_without_measure_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "zeros.npz"
    np.savez_compressed(path, x=np.zeros(1_000_000))
    check_archive_size(path)  # what is small does no harm
    monkeypatch.setattr(outside_files, "_HARMLESS_BYTES", 1_000_000)
    with pytest.raises(ValueError, match=r"it unpacks to 8,\d\d\d,\d\d\d bytes"):
        check_archive_size(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x", bytes(2_000_000))
    check_archive_size(path)  # stored as it is
