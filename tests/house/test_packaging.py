"""The lock file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
REGISTRY = "https://pypi.org/simple"
DOWNLOADS = "https://files.pythonhosted.org/packages/"


def load_toml(name: str) -> dict[str, Any]:
    return tomllib.loads((PROJECT / name).read_text())


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
