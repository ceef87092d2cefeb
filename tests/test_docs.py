"""The pages in docs/: their Python runs from top to bottom, and so do the commands they show."""

import re
from pathlib import Path

import keras
import pytest

_DOCS = Path(__file__).parents[1] / "docs"
_PAGES = ["bring_your_own_model", "from_qkeras"]


def _blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", (_DOCS / f"{page}.md").read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.mark.parametrize("page", _PAGES)
def test_the_code_of_a_page_runs(page, tmp_path, monkeypatch, command, capsys):
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(0)
    blocks, variables = _blocks(page, "python"), {}
    assert blocks
    for number, block in enumerate(blocks, start=1):
        exec(compile(block, f"{page}.md, block {number}", "exec"), variables)
    for line in "".join(_blocks(page, "sh")).splitlines():
        if "litert" in line and keras.backend.backend() != "tensorflow":
            continue
        program, *arguments = line.split()
        assert program == "keras-efficient"
        code, _, errors = command(*arguments)
        assert code == 0, errors


@pytest.mark.parametrize("page", _PAGES)
def test_links_lead_somewhere(page):
    text = (_DOCS / f"{page}.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)]+)\)", text):
        name, _, anchor = target.partition("#")
        linked = (_DOCS / name).read_text(encoding="utf-8")
        headings = {
            line.lstrip("# ").strip().lower().replace(" ", "-") for line in linked.splitlines() if line[:1] == "#"
        }
        assert not anchor or anchor in headings
