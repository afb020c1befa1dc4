"""Moves, transfers, and the email that goes with a rejection."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.utils.html import escape

from integrations.greenhouse.sandbox import Sandbox
from portal.applications.actions import outbox
from portal.applications.models import ApplicationAction
from portal.sync.models import Application, EmailTemplate, Job, JobGrant, Stage
from tests.api_generations import any_generation
from tests.personas import Personas
from tests.portal.applications.action_helpers import (
    HTMX,
    build_action_url,
    build_form_values,
    fetch_row,
    find_application,
    get_latest_action,
    get_sandbox_application,
    reject_application,
    submit_action,
)

Status = ApplicationAction.Status


@pytest.fixture(autouse=True)
def _send_rejections_at_once(settings) -> None:
    settings.REJECT_UNDO_SECONDS = 0


@pytest.fixture
def remy(personas: Personas, connect, sign_in, kind: str) -> Client:
    connect(kind)
    return sign_in(personas.remy)


def test_move_reaches_chosen_stage_and_undoes(remy: Client, sandbox: Sandbox, run_tasks) -> None:
    application = find_application()
    form = remy.get(build_action_url("move", application.pk), **HTMX).content.decode()
    assert "Select a stage" in form
    assert submit_action(remy, "move", application, to_stage="").status_code == 422
    third = Stage.objects.filter(job=application.job_id, active=True).order_by("order")[2]
    submit_action(remy, "move", application, to_stage=third.pk)
    run_tasks()
    assert get_sandbox_application(sandbox, application).stage_id == third.remote_id
    assert f"Moved to “{third.name}”" in fetch_row(remy, application)
    remy.post(build_action_url("undo_action", get_latest_action().pk), **HTMX)
    run_tasks()
    assert get_sandbox_application(sandbox, application).stage_id == application.stage_remote_id


@any_generation
def test_move_to_current_stage_says_so(remy: Client) -> None:
    application = find_application()
    response = submit_action(remy, "move", application, to_stage=application.stage_id)
    assert response.status_code == 422
    assert response.content.decode().count(f"Already in “{application.stage_name}”.") == 2


@any_generation
def test_move_rejects_stage_of_other_job(remy: Client) -> None:
    application = find_application()
    foreign_stage = Stage.objects.exclude(job=application.job_id).first()
    assert submit_action(remy, "move", application, to_stage=foreign_stage.pk).status_code == 422


@any_generation
def test_transfer_offers_only_visible_jobs(remy: Client, sandbox: Sandbox, run_tasks) -> None:
    application = find_application()
    form = remy.get(build_action_url("transfer", application.pk), **HTMX)
    offered_jobs = set(form.context["form"].fields["to_job"].queryset.values_list("pk", flat=True))
    hidden_jobs = Job.objects.exclude(grants__user__primary_email="remy@acme.example")
    assert not offered_jobs & set(hidden_jobs.values_list("pk", flat=True))
    assert "starts in “" in form.content.decode()
    hidden_job = hidden_jobs.filter(status="open").first()
    assert submit_action(remy, "transfer", application, to_job=hidden_job.pk).status_code == 422
    target = Job.objects.get(pk=min(offered_jobs))
    submit_action(remy, "transfer", application, to_job=target.pk)
    run_tasks()
    assert get_sandbox_application(sandbox, application).job_id == target.remote_id
    assert get_latest_action().status == Status.DONE


def _find_transfer_target(application: Application) -> Job:
    visible_jobs = Job.objects.filter(
        grants__user__primary_email="remy@acme.example",
        stages__isnull=False,
        status="open",
        confidential=False,
    )
    return visible_jobs.exclude(pk=application.job_id).distinct().first()


def test_transfer_undo_restores_original_stage(remy: Client, sandbox: Sandbox, run_tasks) -> None:
    application = find_application(stage=1)
    submit_action(remy, "transfer", application, to_job=_find_transfer_target(application).pk)
    run_tasks()
    assert (
        build_action_url("undo_action", get_latest_action().pk)
        in remy.get("/activity/").content.decode()
    )
    remy.post(build_action_url("undo_action", get_latest_action().pk), **HTMX)
    run_tasks()
    assert get_latest_action().status == Status.DONE, get_latest_action().outcome
    current = get_sandbox_application(sandbox, application)
    assert (current.job_id, current.stage_id) == (
        application.job.remote_id,
        application.stage_remote_id,
    )
    assert f"Undone. Back in “{application.job.name}”" in fetch_row(remy, application)


def test_transfer_undo_reports_deleted_stage(remy: Client, sandbox: Sandbox, run_tasks) -> None:
    application = find_application(stage=1)
    submit_action(remy, "transfer", application, to_job=_find_transfer_target(application).pk)
    run_tasks()
    Stage.objects.filter(pk=application.stage_id).update(active=False)
    sandbox.run_mutation("delete_stage", stage_id=application.stage_remote_id)
    remy.post(build_action_url("undo_action", get_latest_action().pk), **HTMX)
    run_tasks()
    assert get_sandbox_application(sandbox, application).job_id == application.job.remote_id
    assert "before. To put it back there, move it" in fetch_row(remy, application)


@any_generation
def test_transfer_undo_needs_visible_origin_job(remy: Client, sandbox: Sandbox, run_tasks) -> None:
    application = find_application()
    submit_action(remy, "transfer", application, to_job=_find_transfer_target(application).pk)
    run_tasks()
    JobGrant.objects.filter(job=application.job_id).delete()
    transfer = get_latest_action()
    reason = f"“{application.job.name}” is closed, or you no longer have access to it."
    assert reason in fetch_row(remy, application)
    assert (
        build_action_url("undo_action", transfer.pk) not in remy.get("/activity/").content.decode()
    )
    response = remy.post(build_action_url("undo_action", transfer.pk), **HTMX)
    assert response.status_code == 409
    assert get_latest_action() == transfer


@any_generation
def test_transfer_hides_confidential_job_titles(
    remy: Client, personas: Personas, sign_in, run_tasks
) -> None:
    application = find_application()
    origin, target = application.job, _find_transfer_target(application)
    submit_action(remy, "transfer", application, to_job=target.pk)
    run_tasks()
    outcome = get_latest_action().outcome
    assert f"“{target.name}”" in outcome
    sam = sign_in(personas.sam)  # sees whatever is not confidential
    Job.objects.filter(pk=origin.pk).update(confidential=True)
    history = sam.get(build_action_url("history", application.pk)).content.decode()
    row = sam.get(build_action_url("row", application.pk), **HTMX).content.decode()
    assert f"of {origin.name}" not in history
    for page in (history, row):
        assert "Transferred to this requisition." in page
        assert escape(outcome) not in page
    own_history = remy.get(build_action_url("history", application.pk)).content.decode()
    assert escape(outcome) in own_history
    assert f"of {origin.name}" in own_history  # granted on it


@any_generation
def test_transfer_undo_conflicts_after_later_move(
    remy: Client, sandbox: Sandbox, run_tasks
) -> None:
    application = find_application()
    submit_action(remy, "transfer", application, to_job=_find_transfer_target(application).pk)
    run_tasks()
    sandbox.run_mutation("move_application", application_id=application.remote_id)
    moved_stage_id = get_sandbox_application(sandbox, application).stage_id
    remy.post(build_action_url("undo_action", get_latest_action().pk), **HTMX)
    run_tasks()
    assert get_latest_action().status == Status.CONFLICT
    assert get_sandbox_application(sandbox, application).stage_id == moved_stage_id


def test_rejection_email_delayed_beyond_undo(remy: Client, sandbox: Sandbox, run_tasks) -> None:
    application = find_application()
    template = EmailTemplate.objects.filter(type__icontains="reject").first()
    reject_application(remy, application, template=template.pk, mail_after=60)
    run_tasks()
    assert get_latest_action().status == Status.DONE, get_latest_action().outcome
    [mail] = sandbox.dataset().mails
    send_at = datetime.fromisoformat(str(mail.send_email_at).replace("Z", "+00:00"))
    assert send_at > datetime.now(UTC) + timedelta(minutes=55)
    row = fetch_row(remy, application)
    assert "with the email" in row
    assert "Undo may not stop it" in row


@any_generation
def test_rejection_email_warning_stays_after_undo(
    remy: Client, sandbox: Sandbox, run_tasks, advance_clock
) -> None:
    application = find_application()
    template = EmailTemplate.objects.filter(type__icontains="reject").first()
    reject_application(remy, application, template=template.pk, mail_after=60)
    run_tasks()
    [mail] = sandbox.dataset().mails
    send_at = datetime.fromisoformat(str(mail.send_email_at).replace("Z", "+00:00"))
    undo_url = build_action_url("undo_action", get_latest_action().pk)
    row = fetch_row(remy, application)
    assert f'goes out <time datetime="{send_at.astimezone(UTC):%Y-%m-%dT%H:%M}' in row
    undoing_row = remy.post(undo_url, **HTMX).content.decode()
    run_tasks()
    assert get_latest_action().status == Status.DONE
    activity = remy.get("/activity/").content.decode()
    for page in (undoing_row, fetch_row(remy, application), activity):
        assert f"“{template.name}” may still go out <time" in page
        assert f"/people/{application.candidate.remote_id}" in page
    warning = "The email may still go out."
    assert f"<strong>{warning}</strong>" in fetch_row(remy, application), "on the row's own line"
    assert re.search(rf'data-announce="[^"]*Undone[^"]*{warning}"', fetch_row(remy, application))
    assert sandbox.dataset().mails, "Greenhouse does not say that undoing stops it"
    advance_clock(61 * 60)
    row = fetch_row(remy, application)
    assert f"“{template.name}” was due <time" in row
    assert warning not in row


def _reject_with_email_at(client: Client, application: Application, send_at: str, **more: object):
    template = EmailTemplate.objects.filter(type__icontains="reject").first()
    return reject_application(
        client, application, template=template.pk, mail_after="at", mail_at=send_at, **more
    )


@any_generation
def test_rejection_email_uses_persons_time_zone(remy: Client, sandbox: Sandbox, run_tasks) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT09:30")
    _reject_with_email_at(remy, find_application(), tomorrow, zone="Asia/Tokyo")
    run_tasks()
    assert get_latest_action().status == Status.DONE, get_latest_action().outcome
    [mail] = sandbox.dataset().mails
    send_at = datetime.fromisoformat(str(mail.send_email_at).replace("Z", "+00:00"))
    assert send_at.astimezone(ZoneInfo("Asia/Tokyo")).strftime("%Y-%m-%dT%H:%M") == tomorrow


@pytest.mark.parametrize(
    ("make_time", "message"),
    [
        (lambda now: "", "Enter a date and time."),
        (lambda now: "tomorrow", "Enter a date and time."),
        (lambda now: f"{now + timedelta(minutes=10):%Y-%m-%dT%H:%M}", "Enter a time at least"),
        (lambda now: f"{now + timedelta(days=400):%Y-%m-%dT%H:%M}", "Enter a time at most"),
    ],
    ids=["empty", "not_a_time", "too_soon", "too_late"],
)
@any_generation
def test_rejection_email_time_error_beside_field(remy: Client, make_time, message: str) -> None:
    response = _reject_with_email_at(
        remy, find_application(), make_time(datetime.now(UTC)), zone="Nowhere/AtAll"
    )
    assert response.status_code == 422
    assert message in str(response.context["form"]["mail_at"].errors)
    assert not ApplicationAction.objects.exists()


@any_generation
def test_rejection_email_time_ignored_unless_chosen(remy: Client, run_tasks) -> None:
    response = reject_application(remy, find_application(), mail_at="tomorrow", mail_after=60)
    assert response.status_code == 200
    run_tasks()
    assert get_latest_action().outcome == "Rejected."


@any_generation
def test_late_rejection_email_still_allows_undo(
    remy: Client, sandbox: Sandbox, run_tasks, advance_clock
) -> None:
    requested_at = datetime.now(UTC) + timedelta(minutes=45)
    _reject_with_email_at(remy, find_application(), requested_at.strftime("%Y-%m-%dT%H:%M"))
    advance_clock(44 * 60)
    run_tasks()
    [mail] = sandbox.dataset().mails
    send_at = datetime.fromisoformat(str(mail.send_email_at).replace("Z", "+00:00"))
    assert send_at > datetime.now(UTC) + timedelta(minutes=9)


def test_rejection_email_needs_template_permission(
    connect, personas: Personas, sign_in, kind: str
) -> None:
    connect(kind, without={"email_templates.list"})
    form = sign_in(personas.remy).get(build_action_url("reject", find_application().pk), **HTMX)
    assert "template" not in form.context["form"].fields


@any_generation
def test_queued_transfer_rechecks_target_visibility(
    remy: Client, sandbox: Sandbox, run_tasks, advance_clock, settings, quick_retries: None
) -> None:
    application, working_url = find_application(), settings.GREENHOUSE_API_URL
    target = _find_transfer_target(application)
    submit_action(remy, "transfer", application, to_job=target.pk)
    settings.GREENHOUSE_API_URL = settings.GREENHOUSE_AUTH_URL = "http://127.0.0.1:9"
    run_tasks()
    JobGrant.objects.filter(job=target).delete()
    settings.GREENHOUSE_API_URL = settings.GREENHOUSE_AUTH_URL = working_url
    advance_clock(10)
    outbox.release_due_actions()
    run_tasks()
    assert get_latest_action().status == Status.FAILED
    assert "no longer have access to the requisition you chose" in fetch_row(remy, application)
    remy.post(
        build_action_url("retry_action", get_latest_action().pk),
        build_form_values(application),
        **HTMX,
    )
    run_tasks()
    assert get_sandbox_application(sandbox, application).job_id == application.job.remote_id
