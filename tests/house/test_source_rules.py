"""Rules for the whole source tree."""

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


def _list_sources(folder: str) -> Iterator[Path]:
    return (path for path in (PROJECT / folder).rglob("*.py") if "migrations" not in path.parts)


def _read_texts(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


TASKS = sorted(
    {
        text
        for path in _list_sources("portal")
        if TASK.search(path.read_text())  # parsing every file would delay each collection
        for text in _read_texts(path)
        if TASK.fullmatch(text)
    }
)


@pytest.mark.parametrize("path", TASKS)
def test_queued_task_exists(path: str) -> None:
    module, name = path.rsplit(".", 1)
    assert callable(getattr(import_module(module), name, None)), path


COMMANDS = sorted(
    path.stem
    for path in PROJECT.glob("portal/*/management/commands/*.py")
    if not path.stem.startswith("_")
)


@pytest.mark.parametrize("command", COMMANDS)
def test_command_has_a_test(command: str) -> None:
    tests = [path for path in _list_sources("tests") if path != Path(__file__)]
    naming = (path for path in tests if command in path.read_text())
    assert any(command in set(_read_texts(path)) for path in naming), f"no test calls {command}"


def test_tasks_and_commands_are_collected() -> None:
    assert len(TASKS) > 10
    assert len(COMMANDS) > 5


def _list_tracked_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"],  # noqa: S607  (any git on the path)
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git clone, so the tracked files are unknown")
    return [PROJECT / name for name in listed.stdout.split("\0") if name]


SECRETS = {
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY"),
    "a cloud key": re.compile(r"\bAKIA[0-9A-Z]{16}\b"),
    "a token": re.compile(r"\b(?:ghp|gho|github_pat|glpat|xox[abp])[_-][0-9A-Za-z_-]{20,}"),
    "a password in an address": re.compile(
        r"(?<=\w)://[\w.-]+:(?!password@|secret@|pass@)[^@\s/\"'{$]+@"
    ),
}


def test_tree_contains_no_secret() -> None:
    findings = []
    for path in _list_tracked_files():
        if path.suffix in {".lock", ".woff2", ".png", ".css", ".svg"} or not path.is_file():
            continue
        text = path.read_text(errors="replace")
        findings += [f"{path}: {what}" for what, pattern in SECRETS.items() if pattern.search(text)]
    assert findings == []


# Errors of our own database and Redis are about no record.
LOGS_OF_OUR_OWN_SERVERS = {"portal/core"}


def _find_logged_errors(path: Path) -> Iterator[int]:
    """Lines where a logger is given a caught error itself, whose text may quote a record."""
    for handler in ast.walk(ast.parse(path.read_text())):
        if not isinstance(handler, ast.ExceptHandler) or not handler.name:
            continue
        for call in ast.walk(handler):
            if isinstance(call, ast.Call) and ast.unparse(call.func).startswith("logger."):
                parts = [
                    part.value if isinstance(part, ast.FormattedValue) else part
                    for argument in call.args
                    for part in (argument, *getattr(argument, "values", ()))
                ]
                if any(isinstance(part, ast.Name) and part.id == handler.name for part in parts):
                    yield call.lineno


def test_logs_describe_errors_without_their_text() -> None:
    findings = [
        f"{path.relative_to(PROJECT)}:{line}"
        for folder in ("portal", "integrations")
        for path in _list_sources(folder)
        if not any(f"/{place}/" in str(path) for place in LOGS_OF_OUR_OWN_SERVERS)
        for line in _find_logged_errors(path)
    ]
    assert findings == [], "log describe_error(error) instead"
