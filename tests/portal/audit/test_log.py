"""The log: an admin of a customer reads their own, narrows it down, and takes it along."""

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
from portal.audit.models import Entry
from portal.audit.record import record
from portal.mirror.models import AtsUser, Job
from portal.privacy import people
from tests.cast import Cast
from tests.factories import ConnectionFactory
from tests.portal.entitlements import world

LOG, EXPORT = reverse("audit:log"), reverse("audit:export")


def _page(client, **filters: object) -> str:
    answer = client.get(LOG, filters)
    assert answer.status_code == 200
    return answer.content.decode()


def _table(client, **filters: object) -> list[list[str]]:
    answer = client.get(EXPORT, filters)
    assert answer.streaming
    return list(csv.reader(StringIO(answer.getvalue().decode("utf-8-sig"))))


def test_an_admin_reads_who_did_what_from_where(cast: Cast, sign_in) -> None:
    request = RequestFactory().post("/", REMOTE_ADDR="203.0.113.7")
    record(
        "connection.paused",
        "paused the connection",
        organization=cast.ada.organization,
        by=cast.ada.user,
        before={"state": "live"},
        after={"state": "paused"},
        request=request,
    )
    page = _page(sign_in(cast.ada))
    for word in ("Ada &lt;ada@acme.example&gt;", "paused the connection", "203.0.113.7", "live"):
        assert word in page


def test_it_is_for_admins_of_that_organization_alone(cast: Cast, sign_in) -> None:
    record("a.deed", "did something of Acme's", organization=cast.ada.organization)
    record("a.deed", "did something inside", organization=None)
    assert sign_in(cast.remy).get(LOG).status_code == 403
    assert sign_in(cast.remy).get(EXPORT).status_code == 403
    zoe = sign_in(cast.zoe)
    for text in (_page(zoe), str(_table(zoe))):
        assert "did something" not in text
    assert "did something inside" not in _page(sign_in(cast.ada))


def test_where_our_staff_sat_is_not_shown_to_customers(cast: Cast, sign_in) -> None:
    request = RequestFactory().post("/", REMOTE_ADDR="198.51.100.9")
    record("a.deed", "helped", organization=cast.ada.organization, by=cast.cas, request=request)
    ada = sign_in(cast.ada)
    assert "helped" in _page(ada)
    assert "198.51.100.9" not in _page(ada) + str(_table(ada))


def test_it_is_narrowed_by_person_by_deed_and_by_day(cast: Cast, sign_in, time_machine) -> None:
    acme = cast.ada.organization
    time_machine.move_to(datetime(2026, 3, 1, 12, tzinfo=UTC))
    record("credential.entered", "entered the first", organization=acme, by=cast.ada.user)
    time_machine.move_to(datetime(2026, 3, 2, 12, tzinfo=UTC))
    record("member.invited", "invited a colleague", organization=acme, by=cast.sam.user)
    record("member.invited", "helped along", organization=acme, by=cast.cas)
    record("connection.degraded", "lost something", organization=acme)
    ada = sign_in(cast.ada)

    def shown(**filters: object) -> set[str]:
        return {row[3] for row in _table(ada, **filters)[1:]}

    assert shown(who=cast.ada.user_id) == {"entered the first"}
    assert shown(who="success") == {"helped along"}
    assert shown(who="portal") == {"lost something"}
    assert shown(what="member.invited") == {"invited a colleague", "helped along"}
    assert shown(until="2026-03-01") == {"entered the first"}
    assert len(shown(since="2026-03-02")) == 3
    assert "entered the first" not in _page(ada, since="2026-03-02")
    assert "Nothing fits" in _page(ada, since="2026-04-01")


def test_what_an_erased_member_did_is_not_our_staffs(cast: Cast, sign_in) -> None:
    record("a.deed", "did it", organization=cast.ada.organization, by=cast.uma.user)
    people.erase(cast.uma.user)
    ada = sign_in(cast.ada)
    assert "did it" not in _page(ada, who="success")
    assert "did it" in _page(ada)


def test_a_page_that_names_people_asks_no_more_for_more_of_them(
    cast: Cast, sign_in, django_assert_num_queries
) -> None:
    acme, ada = cast.ada.organization, sign_in(cast.ada)
    for number in range(60):
        record("a.deed", f"invited p{number}@acme.example", organization=acme, by=cast.sam.user)
    with django_assert_num_queries(7):
        ada.get(LOG)


@pytest.mark.parametrize("filters", [{"since": "soon"}, {"who": "999999"}, {"what": "x"}])
def test_what_makes_no_sense_is_said_next_to_its_field(cast: Cast, sign_in, filters) -> None:
    ada = sign_in(cast.ada)
    for address in (LOG, EXPORT):
        answer = ada.get(address, filters)
        assert answer.status_code == 422
        assert "field-error" in answer.content.decode()


@pytest.mark.parametrize(
    "filters",
    [
        {"until": "9999-12-31"},
        {"since": "0001-01-01", "until": "9999-12-30"},
        {"before": "9" * 30},
    ],
)
def test_the_first_and_the_last_of_all_days_are_days_too(cast: Cast, sign_in, filters) -> None:
    record("a.deed", "did it", organization=cast.ada.organization)
    assert "did it" in _page(sign_in(cast.ada), **filters)
    assert len(_table(sign_in(cast.ada), **filters)) == 2


