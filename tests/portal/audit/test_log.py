"""The activity log: visibility, filters, paging and export."""

from __future__ import annotations

import csv
import re
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from portal.accounts.models import Membership
from portal.audit.entries import record_entry
from portal.audit.models import Entry
from portal.privacy import member_data
from portal.sync.models import AtsUser, Job
from tests.factories import ConnectionFactory
from tests.personas import Personas
from tests.portal.entitlements import synced_data

LOG, EXPORT = reverse("audit:log"), reverse("audit:export_csv")


def _get_page(client, **filters: object) -> str:
    response = client.get(LOG, filters)
    assert response.status_code == 200
    return response.content.decode()


def _export_rows(client, **filters: object) -> list[list[str]]:
    response = client.get(EXPORT, filters)
    assert response.streaming
    return list(csv.reader(StringIO(response.getvalue().decode("utf-8-sig"))))


def test_log_shows_actor_action_and_address(personas: Personas, sign_in) -> None:
    request = RequestFactory().post("/", REMOTE_ADDR="203.0.113.7")
    record_entry(
        "connection.paused",
        "paused the connection",
        organization=personas.ada.organization,
        by=personas.ada.user,
        before={"state": "live"},
        after={"state": "paused"},
        request=request,
    )
    page = _get_page(sign_in(personas.ada))
    for text in ("Ada &lt;ada@acme.example&gt;", "paused the connection", "203.0.113.7", "live"):
        assert text in page


def test_log_limited_to_own_admins(personas: Personas, sign_in) -> None:
    record_entry("test.event", "did something of Acme's", organization=personas.ada.organization)
    record_entry("test.event", "did something inside", organization=None)
    assert sign_in(personas.remy).get(LOG).status_code == 403
    assert sign_in(personas.remy).get(EXPORT).status_code == 403
    zoe = sign_in(personas.zoe)
    for text in (_get_page(zoe), str(_export_rows(zoe))):
        assert "did something" not in text
    assert "did something inside" not in _get_page(sign_in(personas.ada))


def test_log_hides_staff_addresses(personas: Personas, sign_in) -> None:
    request = RequestFactory().post("/", REMOTE_ADDR="198.51.100.9")
    record_entry(
        "test.event",
        "helped",
        organization=personas.ada.organization,
        by=personas.cas,
        request=request,
    )
    ada = sign_in(personas.ada)
    assert "helped" in _get_page(ada)
    assert "198.51.100.9" not in _get_page(ada) + str(_export_rows(ada))


def test_log_filters_by_person_action_and_day(personas: Personas, sign_in, time_machine) -> None:
    acme = personas.ada.organization
    time_machine.move_to(datetime(2026, 3, 1, 12, tzinfo=UTC))
    record_entry("credential.entered", "entered the first", organization=acme, by=personas.ada.user)
    time_machine.move_to(datetime(2026, 3, 2, 12, tzinfo=UTC))
    record_entry("member.invited", "invited a colleague", organization=acme, by=personas.sam.user)
    record_entry("member.invited", "helped along", organization=acme, by=personas.cas)
    record_entry("connection.degraded", "lost something", organization=acme)
    ada = sign_in(personas.ada)

    def filtered_entries(**filters: object) -> set[str]:
        return {row[3] for row in _export_rows(ada, **filters)[1:]}

    assert filtered_entries(who=personas.ada.user_id) == {"entered the first"}
    assert filtered_entries(who="success") == {"helped along"}
    assert filtered_entries(who="portal") == {"lost something"}
    assert filtered_entries(what="member.invited") == {"invited a colleague", "helped along"}
    assert filtered_entries(until="2026-03-01") == {"entered the first"}
    assert len(filtered_entries(since="2026-03-02")) == 3
    assert "entered the first" not in _get_page(ada, since="2026-03-02")
    assert "No matches" in _get_page(ada, since="2026-04-01")


def test_erased_member_not_listed_as_staff(personas: Personas, sign_in) -> None:
    record_entry(
        "test.event", "did it", organization=personas.ada.organization, by=personas.uma.user
    )
    member_data.erase_member(personas.uma.user)
    ada = sign_in(personas.ada)
    assert "did it" not in _get_page(ada, who="success")
    assert "did it" in _get_page(ada)


