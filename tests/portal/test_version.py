"""The portal's version has one value, which staff and operators can read."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from portal import __version__
from tests.personas import Personas

PROJECT = Path(__file__).resolve().parents[2]


def test_version_is_that_of_project_and_changelog() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    newest = re.search(r"^## \[(\d+\.\d+\.\d+)\]", (PROJECT / "CHANGELOG.md").read_text(), re.M)
    assert newest
    assert __version__ == project["version"] == newest[1]


def test_command_prints_version_without_settings() -> None:
    command = [sys.executable, "-m", "portal", "--version"]
    output = subprocess.run(  # noqa: S603  (our own command)
        command, cwd=PROJECT, env={}, capture_output=True, check=True
    ).stdout
    assert output.decode() == f"portal {__version__}\n"


def test_footer_shows_version_to_staff_only(personas: Personas, sign_in) -> None:
    version = f"Version {__version__}".encode()
    assert version in sign_in(personas.cas).get("/admin/").content
    assert version not in sign_in(personas.ada).get("/activity-log/").content
