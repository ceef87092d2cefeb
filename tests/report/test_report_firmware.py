"""The bytes of an exported network on the page of its run."""

import json

import pytest

import keras_efficient as ke
from keras_efficient.report.firmware import firmware, with_firmware

_REPORT = {"predicted_arena_bytes": 435, "arena_bytes": 435, "ram_bytes": 520, "target": "avr"}


@pytest.mark.parametrize(
    ("measured", "words"),
    [({"flash_bytes": 5321, "stack_bytes": 60}, "measured by export --verify"), ({}, "not measured yet")],
)
def test_the_page_says_where_the_figures_come_from(full_result, measured, words):
    full_result["best"]["activation_bytes"] = 434.5
    section = firmware(with_firmware(full_result, {**_REPORT, **measured}))
    assert words in section and "target avr" in section and ("5,321" in section) == bool(measured)
    assert not firmware(full_result)


def test_figures_of_another_network_are_refused(full_result):
    full_result["best"]["activation_bytes"] = 400
    with pytest.raises(ValueError, match="take 400 bytes. Received: that of one with 435"):
        with_firmware(full_result, _REPORT)


def test_the_command_adds_them(full_result, tmp_path, command):
    model = ke.build_network(ke.networks.MNIST_2KB, mode="freeze_scales")
    report = ke.export_c(model, tmp_path / "firmware")
    full_result["best"]["activation_bytes"] = ke.estimate_storage(model).activation_bytes
    (tmp_path / "result.json").write_text(json.dumps(full_result))
    before = (tmp_path / "result.json").read_bytes()
    assert command("report", tmp_path, "--firmware", tmp_path / "firmware")[0] == 0
    page = (tmp_path / "report.html").read_text()
    assert "<h2>Firmware</h2>" in page and f">{report.ram_bytes:,}<" in page
    assert (tmp_path / "result.json").read_bytes() == before
    code, _, error = command("report", tmp_path, "--firmware", tmp_path)
    assert code == 2 and "holds no network exported" in error
