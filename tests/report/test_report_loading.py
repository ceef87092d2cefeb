"""load_result: what a finished run left, or an error that says what is wrong."""

import json
import os

import pytest
from report import report_samples

from keras_efficient.report import load_result, write_report


def save(text: str, folder) -> None:
    (folder / "result.json").write_text(text, encoding="utf-8")


@pytest.mark.parametrize("as_path", [str, lambda path: path])
def test_round_trip(any_result, tmp_path, as_path):
    save(json.dumps(any_result), tmp_path)
    loaded = load_result(as_path(tmp_path))
    assert loaded == any_result
    write_report(loaded, tmp_path / "report.html")


def test_reads_utf_8_everywhere(full_result, tmp_path):
    full_result["dataset"]["name"] = "Ziffern für Größe µ"
    save(json.dumps(full_result, ensure_ascii=False), tmp_path)
    assert load_result(tmp_path)["dataset"]["name"] == "Ziffern für Größe µ"


@pytest.mark.parametrize("directory", [None, 1, b"run", ["run"]])
def test_refuses_what_is_no_path(directory):
    with pytest.raises(TypeError, match=r"`directory` must be the path.*Received: directory="):
        load_result(directory)


def test_refuses_a_missing_folder(tmp_path):
    with pytest.raises(ValueError, match=r"`directory` must be an existing folder.*nowhere"):
        load_result(tmp_path / "nowhere")


def test_refuses_a_file_as_folder(tmp_path):
    save("{}", tmp_path)
    with pytest.raises(ValueError, match="`directory` must be an existing folder"):
        load_result(tmp_path / "result.json")


def test_refuses_a_folder_without_result(tmp_path):
    with pytest.raises(ValueError, match=r"`directory` must hold result\.json.*Received"):
        load_result(tmp_path)


@pytest.mark.parametrize("text", ["", "not json", '{"format": '])
def test_refuses_what_is_not_json(tmp_path, text):
    save(text, tmp_path)
    with pytest.raises(ValueError, match=r"must be a JSON file.*result\.json"):
        load_result(tmp_path)


def test_refuses_what_is_not_text(tmp_path):
    (tmp_path / "result.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="must be a JSON file"):
        load_result(tmp_path)


def test_refuses_another_type(tmp_path):
    save("[1, 2]", tmp_path)
    with pytest.raises(TypeError, match=r"must be the dict.*a list in .*result\.json"):
        load_result(tmp_path)


CHANGES = [
    ({"format": "someone else's"}, 'format="someone else\'s"'),
    ({"format": None}, "format=None"),
    ({"format": "keras_efficient result 2"}, "'keras_efficient result 1'.*result 2"),
    ({"best": None}, "`best`.*best=None"),
    ({"stages": None}, "`stages`"),
    ({"stages": [1]}, "`stages`"),
    ({"stages": [{"mode": "float"}]}, "`trials`"),
    ({"stages": [{"trials": [None]}]}, "`trials`"),
]


@pytest.mark.parametrize(("change", "message"), CHANGES)
def test_refuses_another_shape(tmp_path, change, message):
    save(json.dumps(report_samples.bare_result() | change), tmp_path)
    with pytest.raises(ValueError, match=message) as caught:
        load_result(tmp_path)
    assert os.fspath(tmp_path) in str(caught.value)


def test_an_error_is_one_line(tmp_path):
    save("{}", tmp_path)
    with pytest.raises(ValueError) as caught:
        load_result(tmp_path)
    assert "\n" not in str(caught.value)


def test_integers_of_400_digits_do_no_harm(full_result, tmp_path):
    def huge(value):
        if isinstance(value, dict):
            return {key: huge(item) for key, item in value.items()}
        if isinstance(value, list):
            return [huge(item) for item in value]
        return 10**400 if isinstance(value, int | float) and not isinstance(value, bool) else value

    kept = {"format": full_result["format"]}
    save(json.dumps({**huge(full_result), **kept}), tmp_path)
    write_report(load_result(tmp_path), tmp_path / "report.html")


def test_refuses_what_is_no_plain_file(tmp_path):
    os.mkfifo(tmp_path / "result.json")
    with pytest.raises(ValueError, match="`directory` must hold result.json"):
        load_result(tmp_path)


def test_refuses_deep_lists(tmp_path):
    save("[" * 200_000, tmp_path)
    with pytest.raises(ValueError, match="more than 100 lists or objects in one another"):
        load_result(tmp_path)
