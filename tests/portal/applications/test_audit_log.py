"""Audit log entries for actions performed in Greenhouse."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from integrations.greenhouse.sandbox import Sandbox
from portal.audit.models import Entry
from portal.sync.models import AtsUser, Source
from tests.personas import Personas
from tests.portal.applications.action_helpers import (
    HTMX,
    build_action_url,
    find_application,
    get_latest_action,
    reject_application,
    submit_action,
)
from tests.portal.applications.action_matrix import WRITE


@pytest.fixture
def remy(personas: Personas, connect, sign_in, settings) -> Client:
    settings.REJECT_UNDO_SECONDS = settings.BATCH_UNDO_SECONDS = 0
    connect()
    return sign_in(personas.remy)


def _action_entries() -> list[Entry]:
    return list(Entry.objects.filter(verb__startswith="application.").order_by("id"))


def test_log_records_action_when_done(remy: Client, personas: Personas, run_tasks, sign_in) -> None:
    application = find_application()
    acting_user = AtsUser.objects.get(primary_email="remy@acme.example")
    submit_action(remy, "advance", application)
    assert _action_entries() == []
    run_tasks()
    remy.post(build_action_url("undo_action", get_latest_action().pk), **HTMX)
    run_tasks()
    advanced, undone = _action_entries()
    assert (advanced.by, advanced.subject_id) == (personas.remy.user, application.pk)
    assert advanced.description == (
        f"advanced application {application.remote_id} in Greenhouse as "
        f"{acting_user.name} (Greenhouse user {acting_user.remote_id})"
    )
    assert advanced.before is not None
    assert advanced.before["stage_name"] == application.stage_name
    assert undone.verb == "application.moved"
    assert "to undo an earlier action" in undone.description
    assert acting_user.name in sign_in(personas.ada).get(reverse("audit:log")).content.decode()


def test_log_names_fields_without_candidate(remy: Client, personas: Personas, run_tasks) -> None:
    application = find_application()
    source = Source.objects.exclude(pk=application.source_id).first()
    submit_action(remy, "update", application, source=source.pk)
    run_tasks()
    [entry] = _action_entries()
    assert entry.after is not None
    assert entry.after["fields"] == ["source"]
    assert (
        application.candidate.last_name not in f"{entry.description} {entry.before} {entry.after}"
    )


def test_log_stores_job_by_id_only(remy: Client, run_tasks) -> None:
    application = find_application()
    submit_action(remy, "advance", application)
    run_tasks()
    [entry] = _action_entries()
    for state in (entry.before, entry.after):
        assert state is not None
        assert state["job"] == application.job.remote_id
        assert application.job.name not in str(state)


def test_log_omits_conflicts_refusals_and_withdrawals(
    remy: Client, sandbox: Sandbox, settings, run_tasks
) -> None:
    application = find_application()
    sandbox.run_mutation("move_application", application_id=application.remote_id)
    submit_action(remy, "advance", application)
    run_tasks()
    assert get_latest_action().status == "conflict"
    application.refresh_from_db()
    sandbox.faults.add_fault(
        regex=WRITE, method="POST", status=403, body={"message": "Access Denied"}
    )
    submit_action(remy, "advance", application)
    run_tasks()
    assert get_latest_action().status == "refused"
    settings.REJECT_UNDO_SECONDS = 8
    reject_application(remy, application)
    remy.post(build_action_url("cancel_action", get_latest_action().pk), **HTMX)
    run_tasks()
    assert get_latest_action().status == "canceled"
    assert _action_entries() == []
