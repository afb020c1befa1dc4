"""Rules that hold for the whole tree."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
TASK = re.compile(r"portal(\.\w+)*\.tasks\.\w+")


def _sources(folder: str) -> Iterator[Path]:
    return (path for path in (PROJECT / folder).rglob("*.py") if "migrations" not in path.parts)


def _texts_in(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


TASKS = sorted(
    {text for path in _sources("portal") for text in _texts_in(path) if TASK.fullmatch(text)}
)


@pytest.mark.parametrize("path", TASKS)
def test_every_task_that_is_queued_is_there(path: str) -> None:
    module, name = path.rsplit(".", 1)
    assert callable(getattr(import_module(module), name, None)), path


COMMANDS = sorted(
    path.stem
    for path in PROJECT.glob("portal/*/management/commands/*.py")
    if not path.stem.startswith("_")
)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_test(command: str) -> None:
    tests = [path for path in _sources("tests") if path != Path(__file__)]
    assert any(command in set(_texts_in(path)) for path in tests), f"no test calls {command}"


def _tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"],  # noqa: S607  (whichever git there is)
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git clone: what is part of the project cannot be told")
    return [PROJECT / name for name in listed.stdout.split("\0") if name]


SECRETS = {
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY"),
    "a cloud key": re.compile(r"\bAKIA[0-9A-Z]{16}\b"),
    "a token": re.compile(r"\b(?:ghp|gho|github_pat|glpat|xox[abp])[_-][0-9A-Za-z_-]{20,}"),
    "a password in an address": re.compile(
        r"\w+://[\w.-]+:(?!password@|secret@|pass@)[^@\s/\"'{$]+@"
    ),
}


def test_no_secret_is_kept_in_the_tree() -> None:
    found = []
    for path in _tracked():
        if path.suffix in {".lock", ".woff2", ".png", ".css", ".svg"} or not path.is_file():
            continue
        text = path.read_text(errors="replace")
        found += [f"{path}: {what}" for what, pattern in SECRETS.items() if pattern.search(text)]
    assert found == []
