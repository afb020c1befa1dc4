"""The import contracts of pyproject.toml: they hold, and each can break."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import grimp
import pytest

PROJECT = Path(__file__).resolve().parents[2]
CONTRACTS = {
    contract["id"]: contract["name"]
    for contract in tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
}
# A forbidden import for each contract: the file, and what it must not say.
FORBIDDEN = {
    "rooms": ("portal/core/queue.py", "import portal.jobs.views"),
    "inside-a-room": ("portal/applications/models.py", "import portal.applications.forms"),
    "views": ("portal/applications/perform.py", "import portal.applications.views"),
    "forms": ("portal/onboarding/journey.py", "import portal.onboarding.forms"),
    "tasks": ("portal/applications/perform.py", "import portal.applications.tasks"),
    "plain-python": ("integrations/ats/types.py", "import django.conf"),
    "port": ("integrations/ats/types.py", "import integrations.http.client"),
    "dialects": ("integrations/greenhouse/harvest_v1.py", "from . import harvest_v3"),
    "sandbox": ("portal/connections/open.py", "import integrations.greenhouse.sandbox"),
    "vendors": ("portal/connections/open.py", "import integrations.greenhouse.provider"),
    "queue": ("portal/applications/perform.py", "import django_q.tasks"),
    "http": ("integrations/greenhouse/scopes.py", "import httpx"),
}


def _lint(folder: Path) -> str:
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(  # noqa: S603  (our own tool)
        [program, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False
    ).stdout


def test_nobody_looks_through_a_wall() -> None:
    said = _lint(PROJECT)
    assert f"Contracts: {len(CONTRACTS)} kept, 0 broken" in said, said


def test_every_wall_gives_the_alarm(tmp_path: Path) -> None:
    for package in ("portal", "integrations"):
        shutil.copytree(
            PROJECT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    assert set(FORBIDDEN) == set(CONTRACTS), "every contract needs an example of what breaks it"
    for path, line in FORBIDDEN.values():
        with (tmp_path / path).open("a") as file:
            file.write(f"\n{line}\n")
    said = _lint(tmp_path)
    for name in CONTRACTS.values():
        assert f"{name} BROKEN" in said, said


@pytest.fixture(scope="module")
def imports() -> grimp.ImportGraph:
    return grimp.build_graph("portal", exclude_type_checking_imports=True, cache_dir=None)


def test_models_know_no_other_file_of_their_room(imports: grimp.ImportGraph) -> None:
    for room in imports.find_children("portal"):
        models = f"{room}.models"
        if models in imports.modules:
            upwards = imports.find_modules_directly_imported_by(models)
            assert not {name for name in upwards if name.startswith(f"{room}.")}, models