def test_log_query_count_independent_of_names(
    personas: Personas, sign_in, django_assert_num_queries
) -> None:
    acme, ada = personas.ada.organization, sign_in(personas.ada)
    for number in range(60):
        record_entry(
            "test.event", f"invited p{number}@acme.example", organization=acme, by=personas.sam.user
        )
    ada.get(LOG)  # records that the portal is in use, once a minute
    with django_assert_num_queries(7):
        ada.get(LOG)


@pytest.mark.parametrize("filters", [{"since": "soon"}, {"who": "999999"}, {"what": "x"}])
def test_bad_filter_is_field_error(personas: Personas, sign_in, filters) -> None:
    ada = sign_in(personas.ada)
    for url in (LOG, EXPORT):
        response = ada.get(url, filters)
        assert response.status_code == 422
        assert "field-error" in response.content.decode()


@pytest.mark.parametrize(
    "filters",
    [
        {"until": "9999-12-31"},
        {"since": "0001-01-01", "until": "9999-12-30"},
        {"before": "9" * 30},
    ],
)
def test_log_accepts_extreme_dates(personas: Personas, sign_in, filters) -> None:
    record_entry("test.event", "did it", organization=personas.ada.organization)
    assert "did it" in _get_page(sign_in(personas.ada), **filters)
    assert len(_export_rows(sign_in(personas.ada), **filters)) == 2


@pytest.mark.parametrize("surrogate", ["%ED%A0%80", "%ED%B0%80", "%00"])
def test_lone_surrogate_filter_is_field_error(personas: Personas, sign_in, surrogate: str) -> None:
    ada = sign_in(personas.ada)
    for name in ("who", "what", "since", "until"):
        for url in (LOG, EXPORT):
            assert ada.get(f"{url}?{name}={surrogate}").status_code == 422
    assert ada.get(f"{LOG}?before={surrogate}").status_code == 200


NEXT_LINK = re.compile(r'href="([^"]+)" rel="next"')


def test_log_pages_stable_while_entries_arrive(personas: Personas, sign_in) -> None:
    acme = personas.ada.organization
    for number in range(120):
        record_entry("test.event", f"did thing {number:03}", organization=acme)
    ada, numbers, query = sign_in(personas.ada), [], "?"
    while query:
        page = ada.get(LOG + query).content.decode()
        numbers += [int(number) for number in re.findall(r"did thing (\d+)", page)]
        record_entry("test.event", "did something newer", organization=acme)
        query = match[1] if (match := NEXT_LINK.search(page)) else ""
    assert numbers == list(reversed(range(120)))


def test_log_query_count_independent_of_size(
    personas: Personas, sign_in, django_assert_num_queries
) -> None:
    acme, ada = personas.ada.organization, sign_in(personas.ada)
    for number in range(60):
        record_entry(f"test.event{number % 7}", "did it", organization=acme, by=personas.sam.user)
    ada.get(LOG)  # records that the portal is in use, once a minute
    with django_assert_num_queries(6):
        ada.get(LOG)


@pytest.mark.parametrize("start", ["=", " =", "Sales;="])
def test_export_escapes_formulas(personas: Personas, sign_in, start: str) -> None:
    text = f'{start}HYPERLINK("http://x.example")'
    record_entry("test.event", text, organization=personas.ada.organization, after={"name": text})
    row = _export_rows(sign_in(personas.ada))[1]
    assert start.replace("=", "'=HYPERLINK") in row[3]
    assert not any(cell.lstrip().startswith("=") for column in row for cell in column.split(";"))


def test_log_filter_includes_today(personas: Personas, sign_in) -> None:
    record_entry("test.event", "did it now", organization=personas.ada.organization)
    today = timezone.now().date()
    page = _get_page(sign_in(personas.ada), since=today, until=today)
    assert "did it now" in page
    assert "did it now" not in _get_page(sign_in(personas.ada), until=today - timedelta(days=1))
    assert Entry.objects.count() == 1


@pytest.fixture
def takeover(personas: Personas) -> Job:
    """A confidential requisition that Remy may see and Ada may not."""
    acme = ConnectionFactory(organization=personas.ada.organization, state="live")
    synced_data.create_user(acme, "ada@acme.example", name="Ada", site_admin=True)
    job = synced_data.create_job(acme, "Takeover lawyer", confidential=True)
    synced_data.create_grant(synced_data.create_user(acme, "remy@acme.example", name="Remy"), job)
    return job


