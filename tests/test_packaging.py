"""What pyproject.toml and its companions say of the package."""

import re
import tomllib
from pathlib import Path

import yaml

import keras_efficient as ke

_ROOT = Path(__file__).parents[1]
_FILE = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))
_URL = _FILE["project"]["urls"]["Repository"]
_README = (_ROOT / "README.md").read_text(encoding="utf-8")
_SUFFIXES = {".md", ".py", ".yml", ".yaml", ".toml", ".cff", ".ipynb", ".json", ".c", ".h"}
_FOLDERS = (".github", "docs", "keras_efficient", "models", "notebooks", "results", "scripts", "tests")


def _index_page():
    """README.md as a package index shows it: what the build does with it."""
    text = _README
    for change in _FILE["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]["substitutions"]:
        text = re.sub(change["pattern"], change["replacement"], text)
    return text


def _blocks(text):
    return re.findall(r"```.*?```", text, flags=re.DOTALL)


def test_links_of_the_index_page_are_absolute():
    links = re.findall(r"\]\(([^)\s]+)\)", _index_page())
    assert len(links) == len(re.findall(r"\]\(", _README)) > 10
    for link in links:
        assert link.startswith(("https://", "#")), link
        if link.startswith(_URL):
            kind, branch, path = link.removeprefix(f"{_URL}/").split("/", 2)
            assert (_ROOT / path.split("#")[0]).exists(), link
            assert (kind, branch) == ("raw" if path.endswith(".png") else "blob", "main")


def test_the_readme_keeps_its_relative_links_and_its_code():
    assert _URL not in _README
    assert _blocks(_index_page()) == _blocks(_README)


def test_one_place_names_the_repository():
    assert all(url.startswith(_URL) for url in _FILE["project"]["urls"].values())
    paths = [path for path in _ROOT.iterdir() if path.is_file()]
    paths += [path for folder in _FOLDERS for path in (_ROOT / folder).rglob("*")]
    texts = {path.relative_to(_ROOT): path.read_text(encoding="utf-8") for path in paths if path.suffix in _SUFFIXES}
    owner, name = _URL.split("/")[-2:]
    found = {path.name for path, text in texts.items() if f"{owner}/{name}" in text}
    assert found == {"pyproject.toml", "mkdocs.yml", "CITATION.cff"}
    for address in re.findall(r"https://github\.com/[^/'\"]+/[^/'\"\s]+", (_ROOT / "pyproject.toml").read_text()):
        assert address == _URL


def test_the_site_and_the_citation_agree_with_it():
    site = (_ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert re.search(r"^repo_url: (.*)$", site, flags=re.MULTILINE).group(1) == _URL
    citation = yaml.safe_load((_ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (citation["repository-code"], str(citation["version"])) == (_URL, ke.__version__)
    assert citation["license"] == _FILE["project"]["license"]
    assert [author["name"] for author in citation["authors"]] == [a["name"] for a in _FILE["project"]["authors"]]


def test_the_changelog_has_this_version():
    versions = re.findall(r"^## (\S+)", (_ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert versions[0] == "Unreleased" and ke.__version__ in versions


def test_the_docs_say_which_keras_it_takes():
    low, high = next(
        re.fullmatch(r"keras>=([\d.]+),<(\d+)", line).groups() for line in _FILE["project"]["dependencies"][:1]
    )
    text = (_ROOT / "docs/index.md").read_text(encoding="utf-8")
    first, last = re.search(r"tested with Keras ([\d.]+) to ([\d.]+)", text).groups()
    assert first == low and int(last.split(".")[0]) < int(high)
