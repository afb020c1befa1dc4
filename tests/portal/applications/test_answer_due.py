"""When the answer to an application is due: on its row, in filters, files and reviews."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime

import pytest
from django.test import Client
from django.urls import reverse

from portal.applications.models import ReviewSession
from portal.connections.models import Connection
from portal.jobs.job_list import stage_counts
from portal.sync.models import Application, Job, SyncRun
from tests.factories import ConnectionFactory
from tests.personas import Personas
from tests.portal.entitlements import synced_data

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)  # a Wednesday
SINCE = {
    "Ada Overdue": datetime(2026, 11, 2, 9, tzinfo=UTC),
    "Bo Today": datetime(2026, 11, 11, 9, tzinfo=UTC),
    "Cy Later": datetime(2026, 11, 17, 9, tzinfo=UTC),
    "Di Unknown": None,
}


@pytest.fixture(autouse=True)
def _now(time_machine) -> None:
    time_machine.move_to(NOW, tick=False)


@pytest.fixture
def acme(personas: Personas) -> Connection:
    made = ConnectionFactory(organization=personas.ada.organization, state="live")
    SyncRun.objects.create(connection=made, status="done", started_at=NOW, finished_at=NOW)
    synced_data.create_user(made, "sam@acme.example", name="Sam Okafor", site_admin=True)
    return made


@pytest.fixture
def job(acme: Connection) -> Job:
    job = synced_data.create_job(acme)
    stage = synced_data.create_stage(job, "Review")
    for name, since in SINCE.items():
        candidate = synced_data.create_candidate(acme, name)
        synced_data.create_application(
            job, candidate, stage=stage, stage_name="Review",
            needs_decision=True, decision_needed_at=since,
        )  # fmt: skip
    silent = synced_data.create_candidate(acme, "Eve Silent")
    synced_data.create_application(job, silent, stage=stage)
    return job


@pytest.fixture
def sam(personas: Personas, acme: Connection, sign_in) -> Client:
    client: Client = sign_in(personas.sam)
    return client


def _names(sam: Client, job: Job, query: str) -> list[str]:
    page = sam.get(f"{reverse('applications:job_detail', args=[job.pk])}?{query}")
    return [str(row.application.candidate) for row in page.context["rows"]]


def test_rows_say_when_the_answer_is_due(sam: Client, job: Job) -> None:
    url = reverse("applications:job_detail", args=[job.pk])
    page = sam.get(f"{url}?sort=due")
    labels = [row.due and row.due.inline_text for row in page.context["rows"]]
    assert labels[:3] == ["overdue by 7 working days", "due today", "due Tue 24 Nov"]
    assert labels[3:] == [None, None]
    text = page.content.decode()
    assert text.count("needs decision</small>") == 1  # since when is unknown
    assert "<b>4</b> need a decision" in text
    assert "1 overdue" in text


@pytest.mark.parametrize(
    ("due", "expected"),
    [
        ("overdue", ["Ada Overdue"]),
        ("today", ["Ada Overdue", "Bo Today"]),
        ("soon", ["Ada Overdue", "Bo Today"]),
        ("unknown", ["Di Unknown", "Eve Silent"]),
    ],
)
def test_applications_filtered_by_due_time(sam: Client, job: Job, due: str, expected: list) -> None:
    assert _names(sam, job, f"due={due}&sort=due") == expected


def test_closest_to_missing_comes_first(sam: Client, job: Job) -> None:
    assert _names(sam, job, "sort=due")[:3] == list(SINCE)[:3]


def test_applicant_page_tells_due_time(sam: Client, job: Job) -> None:
    def read_page(name: str) -> str:
        first_name = name.split()[0]
        application = Application.objects.get(candidate__first_name=first_name)
        return sam.get(reverse("applications:applicant", args=[application.pk])).content.decode()

    assert "Overdue by 7 working days" in read_page("Ada Overdue")
    assert "Due time unknown" in read_page("Di Unknown")
    assert "<dt>Answer</dt>" not in read_page("Eve Silent")


def test_file_has_due_times(sam: Client, job: Job) -> None:
    url = reverse("applications:export_csv", args=[job.pk])
    text = b"".join(sam.get(f"{url}?sort=due")).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["Answer due"] for row in rows] == [
        "2026-11-10T00:00:00Z", "2026-11-19T00:00:00Z", "2026-11-25T00:00:00Z", "", "",
    ]  # fmt: skip


def test_review_goes_by_due_time(sam: Client, job: Job) -> None:
    answer = sam.post(reverse("applications:start_review"), {"source": "due"})
    assert answer.status_code == 302
    ids = ReviewSession.objects.get().application_ids
    names = [str(Application.objects.get(pk=pk).candidate) for pk in ids]
    assert names == list(SINCE)[:3]


def test_review_without_known_needs_says_so(sam: Client, acme: Connection) -> None:
    job = synced_data.create_job(acme)
    synced_data.create_application(job, synced_data.create_candidate(acme))
    stage_counts.update_counts(acme)
    page = sam.get(reverse("applications:reviews")).content.decode()
    assert "Unknown: Greenhouse doesn&#x27;t say which applications need a decision." in page
