"""write_report: one file, valid, self-contained, the same each time, never half written."""

import os
import re

import pytest
from report import report_samples
from report.html_reader import Page

from keras_efficient.report import write_report


def written(result, folder) -> str:
    write_report(result, folder / "report.html")
    return (folder / "report.html").read_text(encoding="utf-8")


def test_is_valid_html_that_loads_nothing_and_leaves_the_result_alone(any_result, tmp_path):
    before = repr(any_result)
    text = written(any_result, tmp_path)
    assert repr(any_result) == before
    page = Page(text)
    assert text.startswith("<!DOCTYPE html>")
    assert len(page.ids) == len(set(page.ids)), "an id stands twice"
    assert [tag for tag, _ in page.tags].count("h1") == 1
    assert "http:" not in text and "https:" not in text
    assert "@import" not in text and "@font-face" not in text
    assert not {"script", "link", "img", "iframe", "object", "embed"} & {t for t, _ in page.tags}
    targets = page.links + [f"#{name}" for name in re.findall(r"url\(#([^)]*)\)", text)]
    assert all(target.startswith("#") and target[1:] in page.ids for target in targets)
    assert len(re.findall(r"url\(", text)) == len(re.findall(r"url\(#", text))


def test_plots_are_inline(full_page):
    tags = [tag for tag, _ in full_page.tags]
    assert tags.count("svg") == 9  # loss, accuracy and selection of three stages


def test_plots_follow_the_style_sheet(full_result, tmp_path):
    text = written(full_result, tmp_path)
    used = set(re.findall(r"var\((--\w+)\)", text))
    assert {"--chosen", "--other", "--failed", "--ink"} <= used
    assert all(text.count(f"{name}: #") == 2 for name in used)  # light and dark
    assert "#0102" not in text  # a stand-in colour that was not replaced


def test_same_result_gives_same_bytes(full_result, tmp_path):
    import matplotlib

    first = written(full_result, tmp_path)
    with matplotlib.rc_context({"svg.hashsalt": "other", "xtick.major.size": 20}):
        assert written(report_samples.full_result(), tmp_path) == first


def test_leaves_matplotlib_alone(full_result, tmp_path):
    import matplotlib

    with matplotlib.rc_context({"font.size": 33, "svg.hashsalt": "other"}):
        before = dict(matplotlib.rcParams)
        written(full_result, tmp_path)
        assert dict(matplotlib.rcParams) == before


def test_escapes_text(full_result, tmp_path):
    evil = '<b>&"x"</b><script>alert(1)</script>'
    full_result["dataset"]["name"] = full_result["rule"] = full_result["best"]["path"] = evil
    full_result["storage"]["layers"][1]["name"] = evil
    full_result["diagnostics"][0]["layer"] = full_result["versions"][evil] = evil
    full_result["network"][0][0] = full_result["stages"][0]["mode"] = evil
    full_result["stages"][0]["trials"][2]["reason"] = evil
    full_result["stages"][1]["trials"][1]["scales"][0]["layer"] = evil
    page = Page(written(full_result, tmp_path))
    tags = {tag for tag, _ in page.tags}
    assert "script" not in tags
    assert page.text.count(evil) >= 10


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_failing_write_leaves_the_old_page(full_result, tmp_path, monkeypatch, function):
    (tmp_path / "report.html").write_text("the old page")

    def fail(*arguments):
        raise OSError("no space left")

    monkeypatch.setattr(os, function, fail)
    with pytest.raises(OSError, match="no space left"):
        write_report(full_result, tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text() == "the old page"
    assert os.listdir(tmp_path) == ["report.html"]


def test_accepts_a_string_path(bare_result, tmp_path):
    write_report(bare_result, str(tmp_path / "page.html"))
    assert (tmp_path / "page.html").stat().st_size > 1000


@pytest.mark.parametrize("path", [None, 3, b"report.html"])
def test_refuses_what_is_no_path(bare_result, path):
    with pytest.raises(TypeError, match=r"`path`.*Received: path="):
        write_report(bare_result, path)


def test_refuses_a_missing_folder(bare_result, tmp_path):
    with pytest.raises(ValueError, match=r"`path` must lie in an existing folder.*nowhere"):
        write_report(bare_result, tmp_path / "nowhere" / "report.html")


def test_refuses_what_is_no_result(tmp_path):
    with pytest.raises(TypeError, match="a list"):
        write_report([], tmp_path / "report.html")
    assert os.listdir(tmp_path) == []
