"""A requisition's page: details, posts, freshness and refresh."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from portal.jobs.facts import cleaned
from portal.jobs.models import Look
from portal.mirror.models import Department, Job, JobPost, Opening, SingleRead, Source
from tests.cast import Cast, gather
from tests.portal.entitlements import world


@pytest.fixture
def cast(db: None) -> Cast:
    return gather()


@pytest.fixture
def nurse(acme, sam, remy) -> Job:
    department = Department.objects.create(connection=acme, remote_id=1, name="Care")
    made = world.job(acme, "Nurse", requisition_id="REQ-1", department=department)
    world.place(remy, made)
    Opening.objects.create(
        connection=acme, remote_id=1, job=made, is_open=True, opening_id="SEAT-9"
    )
    JobPost.objects.create(
        connection=acme,
        remote_id=1,
        job=made,
        title="Nurse at night",
        live=True,
        internal=False,
        public_url="https://boards.example/nurse",
        content='<p onclick="x()">Come <b>now</b></p><script>steal()</script>',
    )
    return made


def _job_url(job: Job) -> str:
    return reverse("applications:of_job", args=[job.pk])


def test_job_page_shows_details_and_posts(nurse: Job, cast: Cast, sign_in) -> None:
    page = sign_in(cast.sam).get(_job_url(nurse)).content.decode()
    for text in ("REQ-1", "Care", "Remy Laurent", "SEAT-9", "Nurse at night", "<b>now</b>"):
        assert text in page
    assert f"https://app.greenhouse.io/sdash/{nurse.remote_id}" in page
    assert 'href="https://boards.example/nurse"' in page
    assert "steal()" not in page
    assert "onclick" not in page


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ('<img src=x onerror="a()">', ""),
        ('<a href="javascript:a()">x</a>', '<a rel="noopener noreferrer nofollow">x</a>'),
        ('<p style="position:fixed" class="btn">x</p>', "<p>x</p>"),
        ("<iframe src=//e></iframe><form action=//e><input></form>", ""),
        ("<ul><li>x</li></ul>", "<ul><li>x</li></ul>"),
        ("<p>open", "<p>open</p>"),
    ],
)
def test_post_html_is_sanitized(html: str, expected: str) -> None:
    assert cleaned(html) == expected


def test_post_link_requires_http_url(nurse: Job, cast: Cast, sign_in) -> None:
    JobPost.objects.update(public_url="javascript:alert(1)")
    assert "javascript:" not in sign_in(cast.sam).get(_job_url(nurse)).content.decode()


def test_job_page_names_missing_permissions(nurse: Job, cast: Cast, sign_in) -> None:
    world.checked(nurse.connection, missing=("openings.list_for_job", world.TEAMS))
    page = sign_in(cast.sam).get(_job_url(nurse)).content.decode()
    assert "SEAT-9" not in page
    assert page.count("credential may not read") == 2


def test_job_page_records_visit(nurse: Job, cast: Cast, sign_in) -> None:
    sign_in(cast.sam).get(_job_url(nurse))
    assert Look.objects.get().job == nurse
    assert Look.objects.get().membership == cast.sam


def test_repeated_refresh_requests_one_read(nurse: Job, cast: Cast, sign_in) -> None:
    client = sign_in(cast.sam)
    refresh_url = reverse("jobs:refresh", args=[nurse.pk])
    for _ in range(3):
        response = client.post(refresh_url)
        assert response.url == _job_url(nurse)
    refresh_request = SingleRead.objects.get()
    assert (refresh_request.kind, refresh_request.remote_id) == ("job", nurse.remote_id)
    assert "Being read again" in client.get(_job_url(nurse)).content.decode()
    partial = client.get(refresh_url, HTTP_HX_REQUEST="true").content.decode()
    assert "every 2s" in partial
    refresh_request.delete()
    partial = client.get(refresh_url, HTTP_HX_REQUEST="true").content.decode()
    assert "Read again from Greenhouse" in partial
    assert "every 2s" not in partial


def test_refresh_ignored_when_action_needed(nurse: Job, cast: Cast, sign_in) -> None:
    nurse.connection.state = "action_needed"
    nurse.connection.save()
    sign_in(cast.sam).post(reverse("jobs:refresh", args=[nurse.pk]))
    assert not SingleRead.objects.exists()


def test_closed_job_page_has_no_actions(nurse: Job, cast: Cast, sign_in) -> None:
    world.application(nurse, world.candidate(nurse.connection), status="hired")
    Job.objects.filter(pk=nurse.pk).update(status="closed")
    client = sign_in(cast.sam)
    (row,) = client.get("/requisitions/?status=closed").context["rows"]
    page = client.get(row.address).content.decode()
    assert "This requisition is closed" in page
    assert "Hired" in page
    assert "Advance" not in page
    assert sign_in(cast.remy).get(row.address).status_code == 404


def test_application_row_shows_stage_age_and_source(nurse: Job, cast: Cast, sign_in) -> None:
    now = timezone.now()
    source = Source.objects.create(connection=nurse.connection, remote_id=1, name="Job fair")
    for name, since, fields in (
        ("Lea Long", now - timedelta(days=12, hours=1), {"source": source}),
        ("Ned New", now, {"source_name": "Referral"}),
        ("Una Known", None, {}),
        ("Rob Rejected", now - timedelta(days=40), {"status": "rejected"}),
    ):
        candidate = world.candidate(nurse.connection, name)
        world.application(nurse, candidate, stage_name="Phone", entered_stage_at=since, **fields)
    client = sign_in(cast.sam)
    page = client.get(f"{_job_url(nurse)}?status=").content.decode()
    for text in (">for 12 days<", ">since today<", "Job fair", "Referral"):
        assert page.count(text) == 1
    assert "for 40 days" not in page
    world.checked(nurse.connection, missing=("application_stages.list",))
    assert "for 12 days" not in client.get(_job_url(nurse)).content.decode()


@pytest.mark.parametrize("name", ["zoe", "remy", "uma"])
def test_job_page_404_without_access(nurse: Job, cast: Cast, sign_in, name: str) -> None:
    client = sign_in(getattr(cast, name))
    assert client.get(_job_url(nurse)).status_code == 404
    for url_name in ("closed", "refresh"):
        assert client.get(reverse(f"jobs:{url_name}", args=[nurse.pk])).status_code == 404
    assert client.post(reverse("jobs:refresh", args=[nurse.pk])).status_code == 404
    assert not SingleRead.objects.exists()
    assert not Look.objects.exists()
