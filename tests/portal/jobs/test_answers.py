"""How fast applications get an answer: what is counted, and who sees which figures."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext

from portal.audit.models import Entry
from portal.connections.models import Connection
from portal.jobs.answers import tally_sums
from portal.jobs.answers.figures import AnswerCounts
from portal.jobs.job_list import stage_counts
from portal.jobs.models import AnswerPromise, DecisionTally, DecisionTallySum, StageCountRun
from portal.sync.models import Application, AtsUser, Job
from tests.personas import Personas
from tests.portal.entitlements import synced_data
from tests.portal.entitlements.synced_data import create_grant, create_job, create_team_member

pytestmark = pytest.mark.django_db

PAGE = "/requisitions/answers/"
LIST = "/requisitions/"
NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)  # a Wednesday
DAY = timedelta(days=1)
OVERDUE = datetime(2026, 11, 2, 9, tzinfo=UTC)  # due at the end of 9 November
DUE_TODAY = datetime(2026, 11, 11, 9, tzinfo=UTC)
DUE_LATER = datetime(2026, 11, 17, 9, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _now(time_machine) -> None:
    time_machine.move_to(NOW, tick=False)


@pytest.fixture
def see(personas: Personas, sign_in):
    return lambda name: sign_in(getattr(personas, name))


def _undecided(job: Job, since: datetime | None = None, *, private: bool = False) -> Application:
    candidate = synced_data.create_candidate(job.connection, private=private)
    return synced_data.create_application(
        job, candidate, needs_decision=True, decision_needed_at=since, applied_at=since
    )


def _answered(
    job: Job, at: datetime, since: datetime | None, *, private: bool = False
) -> Application:
    candidate = synced_data.create_candidate(job.connection, private=private)
    return synced_data.create_application(
        job,
        candidate,
        status="rejected",
        needs_decision=False,
        answered_at=at,
        answer_needed_at=since,
    )


def _count(connection: Connection) -> None:
    stage_counts.update_counts(connection, whole=True)


def _counts(client: Client, query: str = "") -> dict[str, object]:
    summary = client.get(PAGE + query).context["summary"]
    waiting, answers, groups = summary.waiting, summary.answers, summary.groups
    return {
        "undecided": waiting.undecided,
        "overdue": waiting.overdue,
        "since": waiting.since,
        "unknown": (groups.unknown, waiting.decision_unknown),
        "groups": (groups.overdue, groups.today, groups.soon, groups.later),
        "answers": (answers.in_time, answers.late, answers.unknown),
        "percent": answers.percent,
    }


def test_figures_of_visible_requisitions(acme: Connection, sam: AtsUser, see) -> None:
    job = create_job(acme)
    for since in (OVERDUE, OVERDUE + DAY, DUE_TODAY, DUE_TODAY + DAY, DUE_LATER, None):
        _undecided(job, since)
    _answered(job, NOW - DAY, NOW - 2 * DAY)
    _answered(job, NOW - DAY, OVERDUE)
    _answered(job, NOW - 2 * DAY, None)
    _count(acme)
    assert _counts(see("sam")) == {
        "undecided": 6,
        "overdue": 2,
        "since": OVERDUE,
        "unknown": (1, 0),
        "groups": (2, 1, 1, 1),
        "answers": (1, 1, 1),
        "percent": 50,
    }


def test_unknown_is_never_zero(acme: Connection, sam: AtsUser, see) -> None:
    """Harvest v1 doesn't say who needs a decision."""
    job = create_job(acme)
    for _ in range(3):
        synced_data.create_application(job, synced_data.create_candidate(acme))
    _count(acme)
    client = see("sam")
    page = client.get(PAGE)
    assert page.context["is_unknown"]
    text = page.content.decode()
    assert text.count("<dd>Unknown</dd>") == 3
    assert "<small>3 active</small>" in text
    assert "<dd>0</dd>" not in text
    assert "Greenhouse doesn't say which of these" in client.get(LIST).content.decode()
    row = _read_csv(client, f"{PAGE}export.csv")[0]
    assert (row["Need a decision"], row["Unknown whether they need one"]) == ("", "3")
    assert (row["Answers overdue"], row["Answered in time, %"]) == ("", "")


def test_unknown_start_is_not_overdue(acme: Connection, sam: AtsUser, see) -> None:
    _undecided(create_job(acme))
    _count(acme)
    text = see("sam").get(PAGE).content.decode()
    assert "Due time unknown" in text
    assert "<dd>1</dd>" in text
    assert text.count("<dd>Unknown") == 2  # overdue and oldest


