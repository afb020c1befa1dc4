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
from portal.connections.models import ConsentRequest, CredentialTest, FixLink
from portal.jobs.models import ApplicantSubscription, SavedView
from portal.members.models import Invitation
from portal.sync.models import Application, StageName

# Open to anybody, each with its reason where it is declared (portal.accounts.access.public_view).
PUBLIC_URL_NAMES = {
    "home",
    "favicon",
    "jobs:unsubscribe",
    "healthz",
    "metrics",
    "readyz",
    "robots",
    "account_login",
    "account_logout",
    "openid_connect_callback",
    "openid_connect_login",
    "single_sign_on",
    "members:accept_invitation",
    "notifications:email_events",
    "notifications:recent_emails",
    "webhooks:receive",
    "onboarding:fix",
}
METHOD_NOT_ALLOWED = 405  # refused before the view sees the request
UrlArguments = dict[tuple[str, str], Any]


def create_url_arguments(application: Application, owner: Membership) -> UrlArguments:
    """What each parameter means: the application, its job, and what its owner made of them.

    By the address's name and the parameter's; "" stands for every other address of a room.
    """
    batch = Batch.objects.create(membership=owner, job=application.job, kind="advance")
    action = ApplicationAction.objects.create(
        membership=owner, application=application, kind="advance", status="failed"
    )
    view = SavedView.objects.create(membership=owner, name=f"{application.pk}", query="mine=1")
    subscription = ApplicantSubscription.objects.create(
        membership=owner, view=view, frequency="daily", due_at=timezone.now()
    )
    invitation = Invitation.objects.create(
        organization=owner.organization,
        email=f"{uuid4().hex}@acme.example",
        digest=uuid4().hex,
        email_status="sent",
        expires_at=timezone.now() + timedelta(days=1),
    )
    link = FixLink.objects.create(
        connection=application.connection,
        digest=uuid4().hex,
        permissions=[],
        expires_at=timezone.now() + timedelta(days=1),
    )
    credential_test = CredentialTest.objects.create(
        connection=application.connection, membership=owner, kind="harvest_key"
    )
    consent_request = ConsentRequest.objects.create(
        connection=application.connection,
        membership=owner,
        digest=uuid4().hex,
        session_digest="",
        verifier="",
    )
    of_action = ("cancel_action", "undo_action", "retry_action", "dismiss_action")
    of_batch = ("batch", "cancel_batch", "undo_batch", "retry_batch")
    return {
        ("applications:", "job_pk"): application.job_id,
        ("applications:", "pk"): application.pk,
        **{(f"applications:{name}", "pk"): action.pk for name in of_action},
        **{(f"applications:{name}", "pk"): batch.pk for name in of_batch},
        ("decisions:", "job_pk"): application.job_id,
        ("jobs:", "job_pk"): application.job_id,
        ("jobs:update_saved_view", "pk"): view.pk,
        ("jobs:copy_view", "pk"): view.pk,
        ("jobs:subscribe_to_view", "pk"): view.pk,
        ("jobs:delete_subscription", "pk"): subscription.pk,
        ("members:update_member", "pk"): owner.pk,
        ("privacy:", "pk"): owner.pk,
        ("members:revoke_invitation", "pk"): invitation.pk,
        ("members:resend_invitation", "pk"): invitation.pk,
        ("onboarding:retest_permission", "key"): "jobs.list",
        ("onboarding:rotate", "action"): "switch",
        ("onboarding:revoke_fix_link", "pk"): link.pk,
        ("onboarding:credential_test", "pk"): credential_test.pk,
        ("onboarding:authorization_progress", "pk"): consent_request.pk,
    }


def build_urls(rows: UrlArguments) -> dict[str, str]:
    """Every address of ours once, by its name."""
    return {
        name: reverse(
            name, kwargs={p: _get_argument(rows, name, p) for p in entry.pattern.converters}
        )
        for name, entry in _iterate_portal_patterns(get_resolver())
        if name not in PUBLIC_URL_NAMES
    }


def build_admin_urls() -> dict[str, str]:
    """Every address of the Django admin, about row 1 where it asks for one."""
    values_by_name = {"object_id": "1", "app_label": "sync", "content_type_id": 1, "url": "x"}
    urls = {}
    for name, entry in _iterate_patterns(get_resolver(), ""):
        if name.startswith("admin:"):
            arguments = {p: values_by_name.get(p, 1) for p in entry.pattern.regex.groupindex}
            urls[name] = reverse(name, kwargs=arguments) if arguments else reverse(name)
    return urls


def iterate_url_patterns() -> Iterator[tuple[str, URLPattern]]:
    """Every named address, whoever made its view."""
    return _iterate_patterns(get_resolver(), "")


def _get_argument(rows: UrlArguments, name: str, parameter: str) -> Any:
    room = name.split(":")[0] + ":"
    for key in ((name, parameter), (room, parameter)):
        if key in rows:
            return rows[key]
    return pytest.fail(
        f"tests/portal/url_crawler.py does not know what “{parameter}” of {name} means"
    )


def _iterate_portal_patterns(resolver: URLResolver) -> Iterator[tuple[str, URLPattern]]:
    for name, entry in _iterate_patterns(resolver, ""):
        if not name.startswith("admin:") and not _is_allauth_page(entry):
            yield name, entry


def _iterate_patterns(resolver: URLResolver, room: str) -> Iterator[tuple[str, URLPattern]]:
    for entry in resolver.url_patterns:
        if isinstance(entry, URLResolver):
            yield from _iterate_patterns(entry, f"{entry.namespace}:" if entry.namespace else room)
        elif entry.name:
            yield f"{room}{entry.name}", entry


def _is_allauth_page(entry: URLPattern) -> bool:
    """Pages about the reader's own account, which show nothing else."""
    return entry.callback.__module__.startswith("allauth.") and entry.name not in PUBLIC_URL_NAMES


def build_query(about: Application) -> dict[str, Any]:
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


def build_list_queries(about: Application) -> list[dict[str, Any]]:
    """One after the other, what would find the thing among the requisitions."""
    stage = StageName.objects.filter(name=about.stage.name if about.stage else "").first()
    return [
        build_query(about),
        {"q": str(about.candidate)[:-1]},
        {"stage": stage.pk if stage else 1, "status": "open"},
        {"min_active": 2, "sort": "-active"},
    ]


def iterate_responses(client: Client, address: str, about: Application) -> Iterator[Any]:
    """What the address answers: read and written, whole and in part, and asked for the thing."""
    is_job_list = address in {reverse("jobs:list"), reverse("jobs:export_csv")}
    queries = build_list_queries(about) if is_job_list else [build_query(about)]
    yield from iterate_pages(client, address, queries, HTTP_HX_REQUEST="true")
    response = client.post(address, {})
    yield response
    if response.status_code != METHOD_NOT_ALLOWED:
        yield client.post(address, {}, HTTP_HX_REQUEST="true")


def iterate_pages(
    client: Client, address: str, queries: list[dict[str, Any]], **headers: str
) -> Iterator[Any]:
    """The page without a query and then with each, unless the address is not there to be read."""
    response = client.get(address)
    yield response
    if response.status_code != METHOD_NOT_ALLOWED:
        for query in queries:
            yield client.get(address, query, **headers)
