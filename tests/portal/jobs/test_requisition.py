"""A requisition's own page: its facts, its posts, how fresh it is, and reading it again."""

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
    care = Department.objects.create(connection=acme, remote_id=1, name="Care")
    made = world.job(acme, "Nurse", requisition_id="REQ-1", department=care)
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


def _page(job: Job) -> str:
    return reverse("applications:of_job", args=[job.pk])


def test_the_page_tells_what_the_job_is(nurse: Job, cast: Cast, sign_in) -> None:
    page = sign_in(cast.sam).get(_page(nurse)).content.decode()
    for words in ("REQ-1", "Care", "Remy Laurent", "SEAT-9", "Nurse at night", "<b>now</b>"):
        assert words in page
    assert f"https://app.greenhouse.io/sdash/{nurse.remote_id}" in page
    assert 'href="https://boards.example/nurse"' in page
    assert "steal()" not in page
    assert "onclick" not in page


@pytest.mark.parametrize(
    ("html", "kept"),
    [
        ('<img src=x onerror="a()">', ""),
        ('<a href="javascript:a()">x</a>', '<a rel="noopener noreferrer nofollow">x</a>'),
        ('<p style="position:fixed" class="btn">x</p>', "<p>x</p>"),
        ("<iframe src=//e></iframe><form action=//e><input></form>", ""),
        ("<ul><li>x</li></ul>", "<ul><li>x</li></ul>"),
        ("<p>open", "<p>open</p>"),
    ],
)
def test_nothing_in_a_posts_html_acts_or_loads(html: str, kept: str) -> None:
    assert cleaned(html) == kept


def test_a_post_links_only_to_a_real_address(nurse: Job, cast: Cast, sign_in) -> None:
    JobPost.objects.update(public_url="javascript:alert(1)")
    assert "javascript:" not in sign_in(cast.sam).get(_page(nurse)).content.decode()


def test_what_may_not_be_read_is_said_so(nurse: Job, cast: Cast, sign_in) -> None:
    world.checked(nurse.connection, missing=("openings.list_for_job", world.TEAMS))
    page = sign_in(cast.sam).get(_page(nurse)).content.decode()
    assert "SEAT-9" not in page
    assert page.count("credential may not read") == 2


def test_opening_the_page_is_remembered_as_a_look(nurse: Job, cast: Cast, sign_in) -> None:
    sign_in(cast.sam).get(_page(nurse))
    assert Look.objects.get().job == nurse
    assert Look.objects.get().membership == cast.sam


def test_refreshing_asks_for_one_reading_however_often_it_is_clicked(
    nurse: Job, cast: Cast, sign_in
) -> None:
    client = sign_in(cast.sam)
    refresh = reverse("jobs:refresh", args=[nurse.pk])
    for _ in range(3):
        answer = client.post(refresh)
        assert answer.url == _page(nurse)
    wish = SingleRead.objects.get()
    assert (wish.kind, wish.remote_id) == ("job", nurse.remote_id)
    assert "Being read again" in client.get(_page(nurse)).content.decode()
    part = client.get(refresh, HTTP_HX_REQUEST="true").content.decode()
    assert "every 2s" in part
    wish.delete()
    part = client.get(refresh, HTTP_HX_REQUEST="true").content.decode()
    assert "Read again from Greenhouse" in part
    assert "every 2s" not in part


def test_a_paused_connection_reads_nothing_again(nurse: Job, cast: Cast, sign_in) -> None:
    nurse.connection.state = "action_needed"
    nurse.connection.save()
    sign_in(cast.sam).post(reverse("jobs:refresh", args=[nurse.pk]))
    assert not SingleRead.objects.exists()


def test_a_closed_requisition_has_a_page_without_buttons(nurse: Job, cast: Cast, sign_in) -> None:
    world.application(nurse, world.candidate(nurse.connection), status="hired")
    Job.objects.filter(pk=nurse.pk).update(status="closed")
    client = sign_in(cast.sam)
    (row,) = client.get("/requisitions/?status=closed").context["rows"]
    page = client.get(row.address).content.decode()
    assert "This requisition is closed" in page
    assert "Hired" in page
    assert "Advance" not in page
    assert sign_in(cast.remy).get(row.address).status_code == 404


def test_an_application_tells_its_days_in_stage_and_where_it_comes_from(
    nurse: Job, cast: Cast, sign_in
) -> None:
    now = timezone.now()
    source = Source.objects.create(connection=nurse.connection, remote_id=1, name="Job fair")
    for name, since, more in (
        ("Lea Long", now - timedelta(days=12, hours=1), {"source": source}),
        ("Ned New", now, {"source_name": "Referral"}),
        ("Una Known", None, {}),
        ("Rob Rejected", now - timedelta(days=40), {"status": "rejected"}),
    ):
        of = world.candidate(nurse.connection, name)
        world.application(nurse, of, stage_name="Phone", entered_stage_at=since, **more)
    client = sign_in(cast.sam)
    page = client.get(f"{_page(nurse)}?status=").content.decode()
    for words in (">for 12 days<", ">since today<", "Job fair", "Referral"):
        assert page.count(words) == 1
    assert "for 40 days" not in page
    world.checked(nurse.connection, missing=("application_stages.list",))
    assert "for 12 days" not in client.get(_page(nurse)).content.decode()


@pytest.mark.parametrize("who", ["zoe", "remy", "uma"])
def test_who_does_not_see_it_gets_nothing_of_it(nurse: Job, cast: Cast, sign_in, who: str) -> None:
    client = sign_in(getattr(cast, who))
    assert client.get(_page(nurse)).status_code == 404
    for name in ("closed", "refresh"):
        assert client.get(reverse(f"jobs:{name}", args=[nurse.pk])).status_code == 404
    assert client.post(reverse("jobs:refresh", args=[nurse.pk])).status_code == 404
    assert not SingleRead.objects.exists()
    assert not Look.objects.exists()
