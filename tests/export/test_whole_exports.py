"""An export that dies anywhere leaves the old network, the new one, or what no compiler takes."""

import re
import subprocess

import numpy as np
import pytest

import keras_efficient as ke
from keras_efficient import files
from keras_efficient.export.firmware_report import firmware_report
from keras_efficient.export.verify.compilers import find_tool

_OLD = [["C", 4, 3, 4, 8, 4], ["M", 2, 4], ["S", 10, 4, 8, 8]]
_NEW = [["C", 9, 3, 4, 8, 4], ["S", 10, 4, 8, 8]]


class _DiedError(BaseException):
    """As SIGKILL: nothing of the package catches it."""


@pytest.fixture(scope="module")
def networks():
    return [ke.build_network(network, (8, 8, 1), mode="freeze_scales") for network in (_OLD, _NEW)]


def _compiles(folder):
    command = [find_tool("gcc", "clang", "cc", install=""), "-std=c99", "-fsyntax-only", folder / "network.c"]
    return subprocess.run(command, capture_output=True).returncode == 0


def _network_id(path):
    return re.search("NETWORK_ID (?:!= )?(0x[0-9a-f]{8})", path.read_text())[1]


@pytest.mark.parametrize("steps", range(9))
def test_an_export_that_dies_is_never_half(networks, tmp_path, monkeypatch, c_compiler, steps):
    old, new = networks
    before = ke.export_c(old, tmp_path)
    done = []

    def until_death(function):
        def step(*arguments, **named):
            if len(done) == steps:
                raise _DiedError
            done.append(function)
            return function(*arguments, **named)

        return step

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "replace", until_death(files.os.replace))
        patch.setattr(files.Path, "unlink", until_death(files.Path.unlink))
        try:
            after = ke.export_c(new, tmp_path)
        except _DiedError:
            after = None
    source, header = _network_id(tmp_path / "network.c"), _network_id(tmp_path / "network.h")
    assert _compiles(tmp_path) == (source == header)
    if (tmp_path / "report.json").exists():
        assert firmware_report(tmp_path).network_id == source == header
    assert (source == before.network_id) == (after is None and steps < 4)
    assert ke.export_c(new, tmp_path).network_id == firmware_report(tmp_path).network_id


def test_a_report_beside_the_header_of_another_network_is_refused(networks, tmp_path):
    old, new = networks
    ke.export_c(old, tmp_path / "old")
    ke.export_c(new, tmp_path / "new")
    (tmp_path / "old/network.h").write_text((tmp_path / "new/network.h").read_text())
    with pytest.raises(ValueError, match="which is not that of the network.h beside it"):
        ke.export.verify_c(old, tmp_path / "old", np.zeros((1, 8, 8, 1), "uint8"))


def test_folders_may_have_any_name(networks, tmp_path, monkeypatch, c_compiler):
    monkeypatch.chdir(tmp_path)
    for name in ("two words", "-std=c++98", "a\nb", "größe", ".hidden"):
        ke.export_c(networks[0], name)
        verification = ke.export.verify_c(networks[0], name, np.zeros((1, 8, 8, 1), "uint8"))
        assert verification.passed, verification