@pytest.mark.parametrize("half", ["%ED%A0%80", "%ED%B0%80", "%00"])
def test_half_a_character_in_the_address_is_said_next_to_its_field(
    cast: Cast, sign_in, half: str
) -> None:
    ada = sign_in(cast.ada)
    for name in ("who", "what", "since", "until"):
        for address in (LOG, EXPORT):
            assert ada.get(f"{address}?{name}={half}").status_code == 422
    assert ada.get(f"{LOG}?before={half}").status_code == 200


OLDER = re.compile(r'href="([^"]+)" rel="next"')


def test_pages_stay_as_they_are_while_new_entries_arrive(cast: Cast, sign_in) -> None:
    acme = cast.ada.organization
    for number in range(120):
        record("a.deed", f"did thing {number:03}", organization=acme)
    ada, seen, query = sign_in(cast.ada), [], "?"
    while query:
        page = ada.get(LOG + query).content.decode()
        seen += [int(number) for number in re.findall(r"did thing (\d+)", page)]
        record("a.deed", "did something newer", organization=acme)
        query = found[1] if (found := OLDER.search(page)) else ""
    assert seen == list(reversed(range(120)))


def test_a_page_takes_the_same_number_of_queries_however_much_there_is(
    cast: Cast, sign_in, django_assert_num_queries
) -> None:
    acme, ada = cast.ada.organization, sign_in(cast.ada)
    for number in range(60):
        record(f"a.deed{number % 7}", "did it", organization=acme, by=cast.sam.user)
    with django_assert_num_queries(6):
        ada.get(LOG)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_is_a_formula_to_a_spreadsheet(cast: Cast, sign_in, start: str) -> None:
    words = f'{start}HYPERLINK("http://x.example")'
    record("a.deed", words, organization=cast.ada.organization, after={"name": words})
    for cell in _table(sign_in(cast.ada))[1]:
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))


def test_an_entry_of_today_is_within_today(cast: Cast, sign_in) -> None:
    record("a.deed", "did it now", organization=cast.ada.organization)
    today = timezone.now().date()
    page = _page(sign_in(cast.ada), since=today, until=today)
    assert "did it now" in page
    assert "did it now" not in _page(sign_in(cast.ada), until=today - timedelta(days=1))
    assert Entry.objects.count() == 1


# -- requisitions, and words that were looked for ------------------------------------------------
@pytest.fixture
def takeover(cast: Cast) -> Job:
    """A confidential requisition that Remy may see and Ada may not."""
    acme = ConnectionFactory(organization=cast.ada.organization, state="live")
    world.user(acme, "ada@acme.example", name="Ada", site_admin=True)
    job = world.job(acme, "Takeover lawyer", confidential=True)
    world.grant(world.user(acme, "remy@acme.example", name="Remy"), job)
    return job


def _advanced(job: Job, by: Membership, **earlier: str) -> None:
    """As a click is recorded; `earlier` is what older entries hold besides."""
    place = {"job": job.remote_id, "stage_name": "Offer", **earlier}
    record(
        "application.advanced",
        "advanced application 1 in Greenhouse",
        organization=by.organization,
        by=by.user,
        before=place,
        after=place | {"fields": []},
    )


@pytest.mark.parametrize("earlier", [{}, {"job_name": "Takeover lawyer"}], ids=["now", "earlier"])
def test_the_title_of_a_requisition_is_read_by_those_who_see_it(
    takeover: Job, cast: Cast, sign_in, earlier
) -> None:
    _advanced(takeover, cast.remy, **earlier)
    entry = reverse("admin:audit_entry_change", args=[Entry.objects.latest("pk").pk])
    ada, cas = sign_in(cast.ada), sign_in(cast.cas)
    for text in (_page(ada), str(_table(ada)), cas.get(entry).content.decode()):
        assert "Takeover" not in text
        assert str(takeover.remote_id) in text
    world.grant(AtsUser.objects.get(name="Ada"), takeover)
    for text in (_page(ada), str(_table(ada))):
        assert f"Takeover lawyer ({takeover.remote_id})" in text


def test_titles_take_one_query_for_a_page_however_many_there_are(
    takeover: Job, cast: Cast, sign_in
) -> None:
    ada = sign_in(cast.ada)

    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            _page(ada)
        return len(asked)

    _advanced(takeover, cast.remy)
    one = queries()
    for number in range(30):
        _advanced(world.job(takeover.connection, f"Nurse {number}"), cast.remy)
    assert queries() == one
    assert "Nurse 29" in _page(ada)


def test_words_that_an_older_entry_holds_of_an_exported_list_are_hidden(
    cast: Cast, sign_in
) -> None:
    record(
        "jobs.exported",
        "exported the list of requisitions",
        organization=cast.ada.organization,
        by=cast.sam.user,
        after={"query": "q=Jolanta+Kwiatkowska&mine=1"},
    )
    entry = reverse("admin:audit_entry_change", args=[Entry.objects.latest("pk").pk])
    ada, cas = sign_in(cast.ada), sign_in(cast.cas)
    for text in (_page(ada), str(_table(ada)), cas.get(entry).content.decode()):
        assert "Jolanta" not in text
        assert "mine=1" in text
        assert "looked for" in text
