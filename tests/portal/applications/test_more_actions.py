"""Move, transfer, update, and the e-mail that goes with a rejection."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from integrations.greenhouse.sandbox import Sandbox
from portal.applications.models import ApplicationAction
from portal.mirror.models import AtsUser, EmailTemplate, Job, Source, Stage
from tests.cast import Cast
from tests.portal.applications.clicking import (
    HTMX,
    address,
    an_application,
    click,
    newest,
    reject,
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
    assert "Undo" not in shown(remy, application)  # it would not land where it was


def test_fields_are_updated_and_put_back_where_they_had_a_value(
    remy: Client, sandbox: Sandbox, work
) -> None:
    application = an_application()
    application.refresh_from_db()
    source = Source.objects.exclude(pk=application.source_id).first()
    recruiter = AtsUser.objects.filter(primary_email="sam@acme.example").get()
    assert "Nothing is changed yet" in click(remy, "update", application).content.decode()
    click(remy, "update", application, source=source.pk, recruiter=recruiter.pk)
    work()
    assert truth(sandbox, application).source_id == source.remote_id
    assert truth(sandbox, application).recruiter_id == recruiter.remote_id
    row = shown(remy, application)
    assert f"source is now {source.name}" in row
    had_both = application.source_id and application.recruiter_id
    assert (address("take_back", newest().pk) in row) is bool(had_both)


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


def test_no_e_mail_is_offered_without_the_right_to_name_them(
    connect, cast: Cast, sign_in, kind: str
) -> None:
    connect(kind, without={"email_templates.list"})
    form = sign_in(cast.remy).get(address("reject", an_application().pk), **HTMX)
    assert "template" not in form.context["form"].fields