@pytest.mark.parametrize(
    ("period", "expected"),
    [("", (1, 0, 0)), ("?period=90", (2, 0, 0)), ("?period=7", (1, 0, 0))],
)
def test_period_counts_answers_in_it(acme, sam, see, period: str, expected: tuple) -> None:
    job = create_job(acme)
    for days in (29, 30, 90):
        _answered(job, NOW - days * DAY, NOW - days * DAY - timedelta(hours=1))
    _count(acme)
    assert _counts(see("sam"), period)["answers"] == expected


def test_closed_requisition_counts_answers_only(acme: Connection, sam: AtsUser, see) -> None:
    job = create_job(acme, status="closed")
    _undecided(job, OVERDUE)
    _answered(job, NOW - DAY, NOW - 2 * DAY)
    _count(acme)
    counts = _counts(see("sam"))
    assert (counts["undecided"], counts["overdue"], counts["answers"]) == (0, 0, (1, 0, 0))


def test_new_promise_counts_answers_again(
    acme: Connection, sam: AtsUser, see, personas: Personas, run_tasks, time_machine
) -> None:
    job = create_job(acme)
    _answered(job, NOW - DAY, NOW - 5 * DAY)  # Friday to Tuesday
    _undecided(job, NOW - 5 * DAY)
    _count(acme)
    client = see("ada")
    synced_data.create_user(acme, "ada@acme.example", name="Ada", site_admin=True)
    assert _counts(client)["answers"] == (1, 0, 0)
    values = {"days": "1", "time_zone": "Europe/Berlin", "working_days": [0, 1, 2, 3, 4]}
    client.post(f"{PAGE}promise/", values)
    assert client.get(PAGE).context["is_recounting"]
    assert _counts(client)["overdue"] == 1  # at once
    run_tasks()
    assert not client.get(PAGE).context["is_recounting"]
    assert _counts(client)["answers"] == (0, 1, 0)


def test_days_are_those_of_the_organization(acme: Connection, sam: AtsUser, see) -> None:
    """At 23:30 UTC it is the next day in Auckland."""
    AnswerPromise.objects.create(
        organization=acme.organization, days=1, time_zone="Pacific/Auckland", working_days=[0, 1, 2]
    )
    job = create_job(acme)
    monday_there = datetime(2026, 11, 15, 23, 30, tzinfo=UTC)
    _answered(job, monday_there + DAY, monday_there)  # Monday to Tuesday
    _answered(job, monday_there + 2 * DAY, monday_there)
    _count(acme)
    assert _counts(see("sam"))["answers"] == (1, 1, 0)


# -- who sees what ---------------------------------------------------------------------------------


def test_job_admin_sees_own_requisitions_only(
    acme: Connection, sam: AtsUser, remy: AtsUser, see
) -> None:
    own, other = create_job(acme, "Nurse"), create_job(acme, "Secret Surgeon", confidential=True)
    create_grant(remy, own)
    recruiter = synced_data.create_user(acme, name="Other Recruiter")
    create_team_member(recruiter, other)
    _undecided(own, DUE_LATER)
    _answered(own, NOW - DAY, NOW - 2 * DAY)
    for _ in range(5):
        _undecided(other, OVERDUE)
        _answered(other, NOW - DAY, OVERDUE)
    _count(acme)
    for name in ("remy", "sam"):
        client = see(name)
        counts = _counts(client)
        assert counts["overdue"] == 0
        assert counts["answers"] == ((1, 0, 0))
        assert counts["undecided"] == 1
        for url in (PAGE, f"{PAGE}?recruiter={recruiter.pk}", f"{PAGE}export.csv"):
            text = b"".join(client.get(url)).decode()
            assert "Secret" not in text
            assert "Other Recruiter" not in text
        assert _counts(client, f"?recruiter={recruiter.pk}")["undecided"] == 0
    create_grant(remy, other)
    assert _counts(see("remy"))["undecided"] == 6


def test_private_candidates_are_left_out(acme: Connection, sam: AtsUser, see) -> None:
    job = create_job(acme)
    _undecided(job, OVERDUE, private=True)
    _answered(job, NOW - DAY, OVERDUE, private=True)
    _count(acme)
    counts = _counts(see("sam"))
    assert (counts["undecided"], counts["since"], counts["answers"]) == (0, None, (0, 0, 0))
    assert not DecisionTally.objects.exists()


