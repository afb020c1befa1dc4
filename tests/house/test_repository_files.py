"""The files that contributors look for name commands and paths that exist."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
GUIDES = ("README.md", "CONTRIBUTING.md", "SECURITY.md")
FILES_THAT_TOOLS_READ = {
    ".dockerignore",
    ".gitignore",
    ".github/zizmor.yml",
    "CONTRIBUTING.md",
    "gunicorn.conf.py",
    "manage.py",
}
TARGETS = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.M))
TARGET = re.compile(r"(?:^|`)make ((?:[a-z-]+ ?)+)", re.M)
PATH = re.compile(r"`((?:portal|integrations|templates|tests|docs|\.ci|\.devcontainer)/[\w./-]*)`")
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)")


@pytest.mark.parametrize("guide", GUIDES)
def test_guide_names_targets_of_makefile(guide: str) -> None:
    named = {target for match in TARGET.findall(_read(guide)) for target in match.split()}
    assert named - TARGETS == set()


def test_every_file_at_the_top_has_its_place_in_the_guide() -> None:
    tracked = subprocess.run(
        ["git", "ls-files"],  # noqa: S607
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    files = {path for path in tracked if "/" not in path or path.startswith(".github/")}
    linked = LINK.findall(_read("CONTRIBUTING.md"))
    listed = {path for path in files if any(path.startswith(link) for link in linked)}
    assert files - listed <= FILES_THAT_TOOLS_READ


@pytest.mark.parametrize("guide", GUIDES)
def test_guide_names_existing_paths(guide: str) -> None:
    paths = PATH.findall(_read(guide)) + LINK.findall(_read(guide))
    missing = [path for path in paths if not (PROJECT / path).exists()]
    assert [path for path in missing if not path.startswith(("var/", "artifacts/"))] == []


def test_workflows_run_scripts_of_repository() -> None:
    workflows = "".join(path.read_text() for path in PROJECT.glob(".github/workflows/*.yml"))
    scripts = set(re.findall(r"run: (\.ci/\w+)", workflows))
    assert scripts == {".ci/run", ".ci/image"}
    assert all((PROJECT / script).stat().st_mode & 0o111 for script in scripts)
    assert set(re.findall(r"run: make ([a-z-]+)", workflows)) <= TARGETS


def test_pre_commit_runs_what_check_runs() -> None:
    hooks = re.findall(r"entry: make ([a-z-]+)", _read(".pre-commit-config.yaml"))
    assert set(hooks) <= TARGETS


def test_python_version_is_the_same_everywhere() -> None:
    version = _read(".python-version").strip()
    assert f'requires-python = ">={version}"' in _read("pyproject.toml")
    assert f"FROM python:{version}-" in _read("Dockerfile")
    assert f"container: python:{version}-" in _read(".github/workflows/ci.yml")
    image = json.loads(_read(".devcontainer/devcontainer.json"))["image"]
    assert f":{version}-" in image


def _read(name: str) -> str:
    return (PROJECT / name).read_text()
