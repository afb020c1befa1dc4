"""Where the entry cannot be written, the action did not happen: every POST route is tried."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import transaction
from django.test import Client, TestCase
from django.urls import reverse

from portal.accounts.models import Membership, Organization, User
from portal.connections.models import Connection
from portal.issues import service
from portal.issues.models import Issue
from portal.sync.models import Application
from tests import tables
from tests.personas import Personas
from tests.portal import url_crawler

# Who is signed in, when the portal was last used, what Greenhouse was asked.
UNRELATED = {"sessions.Session", "usersessions.UserSession", "accounts.ActivityPeriod",
             "connections.ApiCall", "mfa.Authenticator"}  # fmt: skip
UNRELATED_COLUMNS = {"last_active_at": None, "last_login": None}
BODY = {
    "email": "nia@acme.example",
    "role": "recruiter",
    "permissions": "applications.reject",
    "sure": "on",
    "confirm": "Acme",
    "name": "Acme",
    "slug": "acme-2",
    "reason": "A ticket",
    "post": "yes",
    "note": "On it",
    "user": "0",
}
# Routes that must have reached their entry, so that the walk proves something.
EXPECTED = {
    "members:list",
    "members:revoke_invitation",
    "members:resend_invitation",
    "onboarding:pause",
    "admin:accounts_organization_change",
}


def _read_rows() -> dict[str, list[Any]]:
    unrelated = {apps.get_model(label)._meta.db_table for label in UNRELATED}
    names = set(tables.list_filled_tables(tables.list_tables())) - unrelated
    return {
        name: [dict(zip(columns, row, strict=True)) | UNRELATED_COLUMNS for row in rows]
        for name, (columns, rows) in tables.read_tables(names).items()
    }


def _list_changes(before: dict[str, list[Any]]) -> list[str]:
    after = _read_rows()
    return [name for name in before | after if before.get(name) != after.get(name)]


def _list_routes(personas: Personas) -> Iterator[tuple[Membership | User, str, str]]:
    application = Application.objects.filter(status="active").select_related("job").first()
    urls = url_crawler.build_urls(url_crawler.create_url_arguments(application, personas.ada))
    yield from ((personas.ada, name, url) for name, url in urls.items())
    acme = personas.ada.organization_id
    rows = {Organization: acme, User: personas.uma.user_id, Membership: personas.uma.pk}
    for model, _ in admin.site._registry.items():
        row = rows.get(model) or getattr(model._default_manager.first(), "pk", None)
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        if row:
            for page in ("change", "delete"):
                yield personas.ola, f"{name}_{page}", reverse(f"{name}_{page}", args=[row])
        yield personas.ola, f"{name}_add", reverse(f"{name}_add")
    for key in ("check", "sync", "pause", "resume"):
        url = reverse("admin:accounts_organization_run_action", args=[acme, key])
        yield personas.ola, f"admin:run_action {key}", url
    url = reverse("admin:start_impersonation", args=[personas.remy.pk])
    yield personas.cas, "admin:start_impersonation", url


@pytest.mark.slow("posts to every route of the portal and of the admin")
def test_failed_entry_undoes_every_action(connect, personas: Personas, sign_in, settings) -> None:
    connect()
    service.open_issue(
        personas.ada.organization,
        Issue.Cause.MISSING_PERMISSION,
        title="t", description="d", severity=Issue.Severity.WARNING,
        fixer=Issue.Fixer.GREENHOUSE_ADMIN,
    )  # fmt: skip
    routes = list(_list_routes(personas))
    assert Connection.objects.exists()
    clients: dict[Any, Client] = {}
    failed, incomplete = set(), {}
    settings.AUDIT_KEYS = []  # nothing can be sealed
    for person, _, _ in routes:
        if person.pk not in clients:
            clients[person.pk] = sign_in(person)
            clients[person.pk].raise_request_exception = False
    before = _read_rows()
    for person, name, url in routes:
        with transaction.atomic():  # taken back, so that each finds the same rows
            with TestCase.captureOnCommitCallbacks(execute=True):
                status = clients[person.pk].post(url, BODY).status_code
            if status == 500:
                failed.add(name)
                if changes := _list_changes(before):
                    incomplete[name] = changes
            transaction.set_rollback(True)
    assert not incomplete, "\n".join(f"{name}: {changes}" for name, changes in incomplete.items())
    assert failed >= EXPECTED, sorted(failed)