@pytest.mark.parametrize("name", ["zoe", "uma"])
def test_outsiders_see_nothing(acme: Connection, sam: AtsUser, see, name: str) -> None:
    _undecided(create_job(acme, "Nurse"), OVERDUE)
    _count(acme)
    client = see(name)
    assert "summary" not in client.get(PAGE).context
    assert _read_csv(client, f"{PAGE}export.csv") == []
    strip = client.get(f"{PAGE}summary/", HTTP_HX_REQUEST="true").content.decode()
    assert "<dd>1</dd>" not in strip


def test_figures_hidden_without_applications(acme: Connection, sam: AtsUser, see) -> None:
    _undecided(create_job(acme), OVERDUE)
    _count(acme)
    synced_data.record_check(acme, missing=(synced_data.APPLICATIONS,))
    page = see("sam").get(PAGE)
    assert page.context["summary"] is None
    assert "Applications aren't available" in page.content.decode()


@pytest.mark.parametrize(
    ("in_time", "late", "percent"),
    [(0, 0, None), (0, 5, 0), (1, 300, 1), (299, 1, 99), (5, 0, 100)],
)
def test_share_is_never_rounded_to_all_or_none(
    in_time: int, late: int, percent: int | None
) -> None:
    assert AnswerCounts(in_time, late, unknown=7).percent == percent


def test_recruiter_has_sums_of_own_requisitions(acme: Connection, sam: AtsUser, see) -> None:
    rita, una, idle = (synced_data.create_user(acme, name=name) for name in ("Rita", "Una", "Idle"))
    nurse, porter, cook = (create_job(acme, name) for name in ("Nurse", "Porter", "Cook"))
    closed = create_job(acme, status="closed")
    for job in (nurse, porter, closed):
        create_team_member(rita, job)
    create_team_member(una, cook)
    create_team_member(idle, create_job(acme))
    create_team_member(idle, nurse, role="coordinator")
    _undecided(nurse, OVERDUE + DAY)
    _undecided(porter, OVERDUE)
    _undecided(porter, DUE_LATER)
    synced_data.create_application(porter, synced_data.create_candidate(acme))
    _undecided(cook)
    _undecided(closed, OVERDUE - DAY)
    _answered(nurse, NOW - DAY, NOW - 2 * DAY)
    _answered(nurse, NOW - 40 * DAY, NOW - 41 * DAY)
    _answered(porter, NOW - DAY, OVERDUE)
    _answered(closed, NOW - DAY, None)
    _count(acme)
    first, second = see("sam").get(PAGE).context["recruiter_figures"]
    waiting, answers = first.waiting, first.answers
    assert (first.name, waiting.undecided, waiting.overdue) == ("Rita", 3, 2)
    assert (waiting.since, waiting.decision_unknown) == (OVERDUE, 1)
    assert (answers.in_time, answers.late, answers.unknown) == (1, 1, 1)
    assert (second.name, second.waiting.undecided, second.waiting.since) == ("Una", 1, None)


# -- lists and files -------------------------------------------------------------------------------


def _listed(client: Client, query: str) -> list[str]:
    return [row.job.name for row in client.get(f"{LIST}?{query}").context["rows"]]


def test_list_sorts_and_filters_by_due_time(acme: Connection, sam: AtsUser, see) -> None:
    for name, since in {
        "Later": DUE_LATER,
        "Overdue": OVERDUE,
        "Today": DUE_TODAY,
        "Soon": DUE_TODAY + DAY,
        "Unknown": None,
    }.items():
        _undecided(create_job(acme, name), since)
    _count(acme)
    client = see("sam")
    assert _listed(client, "sort=due") == ["Overdue", "Today", "Soon", "Later", "Unknown"]
    assert _listed(client, "due=overdue") == ["Overdue"]
    assert _listed(client, "due=today&sort=due") == ["Overdue", "Today"]
    assert _listed(client, "due=soon&sort=due") == ["Overdue", "Today", "Soon"]
    assert len(_listed(client, "due=nonsense")) == 5
    text = client.get(f"{LIST}?sort=due").content.decode()
    assert "1 overdue" in text
    assert "Due today" in text


def test_rows_show_share_and_oldest(acme: Connection, sam: AtsUser, see) -> None:
    job = create_job(acme)
    _undecided(job, NOW - 9 * DAY)
    for _ in range(2):
        _answered(job, NOW - DAY, NOW - 2 * DAY)
    _answered(job, NOW - DAY, OVERDUE)
    _count(acme)
    row = see("sam").get(LIST).context["rows"][0]
    assert row.answer_note == "oldest 9 days · 66% in time"


