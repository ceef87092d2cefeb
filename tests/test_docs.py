"""The pages of docs/: their Python runs, and the API pages name all that is public."""

import inspect
import re
from pathlib import Path

import pytest

import keras_efficient as ke

_DOCS = Path(__file__).parents[1] / "docs"
# Other pages show packages that need not be there: their own tests run them.
_PAGES = sorted(path.name for path in _DOCS.glob("*.md") if path.name != "from_tfmot.md")


@pytest.mark.parametrize("page", _PAGES)
def test_the_python_of_a_page_runs(page):
    variables = {}
    for block in re.findall(r"```python\n(.*?)```", (_DOCS / page).read_text(encoding="utf-8"), flags=re.DOTALL):
        exec(block, variables)


def test_every_public_name_has_its_place():
    pages = "".join(path.read_text(encoding="utf-8") for path in (_DOCS / "api").glob("*.md"))
    named = set(re.findall(r"^::: keras_efficient\.(\w+)$", pages, flags=re.MULTILINE))
    public = {name for name in ke.__all__ if not inspect.ismodule(getattr(ke, name)) and name != "__version__"}
    assert named == public
