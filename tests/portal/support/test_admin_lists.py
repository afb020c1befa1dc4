"""Admin lists with very many rows: filters, search and bounded queries."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from portal.accounts.models import Membership, Organization, User
from portal.applications.models import ApplicationAction
from portal.audit.entries import record_entry
from portal.connections.models import ApiCall, CheckRun, Connection, Credential
from portal.notifications import notify
from portal.support.admin import base
from portal.support.customers import timeline
from portal.sync.models import Application
from tests.factories import ConnectionFactory, MembershipFactory
from tests.personas import Personas
from tests.portal.entitlements import synced_data

REQUESTS = reverse("admin:connections_apicall_changelist")
RECORD = reverse("admin:audit_entry_changelist")
NOTICES = reverse("admin:notifications_notification_changelist")


def _add_call(connection: Connection, path: str = "/v3/jobs", **overrides: Any) -> ApiCall:
    fields = {"status": 200, "lane": "sync", "milliseconds": 1, "method": "GET", **overrides}
    return ApiCall.objects.create(connection=connection, at=timezone.now(), path=path, **fields)


@pytest.fixture
def acme(personas: Personas) -> Connection:
    return ConnectionFactory(organization=personas.ada.organization, state="live")


@pytest.fixture
def other(personas: Personas) -> Connection:
    return ConnectionFactory(organization=personas.zoe.organization, state="live")


@pytest.fixture
def ola(personas: Personas, sign_in) -> Client:
    client: Client = sign_in(personas.ola)
    return client


def _read_table(client: Client, address: str, **filters: object) -> str:
    """The body of the list's table."""
    page = client.get(address, filters)
    assert page.status_code == 200
    table = re.search(r"<tbody>.*</tbody>", page.content.decode(), re.DOTALL)
    return table[0] if table else ""


def test_list_filters_by_customer(acme: Connection, other: Connection, ola: Client) -> None:
    _add_call(acme, "/v3/acmes")
    _add_call(other, "/v3/others")
    assert "/v3/others" in _read_table(ola, REQUESTS)
    for filters in ({"customer": acme.organization_id}, {"customer_name": "acm"}):
        table = _read_table(ola, REQUESTS, **filters)
        assert ("/v3/acmes" in table, "/v3/others" in table) == (True, False)
    no_match_page = ola.get(REQUESTS, {"customer_name": "umbrella"}).content.decode()
    assert "No customers match “umbrella”." in no_match_page
    assert "/v3/acmes" not in no_match_page


def test_customer_filter_keeps_other_filters(acme: Connection, ola: Client) -> None:
    page = ola.get(REQUESTS, {"outcome": "limited", "customer": acme.organization_id})
    form = re.search(
        r'<form class="support-customer-search".*?</form>', page.content.decode(), re.DOTALL
    )
    assert form
    assert '<input type="hidden" name="outcome" value="limited">' in form[0]
    assert 'name="customer"' not in form[0], "a typed name replaces it"


def test_customer_page_links_open(connect, personas: Personas, sign_in) -> None:
    connect()
    cas = sign_in(personas.cas)
    customer_url = reverse(
        "admin:accounts_organization_summary", args=[personas.ada.organization_id]
    )
    links = set(re.findall(r'href="(/admin/[^"#]+)', cas.get(customer_url).content.decode()))
    assert len(links) > 10
    for address in links:
        answer = cas.get(address.replace("&amp;", "&"))
        assert answer.status_code == 200, address


def test_request_found_by_id_or_path_part(acme: Connection, ola: Client) -> None:
    _add_call(acme, "/v3/one", trace="a1b2c3")
    _add_call(acme, "/v3/two", request_id="theirs-77")
    for query, path in (("a1b2c3", "one"), (" theirs-77 ", "two"), ("/one", "one")):
        table = _read_table(ola, REQUESTS, q=query)
        assert [name for name in ("one", "two") if f"/v3/{name}" in table] == [path]
    assert _read_table(ola, REQUESTS, q="a1b2") == ""


@pytest.mark.parametrize(
    ("filters", "paths"),
    [
        ({"outcome": "refused"}, {"/403"}),
        ({"outcome": "limited"}, {"/429"}),
        ({"outcome": "broken"}, {"/503"}),
        ({"outcome": "unanswered"}, {"/None"}),
        ({"outcome": "trouble"}, {"/403", "/429", "/503", "/None"}),
        ({"outcome": "well"}, {"/200"}),
        ({"lane": "people"}, {"/200"}),
    ],
)
def test_requests_filtered_by_outcome_and_lane(
    acme: Connection, ola: Client, filters: dict[str, str], paths: set[str]
) -> None:
    for status in (200, 403, 429, 503, None):
        _add_call(acme, f"/{status}", status=status, lane="people" if status == 200 else "sync")
    assert set(re.findall(r">(/\w+)<", _read_table(ola, REQUESTS, **filters))) == paths


