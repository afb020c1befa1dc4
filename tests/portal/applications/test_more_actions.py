"""Moves, transfers, and the email that goes with a rejection."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.utils.html import escape

from integrations.greenhouse.sandbox import Sandbox
from portal.applications import outbox
from portal.applications.models import ApplicationAction
from portal.mirror.models import Application, EmailTemplate, Job, JobGrant, Stage
from tests.cast import Cast
from tests.generations import any_generation
from tests.portal.applications.clicking import (
    HTMX,
    address,
    an_application,
    click,
    newest,
    reject,
    seen,
    shown,
    truth,
)

Status = ApplicationAction.Status


@pytest.fixture(autouse=True)
def _send_rejections_at_once(settings) -> None:
    settings.REJECT_HOLD_SECONDS = 0


@pytest.fixture
def remy(cast: Cast, connect, sign_in, kind: str) -> Client:
    connect(kind)
    return sign_in(cast.remy)


def test_move_reaches_chosen_stage_and_undoes(remy: Client, sandbox: Sandbox, work) -> None:
    application = an_application()
    form = remy.get(address("move", application.pk), **HTMX).content.decode()
    assert "Choose a stage" in form
    assert click(remy, "move", application, to_stage="").status_code == 422
    third = Stage.objects.filter(job=application.job_id, active=True).order_by("order")[2]
    click(remy, "move", application, to_stage=third.pk)
    work()
    assert truth(sandbox, application).stage_id == third.remote_id
    assert f"Moved to “{third.name}”" in shown(remy, application)
    remy.post(address("take_back", newest().pk), **HTMX)
    work()
    assert truth(sandbox, application).stage_id == application.stage_remote_id


@any_generation
def test_move_rejects_stage_of_other_job(remy: Client) -> None:
    application = an_application()
    foreign_stage = Stage.objects.exclude(job=application.job_id).first()
    assert click(remy, "move", application, to_stage=foreign_stage.pk).status_code == 422


@any_generation
def test_transfer_offers_only_visible_jobs(remy: Client, sandbox: Sandbox, work) -> None:
    application = an_application()
    form = remy.get(address("transfer", application.pk), **HTMX)
    offered_jobs = set(form.context["form"].fields["to_job"].queryset.values_list("pk", flat=True))
    hidden_jobs = Job.objects.exclude(grants__user__primary_email="remy@acme.example")
    assert not offered_jobs & set(hidden_jobs.values_list("pk", flat=True))
    assert "lands in “" in form.content.decode()
    hidden_job = hidden_jobs.filter(status="open").first()
    assert click(remy, "transfer", application, to_job=hidden_job.pk).status_code == 422
    target = Job.objects.get(pk=min(offered_jobs))
    click(remy, "transfer", application, to_job=target.pk)
    work()
    assert truth(sandbox, application).job_id == target.remote_id
    assert newest().status == Status.DONE


def _find_transfer_target(application: Application) -> Job:
    visible_jobs = Job.objects.filter(
        grants__user__primary_email="remy@acme.example",
        stages__isnull=False,
        status="open",
        confidential=False,
    )
    return visible_jobs.exclude(pk=application.job_id).distinct().first()


def test_transfer_undo_restores_original_stage(remy: Client, sandbox: Sandbox, work) -> None:
    application = an_application(stage=1)
    click(remy, "transfer", application, to_job=_find_transfer_target(application).pk)
    work()
    assert address("take_back", newest().pk) in remy.get("/activity/").content.decode()
    remy.post(address("take_back", newest().pk), **HTMX)
    work()
    assert newest().status == Status.DONE, newest().outcome
    current = truth(sandbox, application)
    assert (current.job_id, current.stage_id) == (
        application.job.remote_id,
        application.stage_remote_id,
    )
    assert f"Transferred to “{application.job.name}”" in shown(remy, application)


def test_transfer_undo_reports_deleted_stage(remy: Client, sandbox: Sandbox, work) -> None:
    application = an_application(stage=1)
    click(remy, "transfer", application, to_job=_find_transfer_target(application).pk)
    work()
    Stage.objects.filter(pk=application.stage_id).update(active=False)
    sandbox.mutate("delete_stage", stage_id=application.stage_remote_id)
    remy.post(address("take_back", newest().pk), **HTMX)
    work()
    assert truth(sandbox, application).job_id == application.job.remote_id
    assert "before: move it from here" in shown(remy, application)


@any_generation
def test_transfer_undo_needs_visible_origin_job(remy: Client, sandbox: Sandbox, work) -> None:
    application = an_application()
    click(remy, "transfer", application, to_job=_find_transfer_target(application).pk)
    work()
    JobGrant.objects.filter(job=application.job_id).delete()
    transfer = newest()
    reason = f"“{application.job.name}”, where it was, is closed or no longer shown to you."
    assert reason in shown(remy, application)
    assert address("take_back", transfer.pk) not in remy.get("/activity/").content.decode()
    response = remy.post(address("take_back", transfer.pk), **HTMX)
    assert response.status_code == 409
    assert newest() == transfer


@any_generation
def test_transfer_hides_confidential_job_titles(remy: Client, cast: Cast, sign_in, work) -> None:
    application = an_application()
    origin, target = application.job, _find_transfer_target(application)
    click(remy, "transfer", application, to_job=target.pk)
    work()
    outcome = newest().outcome
    assert f"“{target.name}”" in outcome
    sam = sign_in(cast.sam)  # sees whatever is not confidential
    Job.objects.filter(pk=origin.pk).update(confidential=True)
    history = sam.get(address("history", application.pk)).content.decode()
    row = sam.get(address("row", application.pk), **HTMX).content.decode()
    assert f"of {origin.name}" not in history
    for page in (history, row):
        assert "Transferred to this requisition in Greenhouse." in page
        assert escape(outcome) not in page
    own_history = remy.get(address("history", application.pk)).content.decode()
    assert escape(outcome) in own_history
    assert f"of {origin.name}" in own_history  # granted on it


@any_generation
def test_transfer_undo_conflicts_after_later_move(remy: Client, sandbox: Sandbox, work) -> None:
    application = an_application()
    click(remy, "transfer", application, to_job=_find_transfer_target(application).pk)
    work()
    sandbox.mutate("move_application", application_id=application.remote_id)
    moved_stage_id = truth(sandbox, application).stage_id
    remy.post(address("take_back", newest().pk), **HTMX)
    work()
    assert newest().status == Status.CONFLICT
    assert truth(sandbox, application).stage_id == moved_stage_id


def test_rejection_email_delayed_beyond_undo(remy: Client, sandbox: Sandbox, work) -> None:
    application = an_application()
    template = EmailTemplate.objects.filter(type__icontains="reject").first()
    reject(remy, application, template=template.pk, mail_after=60)
    work()
    assert newest().status == Status.DONE, newest().outcome
    [mail] = sandbox.world().mails
    send_at = datetime.fromisoformat(str(mail.send_email_at).replace("Z", "+00:00"))
    assert send_at > datetime.now(UTC) + timedelta(minutes=55)
    row = shown(remy, application)
    assert "with the e-mail" in row
    assert "does not tell whether an unreject also stops" in row


def _reject_with_email_at(client: Client, application: Application, send_at: str, **more: object):
    template = EmailTemplate.objects.filter(type__icontains="reject").first()
    return reject(
        client, application, template=template.pk, mail_after="at", mail_at=send_at, **more
    )


@any_generation
def test_rejection_email_uses_persons_time_zone(remy: Client, sandbox: Sandbox, work) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT09:30")
    _reject_with_email_at(remy, an_application(), tomorrow, zone="Asia/Tokyo")
    work()
    assert newest().status == Status.DONE, newest().outcome
    [mail] = sandbox.world().mails
    send_at = datetime.fromisoformat(str(mail.send_email_at).replace("Z", "+00:00"))
    assert send_at.astimezone(ZoneInfo("Asia/Tokyo")).strftime("%Y-%m-%dT%H:%M") == tomorrow


@pytest.mark.parametrize(
    ("make_time", "message"),
    [
        (lambda now: "", "Enter a day and a time, please."),
        (lambda now: "tomorrow", "Enter a day and a time, please."),
        (lambda now: f"{now + timedelta(minutes=10):%Y-%m-%dT%H:%M}", "That is too soon"),
        (lambda now: f"{now + timedelta(days=400):%Y-%m-%dT%H:%M}", "That is too late"),
    ],
    ids=["empty", "not_a_time", "too_soon", "too_late"],
)
@any_generation
def test_rejection_email_time_error_beside_field(remy: Client, make_time, message: str) -> None:
    response = _reject_with_email_at(
        remy, an_application(), make_time(datetime.now(UTC)), zone="Nowhere/AtAll"
    )
    assert response.status_code == 422
    assert message in str(response.context["form"]["mail_at"].errors)
    assert not ApplicationAction.objects.exists()


@any_generation
def test_rejection_email_time_ignored_unless_chosen(remy: Client, work) -> None:
    response = reject(remy, an_application(), mail_at="tomorrow", mail_after=60)
    assert response.status_code == 200
    work()
    assert newest().outcome == "Rejected in Greenhouse."


@any_generation
def test_late_rejection_email_still_allows_undo(
    remy: Client, sandbox: Sandbox, work, later
) -> None:
    requested_at = datetime.now(UTC) + timedelta(minutes=45)
    _reject_with_email_at(remy, an_application(), requested_at.strftime("%Y-%m-%dT%H:%M"))
    later(44 * 60)
    work()
    [mail] = sandbox.world().mails
    send_at = datetime.fromisoformat(str(mail.send_email_at).replace("Z", "+00:00"))
    assert send_at > datetime.now(UTC) + timedelta(minutes=9)


def test_rejection_email_needs_template_permission(connect, cast: Cast, sign_in, kind: str) -> None:
    connect(kind, without={"email_templates.list"})
    form = sign_in(cast.remy).get(address("reject", an_application().pk), **HTMX)
    assert "template" not in form.context["form"].fields


@any_generation
def test_queued_transfer_rechecks_target_visibility(
    remy: Client, sandbox: Sandbox, work, later, settings, quick_retries: None
) -> None:
    application, working_url = an_application(), settings.GREENHOUSE_API_URL
    target = _find_transfer_target(application)
    click(remy, "transfer", application, to_job=target.pk)
    settings.GREENHOUSE_API_URL = settings.GREENHOUSE_AUTH_URL = "http://127.0.0.1:9"
    work()
    JobGrant.objects.filter(job=target).delete()
    settings.GREENHOUSE_API_URL = settings.GREENHOUSE_AUTH_URL = working_url
    later(10)
    outbox.release()
    work()
    assert newest().status == Status.FAILED
    assert "no longer see the requisition it was to go to" in shown(remy, application)
    remy.post(address("again", newest().pk), seen(application), **HTMX)
    work()
    assert truth(sandbox, application).job_id == application.job.remote_id
