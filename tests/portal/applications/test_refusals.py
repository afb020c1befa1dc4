"""What is learned when Greenhouse refuses an action, and when access is read again instead."""

from __future__ import annotations

import pytest
from django.test import Client

from integrations.greenhouse.sandbox import Sandbox
from portal.applications.models import ApplicationAction, LearnedRefusal
from portal.issues.models import Issue
from portal.sync.models import AtsUser, JobGrant
from tests.api_generations import any_generation
from tests.personas import Personas
from tests.portal.applications.action_helpers import (
    fetch_row,
    find_application,
    get_latest_action,
    reject_application,
    submit_action,
)

Status = ApplicationAction.Status
CAUSE = Issue.Cause.ACTING_USER_REFUSED


@pytest.fixture(autouse=True)
def _send_rejections_at_once(settings) -> None:
    settings.REJECT_UNDO_SECONDS = 0


@pytest.fixture
def remy(personas: Personas, connect, sign_in, kind: str) -> Client:
    connect(kind)
    return sign_in(personas.remy)


@any_generation
def test_revoked_grant_not_learned_but_reread(remy: Client, sandbox: Sandbox, run_tasks) -> None:
    application = find_application()
    grants = JobGrant.objects.filter(
        job=application.job_id, user__primary_email="remy@acme.example", gone_at=None
    )
    assert grants.exists()
    sandbox.run_mutation("remove_grant", user="remy", job_id=application.job.remote_id)
    submit_action(remy, "advance", application)
    run_tasks()
    assert get_latest_action().status == Status.REFUSED
    assert not grants.exists()
    assert not LearnedRefusal.objects.exists()
    assert not Issue.objects.filter(cause=CAUSE).exists()


@any_generation
def test_deactivated_user_not_learned_but_reread(remy: Client, sandbox: Sandbox, run_tasks) -> None:
    application = find_application()
    sandbox.run_mutation("deactivate_user", user="remy")
    submit_action(remy, "advance", application)
    run_tasks()
    assert get_latest_action().status == Status.REFUSED
    assert AtsUser.objects.get(primary_email="remy@acme.example").deactivated
    assert not LearnedRefusal.objects.exists()
    assert not Issue.objects.filter(cause=CAUSE).exists()


@any_generation
def test_refused_right_learned_for_role(
    connect, personas: Personas, sign_in, run_tasks, kind: str
) -> None:
    connect(kind)
    vic = sign_in(personas.vic)  # may advance, not reject
    application = find_application("vic")
    reject_application(vic, application)
    run_tasks()
    assert get_latest_action().status == Status.REFUSED
    refusal = LearnedRefusal.objects.get()
    assert (refusal.kind, refusal.role_remote_id) == ("reject", get_latest_action().role_remote_id)
    assert "Greenhouse recently denied this for your role" in fetch_row(vic, application)
