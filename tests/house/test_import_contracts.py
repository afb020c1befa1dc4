"""The import contracts of pyproject.toml hold, and each can break."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from graphlib import CycleError, TopologicalSorter
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
# A forbidden import for each contract: the file, and the import it must not contain.
FORBIDDEN = {
    "packages": ("portal/core/queue.py", "import portal.jobs.views.requisitions"),
    "inside-a-package": ("portal/applications/models.py", "import portal.applications.forms"),
    "views": ("portal/applications/actions/perform.py", "import portal.applications.views.review"),
    "forms": ("portal/applications/review/sessions.py", "import portal.applications.forms.move"),
    "tasks": ("portal/applications/actions/perform.py", "import portal.applications.tasks"),
    "plain-python": ("integrations/ats/types.py", "import django.conf"),
    "port": ("integrations/ats/types.py", "import integrations.http.client"),
    "dialects": ("integrations/greenhouse/client/harvest_v1.py", "from . import harvest_v3"),
    "sandbox": ("portal/connections/client.py", "import integrations.greenhouse.sandbox"),
    "doors": ("portal/connections/client.py", "import integrations.greenhouse.client.base"),
    "queue": ("portal/applications/actions/perform.py", "import django_q.tasks"),
    "documents": ("portal/applications/resumes/resume.py", "import docx"),
    "http": ("integrations/greenhouse/oauth/scopes.py", "import httpx"),
}


def _run_linter(folder: Path) -> str:
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(  # noqa: S603  (our own tool)
        [program, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False
    ).stdout


def test_import_contracts_hold() -> None:
    output = _run_linter(PROJECT)
    assert f"Contracts: {len(CONTRACTS)} kept, 0 broken" in output, output


def test_each_import_contract_can_break(tmp_path: Path) -> None:
    for package in ("portal", "integrations"):
        shutil.copytree(
            PROJECT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    assert set(FORBIDDEN) == set(CONTRACTS), "every contract needs an import that breaks it"
    for path, line in FORBIDDEN.values():
        with (tmp_path / path).open("a") as file:
            file.write(f"\n{line}\n")
    output = _run_linter(tmp_path)
    for name in CONTRACTS.values():
        assert f"{name} BROKEN" in output, output


@pytest.fixture(scope="module")
def imports() -> grimp.ImportGraph:
    return grimp.build_graph("portal", exclude_type_checking_imports=True, cache_dir=None)


def test_models_import_nothing_of_their_app(imports: grimp.ImportGraph) -> None:
    for app in imports.find_children("portal"):
        models = f"{app}.models"
        if models in imports.modules:
            imported = imports.find_modules_directly_imported_by(models)
            assert not {name for name in imported if name.startswith(f"{app}.")}, models


def _check_acyclic(graph: grimp.ImportGraph) -> None:
    """Raises CycleError."""
    TopologicalSorter(
        {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    ).prepare()


def test_no_import_cycles() -> None:
    graph = grimp.build_graph("portal", "integrations", cache_dir=None)  # type checking included
    _check_acyclic(graph)
    graph.add_import(
        importer="integrations.ats.oauth_tokens", imported="integrations.ats.client_context"
    )
    with pytest.raises(CycleError):
        _check_acyclic(graph)
