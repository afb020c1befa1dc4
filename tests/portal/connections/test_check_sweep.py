"""The sweep that ends checks whose worker died."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from portal.connections import connection_state, tasks
from portal.connections.models import CheckRun, Connection, Credential
from tests.factories import ConnectionFactory, OrganizationFactory

pytestmark = pytest.mark.django_db


def _create_silent_check(name: str) -> CheckRun:
    connection = ConnectionFactory(organization=OrganizationFactory(name=name), state="live")
    credential = Credential.objects.create(
        connection=connection,
        kind="harvest_oauth",
        secret="s",
        last_four="1234",
        fingerprint="f",
        state=Credential.State.IN_USE,
    )
    check = CheckRun.objects.create(
        connection=connection, credential=credential, status=CheckRun.Status.RUNNING
    )
    CheckRun.objects.filter(pk=check.pk).update(queued_at=timezone.now() - timedelta(hours=1))
    return check


def test_failure_of_one_customer_leaves_the_others_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = [_create_silent_check(name) for name in ("First", "Second", "Third")]
    update_state = connection_state.update_state

    def fail_for_second(connection: Connection, **values: Any) -> str:
        if connection.pk == checks[1].connection_id:
            raise ValueError
        return update_state(connection, **values)

    monkeypatch.setattr(connection_state, "update_state", fail_for_second)
    tasks.recover_lost_checks()
    for check in checks:
        check.refresh_from_db()
    assert [check.status for check in checks] == ["failed", "running", "failed"]
