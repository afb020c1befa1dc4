"""Scorecards' private notes: Greenhouse hands them to a Site Admin's credential, we to nobody."""

from __future__ import annotations

import ast
from pathlib import Path

import integrations.greenhouse
from integrations.greenhouse.sandbox import Sandbox
from integrations.greenhouse.sandbox.dataset.generation.sample_values import PRIVATE_NOTE
from portal.sync.models import Application
from tests import tables
from tests.personas import Personas
from tests.portal import url_crawler


def test_private_notes_are_never_stored_or_shown(
    connect, personas: Personas, sandbox: Sandbox, sign_in, run_tasks, production_log
) -> None:
    connect()
    scorecards = [row for row in sandbox.dataset().scorecards if row.private_notes]
    application = (
        Application.objects.filter(remote_id__in=[row.application_id for row in scorecards])
        .filter(status="active", job__status="open", candidate__private=False)
        .select_related("job", "stage", "candidate", "connection")
        .first()
    )
    assert application is not None
    urls = url_crawler.build_urls(url_crawler.create_url_arguments(application, personas.ada))
    ada = sign_in(personas.ada)
    pages = [ada.get(url) for url in urls.values()]
    run_tasks()
    shown = b"".join(page.getvalue() for page in pages)
    assert str(application.candidate).encode() in shown
    assert PRIVATE_NOTE.encode() not in shown
    assert not tables.is_text_stored(PRIVATE_NOTE)
    assert PRIVATE_NOTE not in production_log()


def test_client_has_no_field_for_private_notes() -> None:
    """Dropped at the door: a field that is not decoded reaches nothing behind it."""
    folder = Path(integrations.greenhouse.__file__).parent
    client_files = [p for p in folder.rglob("*.py") if "sandbox" not in p.relative_to(folder).parts]
    assert len(client_files) > 20
    names = {
        getattr(node, "id", None) or getattr(node, "attr", None) or getattr(node, "value", None)
        for path in client_files
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (ast.Name, ast.Attribute, ast.Constant))
    }
    assert not {name for name in names if isinstance(name, str) and "private_note" in name}
