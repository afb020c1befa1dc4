"""A requisition's page: details, posts, freshness and refresh."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from portal.jobs.job_page.details import sanitize_html
from portal.jobs.models import LastViewed
from portal.sync.models import Department, Job, JobPost, Opening, RefreshRequest, Source
from tests.personas import Personas, create_personas
from tests.portal.entitlements import synced_data


@pytest.fixture
def personas(db: None) -> Personas:
    return create_personas()


@pytest.fixture
def nurse(acme, sam, remy) -> Job:
    department = Department.objects.create(connection=acme, remote_id=1, name="Care")
    made = synced_data.create_job(acme, "Nurse", requisition_id="REQ-1", department=department)
    synced_data.create_team_member(remy, made)
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


_UNFOLDING = {"HTTP_HX_REQUEST": "true", "HTTP_HX_TARGET": "job-about"}


def _job_url(job: Job) -> str:
    return reverse("applications:job_detail", args=[job.pk])


def test_job_page_shows_details_and_posts(nurse: Job, personas: Personas, sign_in) -> None:
    client = sign_in(personas.sam)
    page = client.get(f"{_job_url(nurse)}?about=1").content.decode()
    part = client.get(_job_url(nurse), **_UNFOLDING).content.decode()
    for text in ("REQ-1", "Care", "Remy Laurent", "SEAT-9", "Nurse at night", "<b>now</b>"):
        assert text in page
        assert text in part
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
    assert sanitize_html(html) == expected


def test_post_link_requires_http_url(nurse: Job, personas: Personas, sign_in) -> None:
    JobPost.objects.update(public_url="javascript:alert(1)")
    page = sign_in(personas.sam).get(_job_url(nurse), **_UNFOLDING).content.decode()
    assert "Nurse at night" in page
    assert "javascript:" not in page


def test_job_page_names_missing_permissions(nurse: Job, personas: Personas, sign_in) -> None:
    synced_data.record_check(nurse.connection, missing=("openings.list_for_job", synced_data.TEAMS))
    page = sign_in(personas.sam).get(f"{_job_url(nurse)}?about=1").content.decode()
    assert "SEAT-9" not in page
    assert page.count("credential can't read") == 2


def test_job_page_records_visit(nurse: Job, personas: Personas, sign_in) -> None:
    sign_in(personas.sam).get(_job_url(nurse))
    assert LastViewed.objects.get().job == nurse
    assert LastViewed.objects.get().membership == personas.sam


def test_repeated_refresh_requests_one_read(nurse: Job, personas: Personas, sign_in) -> None:
    client = sign_in(personas.sam)
    refresh_url = reverse("jobs:refresh_job", args=[nurse.pk])
    for _ in range(3):
        response = client.post(refresh_url)
        assert response.url == _job_url(nurse)
    refresh_request = RefreshRequest.objects.get()
    assert (refresh_request.kind, refresh_request.remote_id) == ("job", nurse.remote_id)
    assert "Refreshing…" in client.get(_job_url(nurse)).content.decode()
    partial = client.get(refresh_url, HTTP_HX_REQUEST="true").content.decode()
    assert "every 2s" in partial
    refresh_request.delete()
    partial = client.get(refresh_url, HTTP_HX_REQUEST="true").content.decode()
    assert "Up to date." in partial
    assert "every 2s" not in partial


def test_refresh_ignored_when_action_needed(nurse: Job, personas: Personas, sign_in) -> None:
    nurse.connection.state = "action_needed"
    nurse.connection.save()
    sign_in(personas.sam).post(reverse("jobs:refresh_job", args=[nurse.pk]))
    assert not RefreshRequest.objects.exists()


def test_closed_job_page_has_no_actions(nurse: Job, personas: Personas, sign_in) -> None:
    synced_data.create_application(
        nurse, synced_data.create_candidate(nurse.connection), status="hired"
    )
    Job.objects.filter(pk=nurse.pk).update(status="closed")
    client = sign_in(personas.sam)
    (row,) = client.get("/requisitions/?status=closed").context["rows"]
    page = client.get(row.url).content.decode()
    assert "This requisition is closed" in page
    assert "Hired" in page
    assert "Advance" not in page
    assert sign_in(personas.remy).get(row.url).status_code == 404


def test_application_row_shows_stage_age_and_source(
    nurse: Job, personas: Personas, sign_in
) -> None:
    now = timezone.now()
    source = Source.objects.create(connection=nurse.connection, remote_id=1, name="Job fair")
    for name, since, fields in (
        ("Lea Long", now - timedelta(days=12, hours=1), {"source": source}),
        ("Ned New", now, {"source_name": "Referral"}),
        ("Una Known", None, {}),
        ("Rob Rejected", now - timedelta(days=40), {"status": "rejected"}),
    ):
        candidate = synced_data.create_candidate(nurse.connection, name)
        synced_data.create_application(
            nurse, candidate, stage_name="Phone", entered_stage_at=since, **fields
        )
    client = sign_in(personas.sam)
    page = client.get(f"{_job_url(nurse)}?status=").content.decode()
    for text in ("> 12 days<", "> since today<", "Job fair", "Referral"):
        assert page.count(text) == 1
    assert "40 days" not in page
    synced_data.record_check(nurse.connection, missing=("application_stages.list",))
    assert "> 12 days<" not in client.get(_job_url(nurse)).content.decode()


@pytest.mark.parametrize("name", ["zoe", "remy", "uma"])
def test_job_page_404_without_access(nurse: Job, personas: Personas, sign_in, name: str) -> None:
    client = sign_in(getattr(personas, name))
    assert client.get(_job_url(nurse)).status_code == 404
    assert client.get(reverse("jobs:refresh_job", args=[nurse.pk])).status_code == 404
    assert client.post(reverse("jobs:refresh_job", args=[nurse.pk])).status_code == 404
    assert not RefreshRequest.objects.exists()
    assert not LastViewed.objects.exists()


def test_escaped_post_shows_its_formatting(nurse: Job, personas: Personas, sign_in) -> None:
    nurse.posts.update(content="&lt;p&gt;Come &lt;b&gt;now&lt;/b&gt; &amp;amp; &lt;script&gt;x()")
    page = sign_in(personas.sam).get(_job_url(nurse), **_UNFOLDING).content.decode()
    assert "<p>Come <b>now</b> &amp; </p>" in page
    assert "x()" not in page
