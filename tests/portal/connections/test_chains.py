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

from integrations.ats.errors import BadCredential
from integrations.ats.wiring import Lane
from integrations.greenhouse.sandbox import Sandbox
from portal.connections import renewal
from portal.connections.chains import StoredChain
from portal.connections.models import Connection, Consent
from portal.connections.open import open_provider
from tests.portal.consents import go_through, switch_on
from tests.queue import queued

HOUR = 3600


@pytest.fixture
def consent(cast, sandbox: Sandbox, settings, sign_in) -> Consent:
    """A new consent of Acme; queued tasks are discarded."""
    switch_on(settings)
    assert go_through(sign_in(cast.ada), sandbox).status_code == 302
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
    return len([e for e in sandbox.requests.of("/token") if e.status == 200])


def test_concurrent_refreshes_keep_one_token_chain(
    consent: Consent, sandbox: Sandbox, later
) -> None:
    for round_number in range(1, 4):
        later(HOUR)
        before = _count_refreshes(sandbox)
        sandbox.faults.add("/token", latency_ms=100)
        assert _all_succeeded([_fork_process(_read_jobs) for _ in range(8)])
        assert _count_refreshes(sandbox) == before + 1
        consent.refresh_from_db()
        assert consent.number == 1 + round_number
    assert [row.ended for row in sandbox.consents.rows.values()] == [""]


def test_scheduled_renewal_beside_workers_refreshes_once(
    consent: Consent, sandbox: Sandbox, later
) -> None:
    later(7 * HOUR)
    sandbox.faults.add("/token", latency_ms=100)
    operations = [lambda: renewal.renew(consent.pk), _read_jobs]
    assert _all_succeeded([_fork_process(operations[number % 2]) for number in range(8)])
    _read_jobs()
    consent.refresh_from_db()
    assert (consent.state, consent.number) == ("living", 2)
    assert [row.ended for row in sandbox.consents.rows.values()] == [""]


def _read_and_be_killed(column: str) -> None:
    """Read, and be killed right before the UPDATE that names this column."""

    def kill_before_update(execute, sql, *args):
        if sql.startswith('UPDATE "connections_consent"') and column in sql:
            os.kill(os.getpid(), signal.SIGKILL)
        return execute(sql, *args)

    with database.execute_wrapper(kill_before_update):
        _read_jobs()


def test_kill_before_refresh_loses_nothing(consent: Consent, later) -> None:
    later(HOUR)
    pid = _fork_process(lambda: _read_and_be_killed("turn_until"))
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL
    _read_jobs()
    consent.refresh_from_db()
    assert (consent.state, consent.number) == ("living", 2)


def test_kill_after_refresh_ends_consent(consent: Consent, later) -> None:
    later(HOUR)
    pid = _fork_process(lambda: _read_and_be_killed("refresh_token"))
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL
    consent.refresh_from_db()
    assert (consent.number, consent.turn_until is not None) == (1, True)  # it may have been used
    later(120)  # the lease expires: the same token is tried again, but was used already
    with pytest.raises(BadCredential):
        _read_jobs()
    consent.refresh_from_db()
    assert (consent.state, bool(consent.refresh_token)) == ("ended", False)
    assert ("portal.connections.tasks.consent_lost", (consent.pk,)) in queued()


def test_late_refresh_does_not_overwrite_newer(consent: Consent) -> None:
    chain = StoredChain(consent.pk)
    tokens = chain.present()
    assert chain.take(1, now=0.0, until=10.0)
    assert not chain.take(1, now=5.0, until=15.0)
    assert chain.take(1, now=11.0, until=20.0)
    assert chain.put(replace(tokens, number=2, access_token="new"))
    assert not chain.put(replace(tokens, number=2, access_token="late"))
    assert chain.present().access_token == "new"
    assert not chain.take(1, now=99.0, until=100.0)


def test_refresh_token_not_used_inside_transaction(consent: Consent) -> None:
    with pytest.raises(RuntimeError, match="transaction"), transaction.atomic():
        StoredChain(consent.pk).take(1, now=0.0, until=10.0)


def test_tokens_encrypted_at_rest(consent: Consent) -> None:
    with database.cursor() as cursor:
        cursor.execute("SELECT access_token, refresh_token FROM connections_consent")
        ((access, refresh),) = cursor.fetchall()
    assert consent.refresh_token.startswith("refresh.")
    assert "refresh." not in refresh
    assert "eyJ" not in access
