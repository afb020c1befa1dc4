"""Lists of the desk with very many rows: one customer's are found, and no page reads them all."""

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
from portal.audit.record import record
from portal.connections.models import ApiCall, CheckRun, Connection, Credential
from portal.mirror.models import Application
from portal.notices import tell
from portal.support.admin import base
from tests.cast import Cast
from tests.factories import ConnectionFactory, MembershipFactory
from tests.portal.entitlements import world

REQUESTS = reverse("admin:connections_apicall_changelist")
RECORD = reverse("admin:audit_entry_changelist")
NOTICES = reverse("admin:notices_notice_changelist")


def _call(connection: Connection, path: str = "/v3/jobs", **more: Any) -> ApiCall:
    told = {"status": 200, "lane": "sync", "milliseconds": 1, "method": "GET", **more}
    return ApiCall.objects.create(connection=connection, at=timezone.now(), path=path, **told)


@pytest.fixture
def acme(cast: Cast) -> Connection:
    return ConnectionFactory(organization=cast.ada.organization, state="live")


@pytest.fixture
def other(cast: Cast) -> Connection:
    return ConnectionFactory(organization=cast.zoe.organization, state="live")


@pytest.fixture
def ola(cast: Cast, sign_in) -> Client:
    client: Client = sign_in(cast.ola)
    return client


def _rows(client: Client, address: str, **narrowed: object) -> str:
    """What stands in the list's own table."""
    page = client.get(address, narrowed)
    assert page.status_code == 200
    found = re.search(r"<tbody>.*</tbody>", page.content.decode(), re.DOTALL)
    return found[0] if found else ""


def test_a_list_shows_one_customers_rows_by_link_or_by_a_part_of_the_name(
    acme: Connection, other: Connection, ola: Client
) -> None:
    _call(acme, "/v3/acmes")
    _call(other, "/v3/others")
    assert "/v3/others" in _rows(ola, REQUESTS)
    for narrowed in ({"customer": acme.organization_id}, {"named": "acm"}):
        shown = _rows(ola, REQUESTS, **narrowed)
        assert ("/v3/acmes" in shown, "/v3/others" in shown) == (True, False)
    nowhere = ola.get(REQUESTS, {"named": "umbrella"}).content.decode()
    assert "No customer has “umbrella” in its name." in nowhere
    assert "/v3/acmes" not in nowhere


def test_a_filter_by_customer_keeps_what_else_was_chosen(acme: Connection, ola: Client) -> None:
    page = ola.get(REQUESTS, {"outcome": "limited", "customer": acme.organization_id})
    form = re.search(r'<form class="desk-named".*?</form>', page.content.decode(), re.DOTALL)
    assert form
    assert '<input type="hidden" name="outcome" value="limited">' in form[0]
    assert 'name="customer"' not in form[0], "another name replaces it"


def test_every_link_on_a_customers_page_opens(connect, cast: Cast, sign_in) -> None:
    connect()
    cas = sign_in(cast.cas)
    desk = reverse("admin:accounts_organization_desk", args=[cast.ada.organization_id])
    found = set(re.findall(r'href="(/admin/[^"#]+)', cas.get(desk).content.decode()))
    assert len(found) > 10
    for address in found:
        answer = cas.get(address.replace("&amp;", "&"))
        assert answer.status_code == 200, address


def test_a_request_is_found_by_its_whole_id_or_a_part_of_its_path(
    acme: Connection, ola: Client
) -> None:
    _call(acme, "/v3/one", trace="a1b2c3")
    _call(acme, "/v3/two", request_id="theirs-77")
    for words, path in (("a1b2c3", "one"), (" theirs-77 ", "two"), ("/one", "one")):
        shown = _rows(ola, REQUESTS, q=words)
        assert [p for p in ("one", "two") if f"/v3/{p}" in shown] == [path]
    assert _rows(ola, REQUESTS, q="a1b2") == ""


@pytest.mark.parametrize(
    ("narrowed", "paths"),
    [
        ({"outcome": "refused"}, {"/403"}),
        ({"outcome": "limited"}, {"/429"}),
        ({"outcome": "broken"}, {"/503"}),
        ({"outcome": "unanswered"}, {"/None"}),
        ({"outcome": "trouble"}, {"/403", "/429", "/503", "/None"}),
        ({"outcome": "well"}, {"/200"}),
        ({"lane": "people"}, {"/200"}),
        ({"outcome": "nonsense"}, {"/200", "/403", "/429", "/503", "/None"}),
    ],
)
def test_requests_are_narrowed_by_what_came_of_them_and_by_who_waited(
    acme: Connection, ola: Client, narrowed: dict[str, str], paths: set[str]
) -> None:
    for status in (200, 403, 429, 503, None):
        _call(acme, f"/{status}", status=status, lane="people" if status == 200 else "sync")
    assert set(re.findall(r">(/\w+)<", _rows(ola, REQUESTS, **narrowed))) == paths


