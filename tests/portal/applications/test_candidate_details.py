"""What Greenhouse knows about a candidate besides the name: shown, and respected."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.urls import reverse

from integrations.greenhouse.sandbox import Sandbox
from portal.applications.actions import outbox
from portal.sync.models import Application, Candidate, EmailTemplate, RejectionReason
from tests.api_generations import any_generation
from tests.personas import Personas
from tests.portal.applications.action_helpers import (
    HTMX,
    build_action_url,
    fetch_row,
    find_application,
    get_latest_action,
    list_applications,
    reject_application,
)
from tests.portal.applications.batch_helpers import confirm_batch, pick_from_one_job

NO_EMAIL = "accept email"


@pytest.fixture(autouse=True)
def _send_rejections_at_once(settings) -> None:
    settings.REJECT_UNDO_SECONDS = 0


@pytest.fixture
def remy(personas: Personas, connect, sign_in, kind: str) -> Client:
    connect(kind)
    return sign_in(personas.remy)


def _set_candidate(application: Application, **values: object) -> None:
    Candidate.objects.filter(pk=application.candidate_id).update(**values)


def _find_template() -> EmailTemplate:
    template = EmailTemplate.objects.filter(type__icontains="reject").first()
    assert template is not None
    return template


def test_preferred_name_synced_from_v3_only(remy: Client, sandbox: Sandbox, kind: str) -> None:
    preferred = [row for row in sandbox.dataset().candidates if row.preferred_name]
    assert preferred
    synced = Candidate.objects.filter(remote_id__in=[row.id for row in preferred])
    names = {row.remote_id: row.preferred_name for row in synced}
    expected = {row.id: row.preferred_name for row in preferred if row.id in names}
    assert names == (expected if kind == "harvest_oauth" else dict.fromkeys(expected, ""))


@any_generation
def test_candidate_called_by_preferred_name(remy: Client) -> None:
    application = find_application()
    _set_candidate(
        application,
        first_name="Alexandra",
        last_name="Wong",
        preferred_name="Sasha",
        search_name="alexandra wong sasha",
    )
    job_url = reverse("applications:job_detail", args=[application.job_id])
    reject_application(remy, application)
    for url in (
        f"{job_url}?application={application.pk}",
        reverse("applications:my_activity"),
        build_action_url("history", application.pk),
        f"{reverse('jobs:list')}?q=sasha+wong",
    ):
        page = remy.get(url).content.decode()
        assert "Sasha Wong" in page, url
        assert "Alexandra" not in page, url
    _set_candidate(application, preferred_name="Sasha Wong")
    assert "Sasha Wong Wong" not in fetch_row(remy, application)


def test_no_email_offered_to_who_accepts_none(remy: Client, sandbox: Sandbox, run_tasks) -> None:
    application = find_application()
    url = build_action_url("reject", application.pk)
    assert NO_EMAIL not in remy.get(url, **HTMX).content.decode()
    _set_candidate(application, can_email=False)
    page = remy.get(url, **HTMX).content.decode()
    assert NO_EMAIL in page
    assert 'name="template"' not in page
    reject_application(remy, application, template=_find_template().pk, mail_after=60)
    run_tasks()
    assert get_latest_action().outcome == "Rejected."
    assert not sandbox.dataset().mails


def test_batch_emails_only_who_accept_it(
    remy: Client, sandbox: Sandbox, finish_actions, run_tasks
) -> None:
    applications = pick_from_one_job(3)
    Candidate.objects.update(can_email=True)
    _set_candidate(applications[0], can_email=False)
    reason = RejectionReason.objects.order_by("remote_id").first()
    confirm_batch(
        remy, "reject", applications, reason=reason.pk, template=_find_template().pk, mail_after=60
    )
    finish_actions()
    run_tasks()
    emailed = {mail.application_id for mail in sandbox.dataset().mails}
    assert emailed == {application.remote_id for application in applications[1:]}


def test_needs_decision_shown_and_filterable(remy: Client, kind: str) -> None:
    application = find_application()
    job_url = reverse("applications:job_detail", args=[application.job_id])
    page = remy.get(job_url).content.decode()
    if kind != "harvest_oauth":  # v1 does not say
        assert "Needs decision" not in page
        return
    assert application.needs_decision
    assert "?status=needs_decision" in page
    assert "Needs a decision since" in fetch_row(remy, application)
    others = [a for a in list_applications(stage=1) if a.job_id == application.job_id]
    Application.objects.filter(pk__in=[a.pk for a in others]).update(needs_decision=False)
    rows = remy.get(f"{job_url}?status=needs_decision").context["rows"]
    assert application.pk in {row.application.pk for row in rows}
    assert all(row.application.needs_decision and row.application.is_active for row in rows)
    assert all(row.selectable for row in rows)


# -- the rejection email -------------------------------------------------------------------------

NO_LONGER = "The candidate no longer accepts email. Nothing was sent."


def _reject_with_email(client: Client, application: Application, **more: object) -> None:
    values = {"template": _find_template().pk, "mail_after": 60, **more}
    reject_application(client, application, **values)


@any_generation
def test_held_email_needs_consent_when_sent(
    remy: Client, sandbox: Sandbox, settings, run_tasks, advance_clock
) -> None:
    settings.REJECT_UNDO_SECONDS = 10
    application = find_application()
    _set_candidate(application, can_email=True)
    person = sandbox.dataset().candidates[application.candidate.remote_id]
    person.can_email = True
    _reject_with_email(remy, application)
    person.can_email = False
    advance_clock(11)
    outbox.release_due_actions()
    run_tasks()
    action = get_latest_action()
    assert (action.status, action.outcome[: len(NO_LONGER)]) == ("refused", NO_LONGER)
    assert NO_LONGER in fetch_row(remy, application)
    assert not sandbox.dataset().mails
    assert sandbox.dataset().applications[application.remote_id].status == "active"
    form = remy.get(build_action_url("reject", application.pk), **HTMX).content.decode()
    assert NO_EMAIL in form


@any_generation
def test_time_zone_synced_from_v3_only(remy: Client, sandbox: Sandbox, kind: str) -> None:
    rows = [row for row in sandbox.dataset().candidates if row.time_zone]
    zones = set(
        Candidate.objects.filter(remote_id__in=[row.id for row in rows]).values_list(
            "time_zone", flat=True
        )
    )
    assert zones == ({"America/New_York"} if kind == "harvest_oauth" else {""})


@any_generation
def test_email_time_in_candidates_zone(remy: Client, sandbox: Sandbox, run_tasks) -> None:
    application = find_application()
    _set_candidate(application, time_zone="America/New_York", can_email=True)
    sandbox.dataset().candidates[application.candidate.remote_id].can_email = True
    form = remy.get(build_action_url("reject", application.pk), **HTMX).content.decode()
    assert "At 9:00 for the candidate (New York)" in form
    assert "In the candidate&#x27;s time zone, New York," in form
    assert 'name="zone" value="America/New_York"' in form
    assert "data-zone" not in form
    _reject_with_email(remy, application, mail_after="morning", zone="America/New_York")
    run_tasks()
    [mail] = sandbox.dataset().mails
    send_at = datetime.fromisoformat(str(mail.send_email_at).replace("Z", "+00:00"))
    assert f"{send_at.astimezone(ZoneInfo('America/New_York')):%H:%M}" == "09:00"
    assert timedelta(0) < send_at - datetime.now(UTC) < timedelta(hours=25)


@any_generation
def test_email_time_in_own_zone_otherwise(remy: Client) -> None:
    application = find_application()
    _set_candidate(application, time_zone="", can_email=True)
    form = remy.get(build_action_url("reject", application.pk), **HTMX).content.decode()
    assert "In your time zone, <span data-zone-name>UTC</span>" in form
    assert "for the candidate" not in form
