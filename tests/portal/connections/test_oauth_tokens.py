"""OAuth token refresh by concurrent processes, and after crashes."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest
from django.db import connection as database
from django.db import connections, transaction
from django_q.brokers import get_broker
from msgspec.structs import replace

from integrations.ats.client_context import Lane
from integrations.ats.errors import BadCredential
from integrations.greenhouse.sandbox import Sandbox
from portal.connections.client import open_provider
from portal.connections.models import Connection, Consent
from portal.connections.oauth import renewal
from portal.connections.oauth.tokens import ConsentTokenStore
from tests.portal.consent_flow import complete_authorization, enable_oauth_app
from tests.queue import list_queued_tasks

HOUR = 3600


@pytest.fixture
def consent(personas, sandbox: Sandbox, settings, sign_in) -> Consent:
    """A new consent of Acme; queued tasks are discarded."""
    enable_oauth_app(settings)
    assert complete_authorization(sign_in(personas.ada), sandbox).status_code == 302
    get_broker().purge_queue()
    return Consent.objects.get(credential__state="in_use")


def _fork_process(operation: Callable[[], object]) -> int:
    connections.close_all()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        operation()
        status = 0
    finally:
        os._exit(status)


def _all_succeeded(pids: list[int]) -> bool:
    return [os.waitpid(pid, 0)[1] for pid in pids] == [0] * len(pids)


def _read_jobs() -> None:
    """Open a provider and read a list, as any worker does."""
    connection = Connection.objects.get(organization__name="Acme")
    provider = open_provider(connection.credential, lane=Lane.PEOPLE)
    next(iter(provider.list_jobs()))


def _count_refreshes(sandbox: Sandbox) -> int:
    return len([r for r in sandbox.requests if r.path.startswith("/token") and r.status == 200])


def test_concurrent_refreshes_keep_one_token_chain(
    consent: Consent, sandbox: Sandbox, advance_clock
) -> None:
    for round_number in range(1, 4):
        advance_clock(HOUR)
        before = _count_refreshes(sandbox)
        sandbox.faults.add_fault("/token", latency_ms=100)
        assert _all_succeeded([_fork_process(_read_jobs) for _ in range(8)])
        assert _count_refreshes(sandbox) == before + 1
        consent.refresh_from_db()
        assert consent.token_number == 1 + round_number
    assert [row.ended_reason for row in sandbox.consents.rows.values()] == [""]


def test_scheduled_renewal_beside_workers_refreshes_once(
    consent: Consent, sandbox: Sandbox, advance_clock
) -> None:
    advance_clock(7 * HOUR)
    sandbox.faults.add_fault("/token", latency_ms=100)
    operations = [lambda: renewal.renew_consent(consent.pk), _read_jobs]
    assert _all_succeeded([_fork_process(operations[number % 2]) for number in range(8)])
    _read_jobs()
    consent.refresh_from_db()
    assert (consent.state, consent.token_number) == ("active", 2)
    assert [row.ended_reason for row in sandbox.consents.rows.values()] == [""]


def _read_and_be_killed(column: str) -> None:
    """Read, and be killed right before the UPDATE that names this column."""

    def kill_before_update(execute, sql, *args):
        if sql.startswith('UPDATE "connections_consent"') and column in sql:
            os.kill(os.getpid(), signal.SIGKILL)
        return execute(sql, *args)

    with database.execute_wrapper(kill_before_update):
        _read_jobs()


def test_kill_before_refresh_loses_nothing(consent: Consent, advance_clock) -> None:
    advance_clock(HOUR)
    pid = _fork_process(lambda: _read_and_be_killed("lease_until"))
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL
    _read_jobs()
    consent.refresh_from_db()
    assert (consent.state, consent.token_number) == ("active", 2)


def test_kill_after_refresh_ends_consent(consent: Consent, advance_clock) -> None:
    advance_clock(HOUR)
    pid = _fork_process(lambda: _read_and_be_killed("refresh_token"))
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL
    consent.refresh_from_db()
    assert (consent.token_number, consent.lease_until is not None) == (
        1,
        True,
    )  # it may have been used
    advance_clock(120)  # the lease expires: the same token is tried again, but was used already
    with pytest.raises(BadCredential):
        _read_jobs()
    consent.refresh_from_db()
    assert (consent.state, bool(consent.refresh_token)) == ("ended", False)
    assert ("portal.connections.tasks.report_lost_consent", (consent.pk,)) in list_queued_tasks()


def test_late_refresh_does_not_overwrite_newer(consent: Consent) -> None:
    chain = ConsentTokenStore(consent.pk)
    tokens = chain.load_tokens()
    assert chain.acquire_refresh_lease(1, now=0.0, until=10.0)
    assert not chain.acquire_refresh_lease(1, now=5.0, until=15.0)
    assert chain.acquire_refresh_lease(1, now=11.0, until=20.0)
    assert chain.save_refreshed(replace(tokens, generation=2, access_token="new"))
    assert not chain.save_refreshed(replace(tokens, generation=2, access_token="late"))
    assert chain.load_tokens().access_token == "new"
    assert not chain.acquire_refresh_lease(1, now=99.0, until=100.0)


def test_refresh_token_not_used_inside_transaction(consent: Consent) -> None:
    with pytest.raises(RuntimeError, match="transaction"), transaction.atomic():
        ConsentTokenStore(consent.pk).acquire_refresh_lease(1, now=0.0, until=10.0)


def test_tokens_encrypted_at_rest(consent: Consent) -> None:
    with database.cursor() as cursor:
        cursor.execute("SELECT access_token, refresh_token FROM connections_consent")
        ((access, refresh),) = cursor.fetchall()
    assert consent.refresh_token.startswith("refresh.")
    assert "refresh." not in refresh
    assert consent.access_token[:16] not in access
