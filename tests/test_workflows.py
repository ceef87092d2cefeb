"""The hosted workflows run the Makefile's targets, on the versions that pyproject.toml allows."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

_ROOT = Path(__file__).parents[1]
_PROJECT = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
_WORKFLOWS = {path.stem: yaml.safe_load(path.read_text()) for path in (_ROOT / ".github/workflows").glob("*.yml")}
_JOBS = [job for workflow in _WORKFLOWS.values() for job in workflow["jobs"].values()]
_TARGETS = set(re.search(r"^\.PHONY: (.*)$", (_ROOT / "Makefile").read_text(), flags=re.MULTILINE).group(1).split())


def _commands(job):
    """What the steps of a job run, once per target of its matrix."""
    for target in job["strategy"]["matrix"].get("target", [""]):
        for step in job["steps"]:
            if "run" in step:
                yield step["run"].replace("${{ matrix.target }}", target)


def _made(job):
    return [target for command in _commands(job) for target in re.findall(r"^make (\S+)", command)]


def _lowest(name):
    return next(re.match(rf"{name}>=([\d.]+)", line).group(1) for line in _PROJECT["dependencies"] if name in line)


def _pythons():
    low, high = map(int, re.fullmatch(r">=3\.(\d+),<3\.(\d+)", _PROJECT["requires-python"]).groups())
    return [f"3.{minor}" for minor in range(low, high)]


def test_they_run_targets_of_the_makefile_and_the_steps_of_the_local_check():
    local = (_ROOT / ".ci/run").read_text()
    for job in _JOBS:
        assert _made(job)
        for command in _commands(job):
            assert command.startswith("make ") or re.search(r"install -y (.*)", command).group() in local
    hosted = {target for job in _JOBS for target in _made(job)}
    assert hosted <= _TARGETS
    wanted = set(re.findall(r"^make (\S+)", local, flags=re.MULTILINE)) - {"test-backends"}
    assert wanted | {"test-jax", "test-torch", "test-oldest"} <= hosted


def test_pythons_are_those_of_the_package():
    tested = [version for job in _JOBS for version in job["strategy"]["matrix"].get("python", [])]
    classified = [line.rsplit(" ", 1)[1] for line in _PROJECT["classifiers"] if "Python :: 3." in line]
    assert tested == classified == _pythons()
    for job in _JOBS:
        setup = next(step for step in job["steps"] if step.get("uses", "").startswith("actions/setup-python"))
        assert setup["with"]["python-version"] in {*_pythons(), "${{ matrix.python }}"}


def test_the_oldest_packages_are_those_of_the_package():
    shown = subprocess.run(["make", "-n", "test-oldest"], cwd=_ROOT, capture_output=True, text=True).stdout
    assert f"keras=={_lowest('keras')} tensorflow=={_lowest('tensorflow')}" in shown


def test_the_newest_keras_is_tried_every_night():
    nightly = _WORKFLOWS["nightly"]
    assert nightly[True]["schedule"]  # YAML 1.1 reads the key `on` as true
    assert all("--pre --upgrade keras" in command for job in nightly["jobs"].values() for command in _commands(job))


@pytest.mark.parametrize("name", _WORKFLOWS)
def test_actions_have_a_version_and_may_only_read(name):
    workflow = _WORKFLOWS[name]
    uses = [step["uses"] for job in workflow["jobs"].values() for step in job["steps"] if "uses" in step]
    assert uses and all(re.fullmatch(r"actions/[\w-]+@v\d+", action) for action in uses)
    assert workflow["permissions"] == {"contents": "read"}


def test_a_commit_is_checked_by_the_same_ruff():
    hooks = yaml.safe_load((_ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    revision = next(repository["rev"] for repository in hooks if "ruff" in repository["repo"])
    assert f"ruff=={revision.removeprefix('v')}" in _PROJECT["optional-dependencies"]["dev"]


@pytest.mark.parametrize("path", sorted((_ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")), ids=lambda path: path.stem)
def test_a_form_for_issues_is_whole(path):
    form = yaml.safe_load(path.read_text())
    assert form["name"] and form["description"]
    identifiers = [field["id"] for field in form["body"]]
    assert len(set(identifiers)) == len(identifiers)
    assert all(field["attributes"]["label"] for field in form["body"])
