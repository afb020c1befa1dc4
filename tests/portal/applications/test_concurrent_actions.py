"""Eight people act on the same applications while real workers send."""

from __future__ import annotations

import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.management import call_command
from django.db import connection

from integrations.greenhouse.sandbox import Sandbox
from portal.accounts.models import Membership
from portal.applications.models import ApplicationAction
from portal.audit.models import Entry
from portal.core.database.thread_connections import ThreadOwner
from portal.core.models import Transition
from portal.sync.models import Application, AtsUser
from tests.factories import MembershipFactory
from tests.personas import Personas
from tests.portal.applications.action_helpers import (
    get_sandbox_application,
    reject_application,
    submit_action,
)
from tests.workers import WorkerProcesses

Status = ApplicationAction.Status


def _make_site_admins(personas: Personas, sandbox: Sandbox) -> list[Membership]:
    """Eight members who are Site Admins in Greenhouse and in the mirror."""
    extra_members = [
        MembershipFactory(
            user__email=f"{name}@acme.example", organization=personas.ada.organization
        )
        for name in ("basil", "m.moss")
    ]
    people = [
        personas.ada,
        personas.sam,
        personas.remy,
        personas.vic,
        personas.ivy,
        personas.dana,
        *extra_members,
    ]
    sandbox.run_mutation("reactivate_user", user="dana")
    for person in people:
        sandbox.run_mutation("set_site_admin", user=person.user.email.split("@")[0])
        AtsUser.objects.filter(primary_email=person.user.email).update(
            site_admin=True, deactivated=False
        )
    return people


@pytest.mark.slow("eight people click through the same applications while two workers send")
@pytest.mark.django_db(transaction=True)
def test_concurrent_actions_each_settle_once(
    connect, personas: Personas, sandbox: Sandbox, sign_in, settings, capsys
) -> None:
    """50 applications on PostgreSQL; 10 on SQLite, which serializes writes."""
    settings.REJECT_UNDO_SECONDS = 0
    connect()
    applications = list(
        Application.objects.filter(
            status="active", prospect=False, stage__order=0, job__status="open",
            job__confidential=False, candidate__private=False,
        ).order_by("pk")[: 50 if connection.vendor == "postgresql" else 10]
    )  # fmt: skip
    browsers = [sign_in(person) for person in _make_site_admins(personas, sandbox)]
    before, owner = _read_history(sandbox), ThreadOwner()
    sandbox.faults.add_fault(regex=r"/(move|reject)$", method="POST", kind="drop_after", times=3)
    with WorkerProcesses(2) as workers:
        with ThreadPoolExecutor(len(browsers)) as pool:
            responses = list(pool.map(lambda b: _click_through(b, applications, owner), browsers))
        _wait_until_settled()
        assert workers.alive_count == 2
    assert {status for statuses in responses for status in statuses} <= {200, 403, 409}
    new_rows = {
        key: application_id
        for key, application_id in _read_history(sandbox).items()
        if key not in before
    }
    _check_outcomes(sandbox, applications, Counter(new_rows.values()))
    call_command("verify_audit_log")
    assert "broken" not in capsys.readouterr().out.lower()


def _click_through(browser, applications: list[Application], owner: ThreadOwner) -> list[int]:
    statuses = []
    shuffled = random.sample(applications, len(applications))
    with owner.lend_scope():
        for application in shuffled:
            act = (
                reject_application
                if random.random() < 0.3
                else lambda b, a: submit_action(b, "advance", a)
            )
            statuses.append(act(browser, application).status_code)
    return statuses


def _wait_until_settled() -> None:
    """Wait at most ten minutes, for the slowest machine."""
    for _ in range(6000):
        if not ApplicationAction.objects.filter(
            status__in=ApplicationAction.OPEN_STATUSES
        ).exists():
            return
        time.sleep(0.1)


def _check_outcomes(
    sandbox: Sandbox, applications: list[Application], accepted: Counter[int]
) -> None:
    actions = list(ApplicationAction.objects.all())
    assert not [a for a in actions if a.is_open]
    done = Counter(a.application_id for a in actions if a.status == Status.DONE)
    assert sum(done.values()) == sum(accepted.values()) >= len(applications)
    for application in applications:
        application.refresh_from_db()
        remote = get_sandbox_application(sandbox, application)
        assert (application.status, application.stage_remote_id) == (remote.status, remote.stage_id)
        assert done[application.pk] == accepted[application.remote_id], (
            "done twice, or reported wrongly"
        )
    outcome_counts = Counter(
        Transition.objects.filter(
            subject="applications.applicationaction",
            new__in=(Status.DONE, Status.REFUSED, Status.CONFLICT, Status.FAILED, Status.CANCELED),
        ).values_list("subject_id", flat=True)
    )
    assert outcome_counts == dict.fromkeys((a.pk for a in actions), 1), (
        "not exactly one outcome per action"
    )
    entries = Entry.objects.filter(verb__in=("application.advanced", "application.rejected"))
    assert entries.count() == sum(done.values())


def _read_history(sandbox: Sandbox) -> dict[tuple[str, int], int]:
    """Application ID by each stage entry and rejection that Greenhouse has recorded."""
    world = sandbox.dataset()
    stage_entries = {("stage", row.id): row.application_id for row in world.history}
    return stage_entries | {("rejection", row.id): row.application_id for row in world.rejections}
