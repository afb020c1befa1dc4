"""Every address of the portal, with rows of Acme's in it, for tests that walk them all.

A new address is walked by itself. A parameter that nobody has named here fails loudly: say what it
means, so that the walk asks for something that is there and is not the walker's.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from portal.accounts.models import Membership
from portal.applications.models import ApplicationAction, Batch
from portal.connections.models import FixLink
from portal.jobs.models import SavedView
from portal.members.models import Invitation
from portal.mirror.models import Application, StageName

# Open to anybody, each with its reason where it is declared (portal.accounts.access.public).
OPEN = {
    "home",
    "healthz",
    "metrics",
    "readyz",
    "account_login",
    "account_logout",
    "single_sign_on",
    "members:accept",
    "webhooks:receive",
    "onboarding:fix",
}
Rows = dict[tuple[str, str], Any]


def rows_of(application: Application, owner: Membership) -> Rows:
    """What each parameter means: the application, its job, and what its owner made of them.

    By the address's name and the parameter's; "" stands for every other address of a room.
    """
    batch = Batch.objects.create(membership=owner, job=application.job, kind="advance")
    action = ApplicationAction.objects.create(
        membership=owner, application=application, kind="advance", status="failed"
    )
    view = SavedView.objects.create(membership=owner, name=f"{application.pk}", query="mine=1")
    invitation = Invitation.objects.create(
        organization=owner.organization,
        email=f"{uuid4().hex}@acme.example",
        digest=uuid4().hex,
        mail="sent",
        expires_at=timezone.now() + timedelta(days=1),
    )
    link = FixLink.objects.create(
        connection=application.connection,
        digest=uuid4().hex,
        permissions=[],
        expires_at=timezone.now() + timedelta(days=1),
    )
    of_action = ("withdraw", "take_back", "again", "dismiss")
    of_batch = ("batch", "withdraw_batch", "take_back_batch", "retry_batch")
    return {
        ("applications:", "job_pk"): application.job_id,
        ("applications:", "pk"): application.pk,
        **{(f"applications:{name}", "pk"): action.pk for name in of_action},
        **{(f"applications:{name}", "pk"): batch.pk for name in of_batch},
        ("jobs:", "job_pk"): application.job_id,
        ("jobs:change_view", "pk"): view.pk,
        ("members:change", "pk"): owner.pk,
        ("members:revoke", "pk"): invitation.pk,
        ("members:resend", "pk"): invitation.pk,
        ("onboarding:test_one", "key"): "jobs.list",
        ("onboarding:rotate", "deed"): "switch",
        ("onboarding:revoke_link", "pk"): link.pk,
    }


def addresses(rows: Rows) -> dict[str, str]:
    """Every address of ours once, by its name."""
    return {
        name: reverse(name, kwargs={p: _row(rows, name, p) for p in entry.pattern.converters})
        for name, entry in _named(get_resolver())
        if name not in OPEN
    }


def admin_addresses() -> dict[str, str]:
    """Every address of the Django admin, about row 1 where it asks for one."""
    known = {"object_id": "1", "app_label": "mirror", "content_type_id": 1, "url": "x"}
    found = {}
    for name, entry in _entries(get_resolver(), ""):
        if name.startswith("admin:"):
            asked = {p: known.get(p, 1) for p in entry.pattern.regex.groupindex}
            found[name] = reverse(name, kwargs=asked) if asked else reverse(name)
    return found


def entries() -> Iterator[tuple[str, URLPattern]]:
    """Every named address, whoever made its view."""
    return _entries(get_resolver(), "")


def _row(rows: Rows, name: str, parameter: str) -> Any:
    room = name.split(":")[0] + ":"
    for key in ((name, parameter), (room, parameter)):
        if key in rows:
            return rows[key]
    return pytest.fail(f"tests/portal/walk.py does not know what “{parameter}” of {name} means")


def _named(resolver: URLResolver) -> Iterator[tuple[str, URLPattern]]:
    for name, entry in _entries(resolver, ""):
        if not name.startswith("admin:") and not _is_allauths(entry):
            yield name, entry


def _entries(resolver: URLResolver, room: str) -> Iterator[tuple[str, URLPattern]]:
    for entry in resolver.url_patterns:
        if isinstance(entry, URLResolver):
            yield from _entries(entry, f"{entry.namespace}:" if entry.namespace else room)
        elif entry.name:
            yield f"{room}{entry.name}", entry


def _is_allauths(entry: URLPattern) -> bool:
    """Pages about the reader's own account, which show nothing else."""
    return entry.callback.__module__.startswith("allauth.") and entry.name not in OPEN


def probe(about: Application) -> dict[str, Any]:
    """What lists, searches, counts and explanations take, all at once.

    Words are cut short: a page that repeats what was asked is not one that tells something.
    """
    assert about.job is not None
    return {
        "q": about.job.name[:-1],
        "job": about.job.remote_id,
        "about": 1,
        "status": "",
        "stage": about.stage_id or 1,
        "department": about.job.department_id or 1,
    }


def probes(about: Application) -> list[dict[str, Any]]:
    """One after the other, what would find the thing among the requisitions."""
    stage = StageName.objects.filter(name=about.stage.name if about.stage else "").first()
    return [
        probe(about),
        {"q": str(about.candidate)[:-1]},
        {"stage": stage.pk if stage else 1, "status": "open"},
        {"least": 2, "sort": "-active"},
    ]


def answers(client: Client, address: str, about: Application) -> Iterator[Any]:
    """What the address answers: read and written, whole and in part, and asked for the thing."""
    yield client.get(address)
    of_list = address in {reverse("jobs:list"), reverse("jobs:export")}
    for asked in probes(about) if of_list else [probe(about)]:
        yield client.get(address, asked, HTTP_HX_REQUEST="true")
    yield client.post(address, {})
    yield client.post(address, {}, HTTP_HX_REQUEST="true")