def test_filters_narrow_the_figures(acme: Connection, sam: AtsUser, see) -> None:
    first, second = create_job(acme, "Nurse"), create_job(acme, "Porter")
    recruiter = synced_data.create_user(acme, name="Rita")
    create_team_member(recruiter, first)
    create_team_member(sam, second)
    _undecided(first, OVERDUE)
    _undecided(second, DUE_LATER)
    _count(acme)
    client = see("sam")
    assert _counts(client, f"?recruiter={recruiter.pk}")["since"] == OVERDUE
    assert _counts(client, "?mine=1")["since"] == DUE_LATER
    figures = client.get(PAGE).context["recruiter_figures"]
    assert [(f.name, f.waiting.undecided, f.waiting.overdue) for f in figures] == [
        ("Rita", 1, 1),
        ("Sam Okafor", 1, 0),
    ]


def _read_csv(client: Client, url: str) -> list[dict[str, str]]:
    text = b"".join(client.get(url)).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def test_csv_has_figures_of_each_requisition(acme: Connection, sam: AtsUser, see) -> None:
    job, closed = create_job(acme, "Nurse"), create_job(acme, "Shut", status="closed")
    create_job(acme, "Shut long ago", status="closed")
    _undecided(job, OVERDUE)
    _answered(job, NOW - DAY, NOW - 2 * DAY)
    _answered(closed, NOW - DAY, OVERDUE)
    _undecided(closed, OVERDUE)
    _count(acme)
    first, second = _read_csv(see("sam"), f"{PAGE}export.csv?period=90")
    assert (first["Title"], first["Need a decision"], first["Answers overdue"]) == (
        "Nurse", "1", "1",
    )  # fmt: skip
    assert first["First answer due"] == "2026-11-10T00:00:00Z"
    assert (first["Answered in time, %"], first["Days counted"]) == ("100", "90")
    assert (second["Title"], second["Need a decision"], second["Answered late"]) == (
        "Shut", "0", "1",
    )  # fmt: skip
    assert Entry.objects.get(verb="answers.exported").after == {"query": "period=90"}


def test_summary_of_the_list_is_a_part(acme: Connection, sam: AtsUser, see) -> None:
    _undecided(create_job(acme), OVERDUE)
    _count(acme)
    client = see("sam")
    part = client.get(f"{PAGE}summary/", HTTP_HX_REQUEST="true").content.decode()
    assert "Answers overdue" in part
    assert "<html" not in part
    assert client.get(f"{PAGE}summary/").url == PAGE


# -- cost ------------------------------------------------------------------------------------------


def test_query_count_does_not_grow(acme: Connection, sam: AtsUser, see) -> None:
    client = see("sam")
    numbers = count()

    def add_jobs(n: int) -> None:
        for _ in range(n):
            job = create_job(acme, f"Job {next(numbers)}")
            recruiter = synced_data.create_user(acme, name=f"Recruiter {next(numbers)}")
            create_team_member(recruiter, job)
            _undecided(job, OVERDUE)
            _undecided(job, DUE_LATER)
            _answered(job, NOW - DAY, OVERDUE)
        _count(acme)

    def count_queries() -> dict[str, int]:
        counts = {}
        for url in (PAGE, f"{PAGE}summary/", f"{LIST}?due=overdue&sort=due"):
            with CaptureQueriesContext(database) as queries:
                client.get(url, HTTP_HX_REQUEST="true")
            counts[url] = len(queries)
        return counts

    add_jobs(2)
    count_queries()
    few = count_queries()
    add_jobs(10)
    assert count_queries() == few
    assert few[PAGE] <= 32


def test_unchanged_tallies_are_not_written(acme: Connection) -> None:
    _undecided(create_job(acme), OVERDUE)
    _count(acme)
    with CaptureQueriesContext(database) as queries:
        _count(acme)
    written = [q["sql"] for q in queries if q["sql"].startswith(("INSERT", "DELETE"))]
    assert [sql for sql in written if "decisiontally" in sql] == []
    assert [q for q in queries if "undecided" in q["sql"] and q["sql"].startswith("UPDATE")] == []