def _record_advance(job: Job, by: Membership, **legacy_fields: str) -> None:
    """Record an advance; `earlier` adds fields that only older entries have."""
    state = {"job": job.remote_id, "stage_name": "Offer", **legacy_fields}
    record_entry(
        "application.advanced",
        "advanced application 1 in Greenhouse",
        organization=by.organization,
        by=by.user,
        before=state,
        after=state | {"fields": []},
    )


@pytest.mark.parametrize(
    "legacy_fields", [{}, {"job_name": "Takeover lawyer"}], ids=["current", "legacy"]
)
def test_log_job_title_needs_access(
    takeover: Job, personas: Personas, sign_in, legacy_fields
) -> None:
    _record_advance(takeover, personas.remy, **legacy_fields)
    entry = reverse("admin:audit_entry_change", args=[Entry.objects.latest("pk").pk])
    ada, cas = sign_in(personas.ada), sign_in(personas.cas)
    for text in (_get_page(ada), str(_export_rows(ada)), cas.get(entry).content.decode()):
        assert "Takeover" not in text
        assert str(takeover.remote_id) in text
    synced_data.create_grant(AtsUser.objects.get(name="Ada"), takeover)
    for text in (_get_page(ada), str(_export_rows(ada))):
        assert f"Takeover lawyer ({takeover.remote_id})" in text


def test_log_titles_take_one_query(takeover: Job, personas: Personas, sign_in) -> None:
    ada = sign_in(personas.ada)

    def count_queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            _get_page(ada)
        return len(captured)

    _record_advance(takeover, personas.remy)
    _get_page(ada)  # records that the portal is in use, once a minute
    count_for_one_title = count_queries()
    for number in range(30):
        _record_advance(
            synced_data.create_job(takeover.connection, f"Nurse {number}"), personas.remy
        )
    assert count_queries() == count_for_one_title
    assert "Nurse 29" in _get_page(ada)


def test_log_hides_search_terms_of_old_exports(personas: Personas, sign_in) -> None:
    record_entry(
        "jobs.exported",
        "exported the requisition list",
        organization=personas.ada.organization,
        by=personas.sam.user,
        after={"query": "q=Jolanta+Kwiatkowska&mine=1"},
    )
    entry = reverse("admin:audit_entry_change", args=[Entry.objects.latest("pk").pk])
    ada, cas = sign_in(personas.ada), sign_in(personas.cas)
    for text in (_get_page(ada), str(_export_rows(ada)), cas.get(entry).content.decode()):
        assert "Jolanta" not in text
        assert "mine=1" in text
        assert "not shown" in text


@pytest.mark.parametrize(
    ("zone", "day", "first", "last"),
    [
        ("Europe/Berlin", "2026-03-29", "2026-03-28T23:00", "2026-03-29T21:59"),
        ("Europe/Berlin", "2026-10-25", "2026-10-24T22:00", "2026-10-25T22:59"),
        ("America/Santiago", "2026-09-06", "2026-09-06T04:00", "2026-09-07T02:59"),
        ("", "2026-03-29", "2026-03-29T00:00", "2026-03-29T23:59"),
        ("../x", "2026-03-29", "2026-03-29T00:00", "2026-03-29T23:59"),
    ],
)
def test_day_filter_uses_readers_zone(
    personas: Personas, sign_in, time_machine, zone: str, day: str, first: str, last: str
) -> None:
    begin, end = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (first, last))
    minute = timedelta(minutes=1)
    ada = sign_in(personas.ada)
    moments = {"before": begin - minute, "first": begin, "last": end, "after": end + minute}
    for name, moment in moments.items():
        time_machine.move_to(moment, tick=False)
        record_entry("test.event", name, organization=personas.ada.organization)
    ada = sign_in(personas.ada)
    rows = _export_rows(ada, since=day, until=day, zone=zone)[1:]
    assert {row[3] for row in rows} == {"first", "last"}


def test_staff_sign_in_has_entry(personas: Personas, client) -> None:
    personas.cas.set_password("a long passphrase 1")
    personas.cas.save()
    form = {"login": personas.cas.email, "password": "a long passphrase 1"}
    client.post(reverse("account_login"), form)
    entry = Entry.objects.get(verb="signin.signed_in")
    assert (entry.organization_id, entry.by_id) == (None, personas.cas.pk)
