"""Reviews across requisitions: what they list, whose they are, and how their place is kept."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from portal.accounts.models import Membership
from portal.applications.models import ReviewSession
from portal.applications.review import queues
from portal.entitlements.rules import visible_applications
from portal.jobs.models import LastViewed, SavedView
from portal.sync.models import Application, Job, JobGrant
from tests.api_generations import any_generation
from tests.personas import Personas
from tests.portal.applications.action_helpers import (
    HTMX,
    build_action_url,
    build_form_values,
    get_review_origin,
    list_applications,
)

pytestmark = any_generation
REVIEWS = "applications:reviews"


@pytest.fixture
def remy(personas: Personas, connect, sign_in, kind: str) -> Client:
    connect(kind)
    return sign_in(personas.remy)


def _start_review(client: Client, source: str, **more: object) -> str:
    answer = client.post(reverse("applications:start_review"), {"source": source, **more})
    assert answer.status_code == 302, answer.status_code
    url: str = answer.url
    return url


def _list_ids() -> list[int]:
    return ReviewSession.objects.latest("started_at").application_ids


def _view_jobs(member: Membership) -> None:
    """Open each requisition, as of now."""
    LastViewed.objects.bulk_create(
        LastViewed(membership=member, job=job, viewed_at=timezone.now() - timedelta(hours=1))
        for job in Job.objects.all()
    )


def _age_applications(**values: object) -> None:
    Application.objects.update(**values)


def test_new_queue_lists_arrivals_since_last_view(remy: Client, personas: Personas) -> None:
    _view_jobs(personas.remy)
    _age_applications(first_seen_at=timezone.now() - timedelta(days=1))
    first, second, third = list_applications()[:3]
    for minutes, application in ((5, second), (9, first)):
        arrived_at = timezone.now() - timedelta(minutes=minutes)
        Application.objects.filter(pk=application.pk).update(first_seen_at=arrived_at)
    assert "(2)" in remy.get(reverse(REVIEWS)).content.decode()
    page = _start_review(remy, "new")
    assert _list_ids() == [first.pk, second.pk], "the oldest first"
    remy.get(f"{page}?position=3")
    Application.objects.filter(pk=third.pk).update(first_seen_at=timezone.now())
    assert _start_review(remy, "new") == page, "one session for each source"
    assert _list_ids() == [third.pk], "those before were looked at"
    remy.get(f"{page}?position=2")
    assert _start_review(remy, "new") == reverse(REVIEWS)
    assert _list_ids() == [third.pk], "nothing new leaves the last list as it is"


def test_new_queue_of_unopened_jobs_is_recent(remy: Client) -> None:
    _age_applications(applied_at=timezone.now() - timedelta(days=30))
    recent = list_applications()[3]
    applied_at = timezone.now() - timedelta(days=2)
    Application.objects.filter(pk=recent.pk).update(applied_at=applied_at)
    _start_review(remy, "new")
    assert _list_ids() == [recent.pk]


def test_waiting_queue_starts_with_longest_wait(remy: Client) -> None:
    _age_applications(entered_stage_at=timezone.now() - timedelta(days=6))
    first, second = list_applications()[5:7]
    for days, application in ((8, second), (20, first)):
        entered_at = timezone.now() - timedelta(days=days)
        Application.objects.filter(pk=application.pk).update(entered_stage_at=entered_at)
    page = _start_review(remy, "waiting")
    assert _list_ids() == [first.pk, second.pk]
    response = remy.get(page)
    assert response.context["application"] == first
    title = response.content.decode().partition("<title>")[2].partition("</title>")[0]
    assert title.startswith(str(first.candidate))
    assert first.job.name in response.content.decode()


def test_saved_views_can_be_reviewed(remy: Client, personas: Personas) -> None:
    application = list_applications()[0]
    member = personas.remy
    of_job = SavedView.objects.create(
        membership=member, job=application.job, name="First stage",
        query=f"status=active&stage={application.stage_id}",
    )  # fmt: skip
    of_list = SavedView.objects.create(membership=member, name="By title", query="q=engineer")
    other = SavedView.objects.create(membership=personas.sam, name="Of Sam", query="status=open")
    page = remy.get(reverse(REVIEWS)).content.decode()
    assert "First stage" in page
    assert "Of Sam" not in page
    _start_review(remy, "view", view=of_job.pk)
    stages = Application.objects.filter(pk__in=_list_ids()).values_list("stage_id", flat=True)
    assert set(stages) == {application.stage_id}
    _start_review(remy, "view", view=of_list.pk)
    titles = set(Job.objects.filter(applications__in=_list_ids()).values_list("name", flat=True))
    assert titles
    assert all("engineer" in title.lower() for title in titles)
    values = {"source": "view", "view": other.pk}
    assert remy.post(reverse("applications:start_review"), values).status_code == 404


def test_shared_view_lists_only_what_its_reader_may_see(remy: Client, personas: Personas) -> None:
    view = SavedView.objects.create(
        membership=personas.sam, name="Busy", query="with_active=1", shared_at=timezone.now()
    )
    row = remy.get(reverse(REVIEWS)).content.decode().partition("Busy")[2]
    assert f"shared by {personas.sam.user}" in row
    _start_review(remy, "view", view=view.pk)
    visible = visible_applications(personas.remy).filter(status="active")
    assert sorted(_list_ids()) == sorted(visible.values_list("pk", flat=True))
    SavedView.objects.update(shared_at=None)
    values = {"source": "view", "view": view.pk}
    assert remy.post(reverse("applications:start_review"), values).status_code == 404


def test_closed_requisitions_are_not_reviewed(remy: Client) -> None:
    _age_applications(entered_stage_at=timezone.now() - timedelta(days=8))
    closed = list_applications()[0].job
    Job.objects.filter(pk=closed.pk).update(status="closed")
    _start_review(remy, "waiting")
    jobs = Application.objects.filter(pk__in=_list_ids()).values_list("job_id", flat=True)
    assert jobs
    assert closed.pk not in jobs


def test_lost_applications_leave_the_review(remy: Client) -> None:
    _age_applications(entered_stage_at=timezone.now() - timedelta(days=20))
    page = _start_review(remy, "waiting")
    total = remy.get(page).context["place"].total
    lost_job = remy.get(page).context["application"].job_id
    lost_count = Application.objects.filter(pk__in=_list_ids(), job=lost_job).count()
    JobGrant.objects.filter(job=lost_job).update(gone_at=timezone.now())
    response = remy.get(page)
    assert response.context["place"].total == total - lost_count
    assert response.context["application"].job_id != lost_job
    assert "left this review" in response.content.decode()
    row = f"1 of {total - lost_count}"
    assert row in remy.get(reverse(REVIEWS)).content.decode()


def test_place_is_kept_until_started_over(remy: Client, advance_clock) -> None:
    _age_applications(entered_stage_at=timezone.now() - timedelta(days=20))
    page = _start_review(remy, "waiting")
    listed = _list_ids()
    remy.get(f"{page}?position=4")
    advance_clock(3 * 3600)
    assert remy.get(page).context["place"].number == 4
    reviews_html = remy.get(reverse(REVIEWS)).content.decode()
    assert "4 of" in reviews_html
    assert reviews_html.count("This replaces your review in progress.") == 1
    session = ReviewSession.objects.get()
    remy.post(reverse("applications:restart_review", args=[session.pk]))
    assert remy.get(page).context["place"].number == 1
    assert _list_ids() == listed, "the same applications"


def test_other_list_of_job_is_named_with_count(remy: Client) -> None:
    application = list_applications()[0]
    url = reverse("applications:job_detail", args=[application.job_id])
    start_url = reverse("applications:start_job_review", args=[application.job_id])
    remy.post(start_url, {"status": "active"})
    assert "Review this list" not in remy.get(url).content.decode()
    other = remy.get(url, {"status": "active", "stage": application.stage_id})
    count = other.context["page"].count
    assert f"Review this list ({count})" in other.content.decode()
    assert "Start over" in other.content.decode()


def test_review_belongs_to_one_person(remy: Client, personas: Personas, sign_in) -> None:
    page = _start_review(remy, "waiting")
    session_pk = ReviewSession.objects.get().pk
    decisions_url = reverse("applications:review_decisions", args=[session_pk])
    restart_url = reverse("applications:restart_review", args=[session_pk])
    for name in ("sam", "zoe", "uma"):
        stranger = sign_in(getattr(personas, name))
        assert stranger.get(page).status_code == 404
        assert stranger.get(decisions_url).status_code == 404
        assert stranger.post(restart_url).status_code == 404
    assert sign_in(personas.uma).get(reverse(REVIEWS)).status_code == 200


def test_decision_answers_with_next_application(remy: Client) -> None:
    _age_applications(entered_stage_at=timezone.now() - timedelta(days=20))
    page = _start_review(remy, "waiting")
    first, second = remy.get(page), remy.get(f"{page}?position=2")
    remy.get(f"{page}?position=1")
    application = first.context["application"]
    values = build_form_values(application, origin=get_review_origin())
    response = remy.post(build_action_url("advance", application.pk), values, **HTMX)
    html = response.content.decode()
    assert response["HX-Retarget"] == "#review"
    assert response["HX-Push-Url"] == f"{page}?position=2"
    assert "<html" not in html
    assert f"<title>{second.context['row'].who} · 2 of" in html
    assert f"Advancing {application.candidate}" in html
    assert "data-take-focus" in html


def test_long_queue_is_cut_and_continued(remy: Client, monkeypatch) -> None:
    monkeypatch.setattr(queues, "MAX_APPLICATIONS", 3)
    monkeypatch.setattr("portal.applications.review.sessions.MAX_APPLICATIONS", 3)
    now = timezone.now()
    _age_applications(entered_stage_at=now)
    for number, application in enumerate(list_applications()[:5]):
        entered_at = now - timedelta(days=60 - number)
        Application.objects.filter(pk=application.pk).update(entered_stage_at=entered_at)
    expected = [application.pk for application in list_applications()[:5]]
    page = _start_review(remy, "waiting")
    assert _list_ids() == expected[:3]
    end = remy.get(f"{page}?position=4").content.decode()
    assert "Continue with the next ones" in end
    _start_review(remy, "waiting")
    assert _list_ids()[:2] == expected[3:]


def _count_queries(client: Client, page: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(page).status_code == 200
    return len(captured)


@pytest.mark.slow("makes many applications")
def test_query_count_is_constant(remy: Client) -> None:
    _age_applications(entered_stage_at=timezone.now() - timedelta(days=20))
    page = _start_review(remy, "waiting")
    remy.get(page)
    before = [_count_queries(remy, page), _count_queries(remy, reverse(REVIEWS))]
    template = list_applications()[0]
    rows = []
    for number in range(600):
        row = Application.objects.get(pk=template.pk)
        row.pk, row.remote_id = None, 90_000_000 + number
        rows.append(row)
    Application.objects.bulk_create(rows)
    page = _start_review(remy, "waiting")
    assert len(_list_ids()) > 600
    assert [_count_queries(remy, page), _count_queries(remy, reverse(REVIEWS))] == before


@pytest.mark.parametrize("kind_of_action", ["advance", "reject", "note"])
def test_lost_requisition_is_not_named(remy: Client, kind_of_action: str) -> None:
    """Not even to who began it, in the response to an action on another requisition."""
    first = list_applications()[0]
    other = next(a for a in list_applications() if a.job_id != first.job_id)
    remy.post(reverse("applications:start_job_review", args=[first.job_id]))
    JobGrant.objects.filter(job=first.job_id).update(gone_at=timezone.now())
    Job.objects.filter(pk=first.job_id).update(name="Replace Bob")
    values = build_form_values(other, origin=get_review_origin())
    response = remy.post(build_action_url(kind_of_action, other.pk), values, **HTMX)
    assert "Replace Bob" not in response.content.decode()
    if kind_of_action == "advance":
        assert response["HX-Redirect"] == reverse(REVIEWS)
    card = remy.get(f"{build_action_url('review_card', other.pk)}?origin={get_review_origin()}")
    assert card.status_code == 404
