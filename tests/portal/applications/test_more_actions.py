"""Move, transfer, and the e-mail that goes with a rejection."""

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
def _nothing_is_held(settings) -> None:
    settings.REJECT_HOLD_SECONDS = 0


@pytest.fixture
def remy(cast: Cast, connect, sign_in, kind: str) -> Client:
    connect(kind)
    return sign_in(cast.remy)


def test_it_is_moved_to_the_chosen_stage_and_back(remy: Client, sandbox: Sandbox, work) -> None:
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


def test_a_stage_of_another_requisition_is_not_accepted(remy: Client) -> None:
    application = an_application()
    foreign = Stage.objects.exclude(job=application.job_id).first()
    assert click(remy, "move", application, to_stage=foreign.pk).status_code == 422


def test_it_is_transferred_only_to_requisitions_that_one_may_see(
    remy: Client, sandbox: Sandbox, work
) -> None:
    application = an_application()
    form = remy.get(address("transfer", application.pk), **HTMX)
    offered = set(form.context["form"].fields["to_job"].queryset.values_list("pk", flat=True))
    hidden = Job.objects.exclude(grants__user__primary_email="remy@acme.example")
    assert not offered & set(hidden.values_list("pk", flat=True))
    assert "lands in “" in form.content.decode()
    unseen = hidden.filter(status="open").first()
    assert click(remy, "transfer", application, to_job=unseen.pk).status_code == 422
    target = Job.objects.get(pk=min(offered))
    click(remy, "transfer", application, to_job=target.pk)
    work()
    assert truth(sandbox, application).job_id == target.remote_id
    assert newest().status == Status.DONE


def _a_job_to_go_to(application: Application) -> Job:
    mine = Job.objects.filter(
        grants__user__primary_email="remy@acme.example",
        stages__isnull=False,
        status="open",
        confidential=False,
    )
    return mine.exclude(pk=application.job_id).distinct().first()


def test_a_transfer_is_undone_to_the_stage_it_came_from(
    remy: Client, sandbox: Sandbox, work
) -> None:
    application = an_application(stage=1)
    click(remy, "transfer", application, to_job=_a_job_to_go_to(application).pk)
    work()
    assert address("take_back", newest().pk) in remy.get("/activity/").content.decode()
    remy.post(address("take_back", newest().pk), **HTMX)
    work()
    assert newest().status == Status.DONE, newest().outcome
    now = truth(sandbox, application)
    assert (now.job_id, now.stage_id) == (application.job.remote_id, application.stage_remote_id)
    assert f"Transferred to “{application.job.name}”" in shown(remy, application)


def test_an_undone_transfer_says_where_it_is_when_its_stage_cannot_be_entered_any_more(
    remy: Client, sandbox: Sandbox, work
) -> None:
    application = an_application(stage=1)
    click(remy, "transfer", application, to_job=_a_job_to_go_to(application).pk)
    work()
    Stage.objects.filter(pk=application.stage_id).update(active=False)
    sandbox.mutate("delete_stage", stage_id=application.stage_remote_id)
    remy.post(address("take_back", newest().pk), **HTMX)
    work()
    assert truth(sandbox, application).job_id == application.job.remote_id
    assert "before: move it from here" in shown(remy, application)


def test_a_transfer_from_a_requisition_that_one_no_longer_sees_says_why_it_stays(
    remy: Client, sandbox: Sandbox, work
) -> None:
    application = an_application()
    click(remy, "transfer", application, to_job=_a_job_to_go_to(application).pk)
    work()
    JobGrant.objects.filter(job=application.job_id).delete()
    transferred = newest()
    why = f"“{application.job.name}”, where it was, is closed or no longer shown to you."
    assert why in shown(remy, application)
    assert address("take_back", transferred.pk) not in remy.get("/activity/").content.decode()
    answer = remy.post(address("take_back", transferred.pk), **HTMX)
    assert answer.status_code == 409
    assert newest() == transferred


def test_titles_of_requisitions_that_somebody_else_may_not_see_are_not_told_by_a_transfer(
    remy: Client, cast: Cast, sign_in, work
) -> None:
    application = an_application()
    start, target = application.job, _a_job_to_go_to(application)
    click(remy, "transfer", application, to_job=target.pk)
    work()
    outcome = newest().outcome
    assert f"“{target.name}”" in outcome
    sam = sign_in(cast.sam)  # sees whatever is not confidential
    Job.objects.filter(pk=start.pk).update(confidential=True)
    history = sam.get(address("history", application.pk)).content.decode()
    row = sam.get(address("row", application.pk), **HTMX).content.decode()
    assert f"of {start.name}" not in history
    for page in (history, row):
        assert "Transferred to this requisition in Greenhouse." in page
        assert escape(outcome) not in page
    mine = remy.get(address("history", application.pk)).content.decode()
    assert escape(outcome) in mine
    assert f"of {start.name}" in mine  # granted on it