def test_words_are_looked_for_in_the_newest_rows_and_in_all_of_one_customers(
    acme: Connection, cast: Cast, ola: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "SEARCHED", 2)
    organization = acme.organization
    for number in range(4):
        record("a.deed", f"moved number {number}", organization=organization)
        tell.tell([cast.ada.user], organization, key=f"{number}", subject=f"No. {number}", words="")
        _call(acme, f"/number/{number}")
    for address, words in ((RECORD, "moved"), (NOTICES, "No."), (REQUESTS, "/number")):
        assert _rows(ola, address, q=words).count("<tr>") == 2
        assert _rows(ola, address, q=words, customer=organization.pk).count("<tr>") == 4


def test_the_record_is_narrowed_by_the_verbs_of_the_customer_or_to_nobodys(
    acme: Connection, other: Connection, ola: Client
) -> None:
    record("a.deed", "did this", organization=acme.organization)
    record("b.deed", "did that", organization=acme.organization)
    record("c.deed", "did much", organization=other.organization)
    record("d.deed", "did ours", organization=None)
    page = ola.get(RECORD, {"customer": acme.organization_id}).content.decode()
    assert re.findall(r"verb=(\w\.deed)", page) == ["a.deed", "b.deed"]
    shown = _rows(ola, RECORD, customer=acme.organization_id, verb="b.deed")
    assert ("did this" in shown, "did that" in shown) == (False, True)
    ours = _rows(ola, RECORD, customer="none")
    assert ("did ours" in ours, "did much" in ours) == (True, False)


def test_a_long_list_says_that_there_are_more_and_is_not_paged_to_its_end(
    acme: Connection, ola: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "COUNTED", 100)
    for _ in range(120):
        _call(acme)
    page = ola.get(REQUESTS, {"customer": acme.organization_id}).content.decode()
    assert re.search(r"more than 100\s+Greenhouse requests", page)
    assert "p=2" in page
    assert "p=3" not in page


@pytest.mark.parametrize("address", [REQUESTS, RECORD, NOTICES])
def test_a_list_asks_the_same_questions_however_long_it_is(
    acme: Connection, cast: Cast, ola: Client, address: str
) -> None:
    def asked(rows: int) -> int:
        for number in range(rows):
            record("a.deed", "did it", organization=acme.organization, by=cast.ada.user)
            key = f"{rows}:{number}"
            tell.tell([cast.ada.user], acme.organization, key=key, subject="s", words="w")
            _call(acme)
        with CaptureQueriesContext(database) as queries:
            ola.get(address, {"customer": acme.organization_id})
        return len(queries)

    asked(1)
    assert asked(2) == asked(30)


def test_the_timeline_reads_recent_actions_and_further_back_only_where_there_were_few(
    connect, cast: Cast, sign_in
) -> None:
    connect()
    cas, remy = sign_in(cast.cas), cast.remy
    desk = reverse("admin:accounts_organization_desk", args=[remy.organization_id])
    application = Application.objects.first()
    for days in (1, 30, 300):
        ApplicationAction.objects.create(
            application=application, membership=remy, kind="advance", status="done",
            queued_at=timezone.now() - timedelta(days=days), settled_at=timezone.now(),
        )  # fmt: skip
    page = cas.get(desk, {"kind": "action"}).content.decode()
    assert page.count("1 × ") == 3


def _crowd(cast: Cast, number: int) -> None:
    for one in range(number):
        user = User.objects.create(email=f"p{one:03}@acme.example", name=f"Zz {one:03}")
        MembershipFactory(user=user, organization=cast.ada.organization)


def test_of_very_many_people_each_is_found_and_looked_at(connect, cast: Cast, sign_in) -> None:
    connect()
    _crowd(cast, 260)
    acme, cas = cast.ada.organization, sign_in(cast.cas)
    desk = cas.get(reverse("admin:accounts_organization_desk", args=[acme.pk])).content.decode()
    assert "200 of 267" in desk
    people = f"{reverse('admin:accounts_membership_changelist')}?customer={acme.pk}"
    assert f'href="{people}"' in desk
    assert "Zz 259" not in desk
    found = _rows(cas, people, q="Zz 259", customer=acme.pk)
    last = Membership.objects.get(user__name="Zz 259")
    assert f'href="{reverse("admin:look_begin", args=[last.pk])}"' in found
    assert f"{reverse('admin:mirror_job_why')}?email=p259%40acme.example" in found
    assert "Zoe" not in _rows(cas, people, customer=acme.pk)
    assert "p=2" in cas.get(people).content.decode()


def test_a_customer_with_very_many_people_is_renamed(cast: Cast, sign_in) -> None:
    _crowd(cast, 260)
    acme, cas = cast.ada.organization, sign_in(cast.cas)
    page = reverse("admin:accounts_organization_change", args=[acme.pk])
    with CaptureQueriesContext(database) as queries:
        assert cas.get(page).status_code == 200
    assert len(queries) < 20
    assert cas.post(page, {"name": "Acme renamed", "slug": acme.slug}).status_code == 302
    assert Organization.objects.get(pk=acme.pk).name == "Acme renamed"