def test_search_limited_to_newest_rows_without_customer(
    acme: Connection, personas: Personas, ola: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "SEARCHED_ROWS", 2)
    organization = acme.organization
    for number in range(4):
        record_entry("a.deed", f"moved number {number}", organization=organization)
        notify.notify_users(
            [personas.ada.user], organization, key=f"{number}", subject=f"No. {number}", body=""
        )
        _add_call(acme, f"/number/{number}")
    for address, query in ((RECORD, "moved"), (NOTICES, "No."), (REQUESTS, "/number")):
        assert _read_table(ola, address, q=query).count("<tr>") == 2
        assert _read_table(ola, address, q=query, customer=organization.pk).count("<tr>") == 4


def test_log_filters_by_verb_and_customer(acme: Connection, other: Connection, ola: Client) -> None:
    record_entry("a.deed", "did this", organization=acme.organization)
    record_entry("b.deed", "did that", organization=acme.organization)
    record_entry("c.deed", "did much", organization=other.organization)
    record_entry("d.deed", "did ours", organization=None)
    page = ola.get(RECORD, {"customer": acme.organization_id}).content.decode()
    assert re.findall(r"verb=(\w\.deed)", page) == ["a.deed", "b.deed"]
    table = _read_table(ola, RECORD, customer=acme.organization_id, verb="b.deed")
    assert ("did this" in table, "did that" in table) == (False, True)
    internal = _read_table(ola, RECORD, customer="none")
    assert ("did ours" in internal, "did much" in internal) == (True, False)


def test_long_list_is_not_counted_to_its_end(
    acme: Connection, ola: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "MAX_COUNTED", 100)
    for _ in range(120):
        _add_call(acme)
    page = ola.get(REQUESTS, {"customer": acme.organization_id}).content.decode()
    assert re.search(r"more than 100\s+API requests", page)
    assert "p=2" in page
    assert "p=3" not in page


def test_list_query_count_independent_of_rows(
    acme: Connection, personas: Personas, ola: Client
) -> None:
    def count_queries(rows: int) -> dict[str, int]:
        """Add this many rows to each list and count the queries of each."""
        for number in range(rows):
            record_entry("a.deed", "did it", organization=acme.organization, by=personas.ada.user)
            key = f"{rows}:{number}"
            notify.notify_users(
                [personas.ada.user], acme.organization, key=key, subject="s", body="w"
            )
            _add_call(acme)
        counts = {}
        for address in (REQUESTS, RECORD, NOTICES):
            with CaptureQueriesContext(database) as queries:
                ola.get(address, {"customer": acme.organization_id})
            counts[address] = len(queries)
        return counts

    count_queries(1)
    assert count_queries(2) == count_queries(12)


def test_timeline_looks_further_back_only_when_sparse(connect, personas: Personas, sign_in) -> None:
    connect()
    cas, remy = sign_in(personas.cas), personas.remy
    customer_url = reverse("admin:accounts_organization_summary", args=[remy.organization_id])
    application = Application.objects.first()
    for days in (1, 30, 300):
        ApplicationAction.objects.create(
            application=application,
            membership=remy,
            kind="advance",
            status="done",
            queued_at=timezone.now() - timedelta(days=days),
            settled_at=timezone.now(),
        )

    def read_timeline() -> tuple[str, int]:
        with CaptureQueriesContext(database) as queries:
            page = cas.get(customer_url, {"kind": "action"}).content.decode()
        return page, len([q for q in queries if "applicationaction" in str(q["sql"])])

    page, sparse_queries = read_timeline()
    assert page.count("1 × ") == 3
    ApplicationAction.objects.bulk_create(
        ApplicationAction(
            application=application,
            membership=remy,
            kind="advance",
            status="done",
            queued_at=timezone.now() - timedelta(hours=hours),
            settled_at=timezone.now(),
        )
        for hours in range(timeline.PAGE_SIZE + 1)
    )
    page, dense_queries = read_timeline()
    assert page.count("1 × ") >= timeline.PAGE_SIZE - 1
    assert dense_queries == sparse_queries - 2


def _add_members(personas: Personas, number: int) -> None:
    for index in range(number):
        user = User.objects.create(email=f"p{index:03}@acme.example", name=f"Zz {index:03}")
        MembershipFactory(user=user, organization=personas.ada.organization)


def test_every_member_reachable_among_many(connect, personas: Personas, sign_in) -> None:
    connect()
    _add_members(personas, 260)
    acme, cas = personas.ada.organization, sign_in(personas.cas)
    page = cas.get(reverse("admin:accounts_organization_summary", args=[acme.pk])).content.decode()
    assert "200 of 267" in page
    members_url = f"{reverse('admin:accounts_membership_changelist')}?customer={acme.pk}"
    assert f'href="{members_url}"' in page
    assert "Zz 259" not in page
    table = _read_table(cas, members_url, q="Zz 259", customer=acme.pk)
    last = Membership.objects.get(user__name="Zz 259")
    assert f'href="{reverse("admin:start_impersonation", args=[last.pk])}"' in table
    assert f"{reverse('admin:sync_job_access_check')}?email=p259%40acme.example" in table
    assert "Zoe" not in _read_table(cas, members_url, customer=acme.pk)
    assert "p=2" in cas.get(members_url).content.decode()


