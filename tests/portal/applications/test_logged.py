"""Audit log entries for actions performed in Greenhouse."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from integrations.greenhouse.sandbox import Sandbox
from portal.audit.models import Entry
from portal.mirror.models import AtsUser, Source
from tests.cast import Cast
from tests.portal.applications.cells import WRITE
from tests.portal.applications.clicking import (
    HTMX,
    address,
    an_application,
    click,
    newest,
    reject,
)


@pytest.fixture
def remy(cast: Cast, connect, sign_in, settings) -> Client:
    settings.REJECT_HOLD_SECONDS = settings.BULK_HOLD_SECONDS = 0
    connect()
    return sign_in(cast.remy)


def _action_entries() -> list[Entry]:
    return list(Entry.objects.filter(verb__startswith="application.").order_by("id"))


def test_log_records_action_when_done(remy: Client, cast: Cast, work, sign_in) -> None:
    application = an_application()
    acting_user = AtsUser.objects.get(primary_email="remy@acme.example")
    click(remy, "advance", application)
    assert _action_entries() == []
    work()
    remy.post(address("take_back", newest().pk), **HTMX)
    work()
    advanced, undone = _action_entries()
    assert (advanced.by, advanced.subject_id) == (cast.remy.user, application.pk)
    assert advanced.words == (
        f"advanced application {application.remote_id} in Greenhouse, in the name of "
        f"{acting_user.name} (Greenhouse user {acting_user.remote_id})"
    )
    assert advanced.before is not None
    assert advanced.before["stage_name"] == application.stage_name
    assert undone.verb == "application.moved"
    assert "to undo what was done before" in undone.words
    assert acting_user.name in sign_in(cast.ada).get(reverse("audit:log")).content.decode()


def test_log_names_fields_without_candidate(remy: Client, cast: Cast, work) -> None:
    application = an_application()
    source = Source.objects.exclude(pk=application.source_id).first()
    click(remy, "update", application, source=source.pk)
    work()
    [entry] = _action_entries()
    assert entry.after is not None
    assert entry.after["fields"] == ["source"]
    assert application.candidate.last_name not in f"{entry.words} {entry.before} {entry.after}"


def test_log_stores_job_by_id_only(remy: Client, work) -> None:
    application = an_application()
    click(remy, "advance", application)
    work()
    [entry] = _action_entries()
    for state in (entry.before, entry.after):
        assert state is not None
        assert state["job"] == application.job.remote_id
        assert application.job.name not in str(state)


def test_log_omits_conflicts_refusals_and_withdrawals(
    remy: Client, sandbox: Sandbox, settings, work
) -> None:
    application = an_application()
    sandbox.mutate("move_application", application_id=application.remote_id)
    click(remy, "advance", application)
    work()
    assert newest().status == "conflict"
    application.refresh_from_db()
    sandbox.faults.add(regex=WRITE, method="POST", status=403, body={"message": "Access Denied"})
    click(remy, "advance", application)
    work()
    assert newest().status == "refused"
    settings.REJECT_HOLD_SECONDS = 8
    reject(remy, application)
    remy.post(address("withdraw", newest().pk), **HTMX)
    work()
    assert newest().status == "withdrawn"
    assert _action_entries() == []
