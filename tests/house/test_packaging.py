"""The lock file, and what the Dockerfile takes from the repository."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parents[2]
REGISTRY = "https://pypi.org/simple"
DOWNLOADS = "https://files.pythonhosted.org/packages/"


def load_toml(name: str) -> dict[str, Any]:
    return tomllib.loads((PROJECT / name).read_text())


# -- uv.lock -----------------------------------------------------------------------------------


def test_lock_names_only_pypi_with_hashes() -> None:
    for package in load_toml("uv.lock")["package"]:
        assert package["source"] in ({"registry": REGISTRY}, {"virtual": "."}), package["name"]
        files = [*package.get("wheels", []), *filter(None, [package.get("sdist")])]
        assert files or package["source"] == {"virtual": "."}
        for file in files:
            assert file["url"].startswith(DOWNLOADS), file["url"]
            assert file["hash"].startswith("sha256:"), file["url"]


def test_lock_matches_pyproject() -> None:
    project = load_toml("pyproject.toml")
    (locked,) = (p for p in load_toml("uv.lock")["package"] if p["source"] == {"virtual": "."})
    metadata = locked["metadata"]
    assert _format_requirements(metadata["requires-dist"]) == _normalize_requirements(
        project["project"]["dependencies"]
    ), "run make lock"
    assert {
        group: _format_requirements(requirements)
        for group, requirements in metadata["requires-dev"].items()
    } == {
        group: _normalize_requirements(requirements)
        for group, requirements in project["dependency-groups"].items()
    }, "run make lock"


def _format_requirements(requirements: Iterable[dict[str, Any]]) -> set[tuple[str, ...]]:
    return {
        (item["name"], *sorted(item.get("extras", [])), item.get("specifier", ""))
        for item in requirements
    }


def _normalize_requirements(requirements: Iterable[str]) -> set[tuple[str, ...]]:
    pattern = re.compile(r"(?P<name>[\w.-]+)(?:\[(?P<extras>[^\]]+)\])?(?P<specifier>.*)")
    normalized = set()
    for requirement in requirements:
        match = pattern.fullmatch(requirement)
        assert match, requirement
        extras = sorted(match["extras"].split(",")) if match["extras"] else []
        normalized.add((match["name"], *extras, match["specifier"]))
    return normalized


def test_makefile_and_dockerfile_use_same_uv() -> None:
    makefile = re.search(r"^UV_VERSION := (\S+)$", (PROJECT / "Makefile").read_text(), re.M)
    dockerfile = re.search(r" uv==(\S+)", (PROJECT / "Dockerfile").read_text())
    assert makefile
    assert dockerfile
    assert makefile[1] == dockerfile[1]


# -- Dockerfile and .dockerignore --------------------------------------------------------------


def list_copy_sources(dockerfile: str) -> Iterator[str]:
    """Yield what COPY and ADD take from the build context, not from another stage or the web."""
    lines = (line for line in dockerfile.splitlines() if not line.lstrip().startswith("#"))
    for instruction in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        name, _, rest = instruction.strip().partition(" ")
        if name.upper() not in {"COPY", "ADD"}:
            continue
        flags = re.match(r"(?:--\S+\s+)*", rest.lstrip())
        arguments = rest.lstrip()[flags.end() if flags else 0 :]
        if flags and "--from=" in flags[0]:
            continue
        operands = json.loads(arguments) if arguments.startswith("[") else shlex.split(arguments)
        yield from (operand for operand in operands[:-1] if "://" not in operand)


def is_ignored(path: str, patterns: Iterable[str]) -> bool:
    """Apply .dockerignore's rules: the last pattern that matches the path or a parent decides."""
    paths = [str(parent) for parent in PurePosixPath(path).parents if str(parent) != "."]
    ignored = False
    for line in patterns:
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        negated = pattern.startswith("!")
        regex = _compile_pattern(pattern.removeprefix("!"))
        if any(regex.fullmatch(candidate) for candidate in (path, *paths)):
            ignored = not negated
    return ignored


def _compile_pattern(pattern: str) -> re.Pattern[str]:
    """Translate Go's filepath.Match, with `**` for any number of folders."""
    tokens = {
        "**/": "(?:.*/)?",
        "**": ".*",
        "*": "[^/]*",
        "?": "[^/]",
    }
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[\^?[^\]]+\])", pattern.strip("/"))
    return re.compile(
        "".join(
            tokens.get(part) or (part if re.fullmatch(r"\[.+\]", part) else re.escape(part))
            for part in parts
        )
    )


SOURCES = sorted(set(list_copy_sources((PROJECT / "Dockerfile").read_text())))


@pytest.mark.parametrize("source", SOURCES)
def test_copied_source_reaches_the_image(source: str) -> None:
    patterns = (PROJECT / ".dockerignore").read_text().splitlines()
    matches = [path.relative_to(PROJECT).as_posix() for path in PROJECT.glob(source)]
    assert matches, f"{source} does not exist"
    for path in matches:
        assert not is_ignored(path, patterns), f".dockerignore leaves out {path}"


def test_dockerfile_sources_found() -> None:
    dockerfile = (
        "FROM a AS b\n"
        "# COPY comment /\n"
        "COPY --from=b /environment /environment\n"
        "COPY --chown=1:1 one.py \\\n  # two.py is next\n  two.py ./\n"
        'ADD ["with space.txt", "/srv/"]\n'
        "ADD https://example.com/file /srv/\n"
        "RUN echo COPY three.py ./\n"
    )
    assert list(list_copy_sources(dockerfile)) == ["one.py", "two.py", "with space.txt"]


@pytest.mark.parametrize(
    ("path", "patterns", "ignored"),
    [
        ("docs/runbook.md", ["*"], True),
        ("docs/runbook.md", ["*", "!docs/runbook.md"], False),
        ("docs/other.md", ["*", "!docs/runbook.md"], True),
        ("docs/runbook.md", ["*", "!docs", "docs/*.md"], True),
        ("docs/a/b.md", ["docs/*.md"], False),
        ("docs/a/b.md", ["docs/**/*.md"], True),
        ("docs/b.md", ["docs/**/*.md"], True),
        ("portal", ["*", "!portal/"], False),
        ("portal/core/x.py", ["*", "!portal/"], False),
        ("portal/__pycache__/x.pyc", ["*", "!portal/", "**/__pycache__"], True),
        ("portal/x.py", ["# portal", "", "/portal"], True),
        ("portal/x.py", ["portal/?.py", "!portal/[a-w].py"], True),
        ("portal/b.py", ["portal/?.py", "!portal/[a-w].py"], False),
    ],
)
def test_dockerignore_last_match_decides(path: str, patterns: list[str], ignored: bool) -> None:
    assert is_ignored(path, patterns) is ignored