def test_whoever_is_put_in_from_a_customers_list_is_put_in_there(cast: Cast, sign_in) -> None:
    acme = cast.ada.organization
    add = reverse("admin:accounts_membership_add")
    page = sign_in(cast.cas).get(add, {"_changelist_filters": f"customer={acme.pk}"})
    assert f'<option value="{acme.pk}" selected>Acme</option>' in page.content.decode()


@pytest.mark.parametrize("page", ["connection", "people", "checks"])
def test_a_page_asks_the_same_questions_however_much_stands_on_it(
    acme: Connection, cast: Cast, ola: Client, page: str
) -> None:
    credential = Credential.objects.create(connection=acme, kind="harvest_oauth", secret="s")
    address = {
        "connection": reverse("admin:connections_connection_change", args=[acme.pk]),
        "people": reverse("admin:accounts_membership_changelist"),
        "checks": reverse("admin:connections_checkrun_changelist"),
    }[page]

    def asked(rows: int) -> int:
        for number in range(rows):
            user = User.objects.create(email=f"p{rows}-{number}@acme.example")
            MembershipFactory(user=user, organization=acme.organization)
            CheckRun.objects.create(
                connection=acme, credential=credential, status="done", requested_by=user
            )
        with CaptureQueriesContext(database) as queries:
            assert ola.get(address).status_code == 200
        return len(queries)

    asked(1)
    assert asked(2) == asked(30)


def test_a_connections_page_shows_its_newest_checks(acme: Connection, ola: Client) -> None:
    credential = Credential.objects.create(connection=acme, kind="harvest_oauth", secret="s")
    for number in range(25):
        CheckRun.objects.create(connection=acme, credential=credential, failure=f"No. {number:02}",
                                status="failed")  # fmt: skip
    page = ola.get(reverse("admin:connections_connection_change", args=[acme.pk])).content.decode()
    assert re.findall(r"No\. \d\d", page) == [f"No. {n:02}" for n in range(24, 4, -1)]


JOBS = reverse("admin:mirror_job_changelist")


def test_a_confidential_requisition_is_found_by_its_id_alone_and_named_nowhere(
    acme: Connection, cast: Cast, ola: Client, sign_in
) -> None:
    secret = world.job(acme, "Takeover lawyer", confidential=True, requisition_id="T-77")
    world.job(acme, "Tax lawyer", requisition_id="T-78")
    one = {"args": [secret.pk]}
    complete = {"app_label": "mirror", "model_name": "application", "field_name": "job"}
    for client in (ola, sign_in(cast.cas)):
        pages = [
            client.get(JOBS),
            client.get(JOBS, {"q": secret.remote_id}),
            client.get(reverse("admin:mirror_job_change", **one)),
            client.get(reverse("admin:mirror_job_history", **one)),
            client.get(reverse("admin:autocomplete"), {**complete, "term": ""}),
            client.get(reverse("admin:autocomplete"), {**complete, "term": secret.remote_id}),
        ]
        for page in pages:
            text = page.content.decode()
            assert (page.status_code, "A confidential requisition" in text) == (200, True)
            assert not any(word in text for word in ("Takeover", "T-77"))
        for words in ("Takeover", "T-77", "lawyer"):
            assert "A confidential" not in _rows(client, JOBS, q=words)
        assert "Tax lawyer" in _rows(client, JOBS, q="lawyer")


def test_neither_a_filter_nor_an_order_tells_how_a_confidential_name_begins(
    acme: Connection, ola: Client
) -> None:
    for name in ("A", "Takeover lawyer", "Z"):
        world.job(acme, name, confidential=name != "A")
    for narrowed in ({"name__startswith": "T"}, {"requisition_id": "x"}):
        assert ola.get(JOBS, narrowed).status_code == 400
    for order in ("1", "-1", "2", "-2"):
        shown = re.findall(r">(A|A confidential requisition)<", _rows(ola, JOBS, o=order))
        assert shown == ["A confidential requisition", "A confidential requisition", "A"]


def test_what_was_done_names_no_requisition(acme: Connection, cast: Cast, ola: Client) -> None:
    job = world.job(acme, "Takeover lawyer", confidential=True)
    where = {"job": job.remote_id, "job_name": job.name}
    action = ApplicationAction.objects.create(
        application=world.application(job, world.candidate(acme)), membership=cast.remy,
        kind="transfer", status="done", before=where,
        outcome=f"Transferred from “{job.name}”.",
    )  # fmt: skip
    entry = record("a.deed", "did it", organization=acme.organization, before=where, after=where)
    pages = [
        ola.get(reverse("admin:applications_applicationaction_changelist")),
        ola.get(reverse("admin:applications_applicationaction_change", args=[action.pk])),
        ola.get(reverse("admin:audit_entry_change", args=[entry.pk])),
    ]
    for page in pages:
        assert page.status_code == 200
        assert "Takeover" not in page.content.decode()
    assert str(job.remote_id) in pages[2].content.decode()
