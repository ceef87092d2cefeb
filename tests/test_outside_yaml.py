"""YAML of strangers: of a bounded size with all aliases written out, and data only."""

import pytest

from keras_efficient import outside_yaml
from keras_efficient.outside_yaml import read_yaml


def read(tmp_path, text):
    (tmp_path / "file.yaml").write_text(text)
    return read_yaml(tmp_path / "file.yaml", "study")


def aliases(form, first, levels):
    names = [f"n{number}" for number in range(levels)]
    lines = [f"n0: &n0 {first}"]
    lines += [f"{b}: &{b} {form % ', '.join([f'*{a}'] * 9)}" for a, b in zip(names, names[1:], strict=False)]
    return "\n".join(lines)


@pytest.mark.parametrize("form, first", [("[%s]", "[1]"), ("{<<: [%s]}", "{x: 1}"), ("{a: [%s]}", "{x: 1}")])
def test_aliases_of_aliases_are_refused(form, first, tmp_path):
    assert len(read(tmp_path, aliases(form, first, 3))) == 3
    with pytest.raises(ValueError, match=r"file\.yaml is no study: it holds more than 100,000 values"):
        read(tmp_path, aliases(form, first, 9))


def test_values_are_counted_while_they_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(outside_yaml, "MOST_VALUES", 10)
    monkeypatch.setattr(outside_yaml, "_written_out", lambda *arguments: 0)  # which counts them, too, but later
    assert read(tmp_path, "[1, 2, 3, 4, 5, 6, 7, 8, 9]")
    with pytest.raises(ValueError, match="it holds more than"):
        read(tmp_path, "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]")


@pytest.mark.parametrize("text", ["[" * 150 + "]" * 150, "[" * 100_000, "- " * 2_000, "? " * 2_000])
def test_depth(text, tmp_path):
    with pytest.raises(ValueError, match=r"file\.yaml is no study: it holds more than 100 lists or objects"):
        read(tmp_path, text)


@pytest.mark.parametrize(
    "text, message",
    [
        ("!!python/object/apply:os.system [x]", "file.yaml is not YAML: could not determine a constructor"),
        ("!!timestamp x", "file.yaml is no study: "),
        ("!!bool x", "file.yaml is no study: "),
        ("!!int ''", "file.yaml is no study: "),
        ("!!float x", "file.yaml is no study: "),
        ("a: \0", "file.yaml is not YAML: unacceptable character"),
        ("- [", "file.yaml is not YAML: .* in line 1"),
    ],
)
def test_what_is_wrong_is_one_line(text, message, tmp_path):
    with pytest.raises(ValueError, match=message) as refused:
        read(tmp_path, text)
    assert "\n" not in str(refused.value)