def test_large_customer_can_be_renamed(personas: Personas, sign_in) -> None:
    _add_members(personas, 260)
    acme, cas = personas.ada.organization, sign_in(personas.cas)
    page = reverse("admin:accounts_organization_change", args=[acme.pk])
    with CaptureQueriesContext(database) as queries:
        assert cas.get(page).status_code == 200
    assert len(queries) < 20
    assert cas.post(page, {"name": "Acme renamed", "slug": acme.slug}).status_code == 302
    assert Organization.objects.get(pk=acme.pk).name == "Acme renamed"


def test_new_member_form_preselects_customer(personas: Personas, sign_in) -> None:
    acme = personas.ada.organization
    add = reverse("admin:accounts_membership_add")
    page = sign_in(personas.cas).get(add, {"_changelist_filters": f"customer={acme.pk}"})
    assert f'<option value="{acme.pk}" selected>Acme</option>' in page.content.decode()


@pytest.mark.parametrize("page", ["connection", "people", "checks"])
def test_page_query_count_independent_of_rows(
    acme: Connection, personas: Personas, ola: Client, page: str
) -> None:
    credential = Credential.objects.create(connection=acme, kind="harvest_oauth", secret="s")
    address = {
        "connection": reverse("admin:connections_connection_change", args=[acme.pk]),
        "people": reverse("admin:accounts_membership_changelist"),
        "checks": reverse("admin:connections_checkrun_changelist"),
    }[page]

    def count_queries(rows: int) -> int:
        for number in range(rows):
            user = User.objects.create(email=f"p{rows}-{number}@acme.example")
            MembershipFactory(user=user, organization=acme.organization)
            CheckRun.objects.create(
                connection=acme, credential=credential, status="done", requested_by=user
            )
        with CaptureQueriesContext(database) as queries:
            assert ola.get(address).status_code == 200
        return len(queries)

    count_queries(1)
    assert count_queries(2) == count_queries(30)


def test_connection_page_shows_newest_checks(acme: Connection, ola: Client) -> None:
    credential = Credential.objects.create(connection=acme, kind="harvest_oauth", secret="s")
    for number in range(25):
        CheckRun.objects.create(
            connection=acme, credential=credential, failure=f"No. {number:02}", status="failed"
        )
    page = ola.get(reverse("admin:connections_connection_change", args=[acme.pk])).content.decode()
    assert re.findall(r"No\. \d\d", page) == [f"No. {n:02}" for n in range(24, 4, -1)]


JOBS = reverse("admin:sync_job_changelist")


def test_confidential_job_found_by_id_and_never_named(
    acme: Connection, personas: Personas, ola: Client, sign_in
) -> None:
    secret = synced_data.create_job(
        acme, "Takeover lawyer", confidential=True, requisition_id="T-77"
    )
    synced_data.create_job(acme, "Tax lawyer", requisition_id="T-78")
    job_args = {"args": [secret.pk]}
    for client in (ola, sign_in(personas.cas)):
        pages = [
            client.get(JOBS),
            client.get(JOBS, {"q": secret.remote_id}),
            client.get(reverse("admin:sync_job_change", **job_args)),
            client.get(reverse("admin:sync_job_history", **job_args)),
        ]
        for page in pages:
            text = page.content.decode()
            assert (page.status_code, "A confidential requisition" in text) == (200, True)
            assert not any(text_part in text for text_part in ("Takeover", "T-77"))
        for query in ("Takeover", "T-77", "lawyer"):
            assert "A confidential" not in _read_table(client, JOBS, q=query)
        assert "Tax lawyer" in _read_table(client, JOBS, q="lawyer")


def test_filters_and_order_hide_confidential_names(acme: Connection, ola: Client) -> None:
    for name in ("A", "Takeover lawyer", "Z"):
        synced_data.create_job(acme, name, confidential=name != "A")
    for filters in ({"name__startswith": "T"}, {"requisition_id": "x"}):
        assert ola.get(JOBS, filters).status_code == 400
    for order in ("1", "-1", "2", "-2"):
        names = re.findall(r">(A|A confidential requisition)<", _read_table(ola, JOBS, o=order))
        assert names == ["A confidential requisition", "A confidential requisition", "A"]


def test_action_history_names_no_job(acme: Connection, personas: Personas, ola: Client) -> None:
    job = synced_data.create_job(acme, "Takeover lawyer", confidential=True)
    state = {"job": job.remote_id, "job_name": job.name}
    action = ApplicationAction.objects.create(
        application=synced_data.create_application(job, synced_data.create_candidate(acme)),
        membership=personas.remy,
        kind="transfer",
        status="done",
        state_before=state,
        outcome=f"Transferred from “{job.name}”.",
    )
    entry = record_entry(
        "a.deed", "did it", organization=acme.organization, before=state, after=state
    )
    pages = [
        ola.get(reverse("admin:applications_applicationaction_changelist")),
        ola.get(reverse("admin:applications_applicationaction_change", args=[action.pk])),
        ola.get(reverse("admin:audit_entry_change", args=[entry.pk])),
    ]
    for page in pages:
        assert page.status_code == 200
        assert "Takeover" not in page.content.decode()
    assert str(job.remote_id) in pages[2].content.decode()