def test_a_transferred_one_that_moved_on_since_is_not_taken_back(
    remy: Client, sandbox: Sandbox, work
) -> None:
    application = an_application()
    click(remy, "transfer", application, to_job=_a_job_to_go_to(application).pk)
    work()
    sandbox.mutate("move_application", application_id=application.remote_id)
    there = truth(sandbox, application).stage_id
    remy.post(address("take_back", newest().pk), **HTMX)
    work()
    assert newest().status == Status.CONFLICT
    assert truth(sandbox, application).stage_id == there


def test_an_e_mail_goes_with_the_rejection_late_enough_for_undo(
    remy: Client, sandbox: Sandbox, work
) -> None:
    application = an_application()
    template = EmailTemplate.objects.filter(type__icontains="reject").first()
    reject(remy, application, template=template.pk, mail_after=60)
    work()
    assert newest().status == Status.DONE, newest().outcome
    [mail] = sandbox.world().mails
    later = datetime.fromisoformat(str(mail.send_email_at).replace("Z", "+00:00"))
    assert later > datetime.now(UTC) + timedelta(minutes=55)
    row = shown(remy, application)
    assert "with the e-mail" in row
    assert "does not tell whether an unreject also stops" in row


def _at(client: Client, application: Application, when: str, **more: object):
    template = EmailTemplate.objects.filter(type__icontains="reject").first()
    return reject(client, application, template=template.pk, mail_after="at", mail_at=when, **more)


def test_the_e_mail_goes_at_a_time_that_the_person_chooses_by_their_own_clock(
    remy: Client, sandbox: Sandbox, work
) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT09:30")
    _at(remy, an_application(), tomorrow, zone="Asia/Tokyo")
    work()
    assert newest().status == Status.DONE, newest().outcome
    [mail] = sandbox.world().mails
    sent = datetime.fromisoformat(str(mail.send_email_at).replace("Z", "+00:00"))
    assert sent.astimezone(ZoneInfo("Asia/Tokyo")).strftime("%Y-%m-%dT%H:%M") == tomorrow


@pytest.mark.parametrize(
    ("when", "words"),
    [
        (lambda now: "", "Enter a day and a time, please."),
        (lambda now: "tomorrow", "Enter a day and a time, please."),
        (lambda now: f"{now + timedelta(minutes=10):%Y-%m-%dT%H:%M}", "That is too soon"),
        (lambda now: f"{now + timedelta(days=400):%Y-%m-%dT%H:%M}", "That is too late"),
    ],
    ids=["none", "no time", "before Undo is over", "a slip of the year"],
)
def test_a_time_that_cannot_be_is_told_beside_its_field(remy: Client, when, words: str) -> None:
    answer = _at(remy, an_application(), when(datetime.now(UTC)), zone="Nowhere/AtAll")
    assert answer.status_code == 422
    assert words in str(answer.context["form"]["mail_at"].errors)
    assert not ApplicationAction.objects.exists()


def test_a_time_is_looked_at_only_where_it_was_asked_for(remy: Client, work) -> None:
    answer = reject(remy, an_application(), mail_at="tomorrow", mail_after=60)
    assert answer.status_code == 200
    work()
    assert newest().outcome == "Rejected in Greenhouse."


def test_an_e_mail_whose_time_came_while_the_rejection_waited_still_leaves_time_for_undo(
    remy: Client, sandbox: Sandbox, work, later
) -> None:
    soon = datetime.now(UTC) + timedelta(minutes=45)
    _at(remy, an_application(), soon.strftime("%Y-%m-%dT%H:%M"))
    later(44 * 60)
    work()
    [mail] = sandbox.world().mails
    sent = datetime.fromisoformat(str(mail.send_email_at).replace("Z", "+00:00"))
    assert sent > datetime.now(UTC) + timedelta(minutes=9)


def test_no_e_mail_is_offered_without_the_right_to_name_them(
    connect, cast: Cast, sign_in, kind: str
) -> None:
    connect(kind, without={"email_templates.list"})
    form = sign_in(cast.remy).get(address("reject", an_application().pk), **HTMX)
    assert "template" not in form.context["form"].fields


def test_what_waited_goes_to_no_requisition_that_one_no_longer_sees(
    remy: Client, sandbox: Sandbox, work, later, settings, quick_retries: None
) -> None:
    application, there = an_application(), settings.GREENHOUSE_API_URL
    target = _a_job_to_go_to(application)
    click(remy, "transfer", application, to_job=target.pk)
    settings.GREENHOUSE_API_URL = settings.GREENHOUSE_AUTH_URL = "http://127.0.0.1:9"
    work()
    JobGrant.objects.filter(job=target).delete()
    settings.GREENHOUSE_API_URL = settings.GREENHOUSE_AUTH_URL = there
    later(10)
    outbox.release()
    work()
    assert newest().status == Status.FAILED
    assert "no longer see the requisition it was to go to" in shown(remy, application)
    remy.post(address("again", newest().pk), seen(application), **HTMX)
    work()
    assert truth(sandbox, application).job_id == application.job.remote_id