def test_tallies_follow_decisions(acme: Connection) -> None:
    job = create_job(acme)
    application = _undecided(job, OVERDUE)
    _count(acme)
    Application.objects.filter(pk=application.pk).update(
        status="rejected", needs_decision=False, decision_needed_at=None,
        answered_at=NOW, answer_needed_at=OVERDUE, changed_at=NOW,
    )  # fmt: skip
    stage_counts.update_counts(acme)
    tally = DecisionTally.objects.get()
    assert (tally.day, tally.waiting, tally.in_time, tally.late) == (NOW.date(), 0, 0, 1)
    job.refresh_from_db()
    assert (job.undecided, job.undecided_since) == (0, None)


def test_nothing_is_zero_before_the_first_count(acme: Connection, sam: AtsUser, see) -> None:
    _undecided(create_job(acme), OVERDUE)
    client = see("sam")
    text = client.get(PAGE).content.decode()
    assert "Counting applications" in text
    assert "<dd>" not in text
    summary = client.get(f"{PAGE}summary/", HTTP_HX_REQUEST="true").content.decode()
    assert "<dd>" not in summary
    _count(acme)
    assert "Counting applications" not in client.get(PAGE).content.decode()


@pytest.mark.parametrize("block_size", [2, 256])
def test_stored_sums_equal_those_of_each_requisition(
    acme: Connection, sam: AtsUser, see, time_machine, monkeypatch, block_size: int
) -> None:
    """A Site Admin's figures come from sums over blocks of requisitions."""
    monkeypatch.setattr(tally_sums, "BLOCK_SIZE", block_size)
    secret, granted = (create_job(acme, confidential=True) for _ in range(2))
    create_grant(sam, granted)
    closed, gone = create_job(acme, status="closed"), create_job(acme, gone=True)
    jobs = [secret, granted, closed, gone, *(create_job(acme) for _ in range(3))]
    for number, job in enumerate(jobs, start=1):
        for _ in range(number):
            _undecided(job, OVERDUE)
        _undecided(job)
        _answered(job, NOW - DAY, NOW - 2 * DAY)
        synced_data.create_application(job, synced_data.create_candidate(acme))
    for days in (29, 30):  # the first day of the period, and the one before
        _answered(jobs[-1], NOW - days * DAY, None)
    _count(acme)
    client = see("sam")
    changed_lately = _counts(client)
    time_machine.move_to(NOW + timedelta(minutes=9), tick=False)
    StageCountRun.objects.update(counted_until=NOW + timedelta(minutes=9))
    with CaptureQueriesContext(database) as queries:
        settled = _counts(client)
    assert any("decisiontallysum" in str(query["sql"]) for query in queries)
    assert settled == changed_lately
    # Counts 2 to 7 without the closed and the gone one; five requisitions are answered on.
    assert settled["undecided"] == 2 + 5 + 6 + 7 + 4
    assert settled["overdue"] == 2 + 5 + 6 + 7
    assert settled["unknown"] == (4, 4)
    assert settled["answers"] == (5, 0, 1)


def test_sums_forget_what_turns_confidential_at_once(
    acme: Connection, sam: AtsUser, see, time_machine
) -> None:
    create_job(acme)
    secret = create_job(acme)
    _undecided(secret, OVERDUE)
    _count(acme)
    time_machine.move_to(NOW + timedelta(hours=1), tick=False)
    _count(acme)
    client = see("sam")
    assert _counts(client)["undecided"] == 1
    now = NOW + timedelta(hours=1)
    Job.objects.filter(pk=secret.pk).update(confidential=True, changed_at=now)
    assert _counts(client)["undecided"] == 0
    stage_counts.update_counts(acme)
    assert not DecisionTallySum.objects.filter(waiting__gt=0).exists()


def test_most_urgent_recruiters_are_listed(acme: Connection, sam: AtsUser, see) -> None:
    closed = create_job(acme, status="closed")
    create_team_member(synced_data.create_user(acme, name="Of a closed one"), closed)
    _undecided(closed, OVERDUE - DAY)
    for number in range(12):
        job = create_job(acme)
        create_team_member(synced_data.create_user(acme, name=f"Recruiter {number:02}"), job)
        _undecided(job, OVERDUE + number * timedelta(hours=1))
        _answered(job, NOW - DAY, OVERDUE)
    _count(acme)
    page = see("sam").get(PAGE)
    figures = page.context["recruiter_figures"]
    assert [row.name for row in figures] == [f"Recruiter {number:02}" for number in range(10)]
    assert all((row.waiting.overdue, row.answers.late) == (1, 1) for row in figures)
    assert "The 10 recruiters closest to missing the promise" in page.content.decode()
