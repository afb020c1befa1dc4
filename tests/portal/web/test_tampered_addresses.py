"""Paging parameters that were tampered with, or are somebody else's: no 500, and no foreign row."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlencode

import pytest
from django.core import signing
from django.test import Client
from django.urls import reverse

from portal.applications.models import ApplicationAction, Batch
from portal.applications.views import activity
from portal.onboarding.views import people
from portal.sync.models import Application
from tests.personas import Personas

ODD_VALUES = [
    "", "0", "-1", "1e3", "１２", "NaN", "é", "\0", "a\0b", "\ufeff2", "%ED%A0%80", "../..", "null",
    "9" * 19, "9" * 400, "x" * 5000, "A" * 12, "W10:1abc:xyz", "[" * 2000, ".eJw:1tK:x",
    "2026-11-29T10:00:00+00:00", "0001-01-01T00:00:00", "9999-12-31T23:59:59.999999-14:00",
    signing.dumps([1, 2], salt="another list"), signing.dumps({"a": 1}, salt="list:1:activity"),
]  # fmt: skip

STRIDE = 8


@pytest.fixture
def lists(connect, personas: Personas) -> dict[str, tuple[str, str, tuple[str, ...]]]:
    """Each list: whose page, its address, and the parameters by which it is paged."""
    connect()
    application = Application.objects.filter(status="active", job__status="open").first()
    batch = Batch.objects.create(membership=personas.ada, job=application.job, kind="advance")
    visit = ("page", "visit", "first")
    user_visit = tuple(f"{people.USER_LIST_PREFIX}{name}" for name in visit)
    job = [application.job_id]
    customer = [personas.ada.organization_id]
    return {
        "requisitions": ("ada", reverse("jobs:list"), visit),
        "applications": ("ada", reverse("applications:job_detail", args=job), visit),
        "activity": ("ada", reverse("applications:my_activity"), visit),
        "batch": ("ada", reverse("applications:batch", args=[batch.pk]), visit),
        "batch preview": (
            "ada",
            f"{reverse('applications:start_batch', args=job)}?kind=advance&all_matching=1",
            ("matching", "stage", "status", "selected"),
        ),
        "review": ("ada", reverse("applications:reviews"), ()),
        "people": ("ada", reverse("onboarding:people"), (*visit, *user_visit)),
        "audit log": ("ada", reverse("audit:log"), ("before",)),
        "sync history": ("ada", reverse("onboarding:sync"), ("page", "before")),
        "webhooks": ("ada", reverse("webhooks:setup"), ("page", "version")),
        "timeline": (
            "ola",
            reverse("admin:accounts_organization_summary", args=customer),
            ("before", "kind"),
        ),
        **{
            f"admin {name}": (
                "ola",
                reverse(f"admin:{name}_changelist"),
                ("p", "o", "all", "q", "e", "_to_field"),
            )
            for name in ("webhooks_delivery", "sync_syncrun", "audit_entry", "issues_issue")
        },
    }


@pytest.mark.slow("asks every list for odd pages")
def test_odd_paging_values_are_never_a_500(lists, personas: Personas, sign_in) -> None:
    failed = []
    for name, (person, address, parameters) in lists.items():
        client = sign_in(getattr(personas, person))
        client.raise_request_exception = False
        # Thinned: each parameter of each list gets some of the values in turn.
        for query in list(_build_queries(parameters))[len(name) % STRIDE :: STRIDE]:
            separator = "&" if "?" in address else "?"
            response = client.get(f"{address}{separator}{query}")
            if response.status_code not in (200, 302, 400, 404, 422):
                failed.append((name, query[:80], response.status_code))
    assert failed == []


def _build_queries(parameters: tuple[str, ...]) -> Iterator[str]:
    for parameter in parameters:
        for value in ODD_VALUES:
            yield urlencode({parameter: value})
        yield f"{parameter}=%ED%A0%80&{parameter}=%FF"
    for value in ODD_VALUES:  # all at once, and on a later page
        yield urlencode(dict.fromkeys(parameters, value))
        yield urlencode({name: "2" if name.endswith("page") else value for name in parameters})


def _find_next_query(client: Client, address: str) -> dict[str, str]:
    link = re.search(r'href="\?([^"]*)"[^>]*rel="next"', client.get(address).content.decode())
    assert link is not None
    return dict(parse_qsl(link[1].replace("&amp;", "&")))


def _tamper(query: dict[str, str]) -> Iterator[dict[str, str]]:
    for name in ("visit", "first"):
        value = query[name]
        for place in (0, len(value) // 2, len(value) - 1):
            changed = "A" if value[place] != "A" else "B"
            yield query | {name: value[:place] + changed + value[place + 1 :]}
        yield query | {name: value[:-1]}
        yield {key: text for key, text in query.items() if key != name}


def test_foreign_and_tampered_pages_show_own_rows_only(
    lists, personas: Personas, sign_in, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity, "PER_PAGE", 2)
    applications = list(Application.objects.filter(candidate__private=False, job__status="open"))
    for application in applications[:5]:
        ApplicationAction.objects.create(
            membership=personas.ada, application=application, kind="advance", status="done"
        )
    address = reverse("applications:my_activity")
    query = _find_next_query(sign_in(personas.ada), address)
    names = [str(application.candidate) for application in applications[:5]]
    for person in (personas.sam, personas.zoe):
        reader = sign_in(person)
        for variant in (query, *_tamper(query)):
            response = reader.get(address, variant)
            assert response.status_code in (200, 302, 404)
            assert not [name for name in names if name in response.content.decode()]
    ada = sign_in(personas.ada)
    assert all(ada.get(address, variant).status_code == 200 for variant in _tamper(query))


def test_foreign_page_of_people_shows_own_people_only(
    lists, personas: Personas, sign_in, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "PAGE_SIZE", 2)
    address = reverse("onboarding:people")
    query = _find_next_query(sign_in(personas.ada), address)
    zoe = sign_in(personas.zoe)
    for variant in (query, *_tamper(query)):
        assert "@acme.example" not in zoe.get(address, variant).content.decode()
