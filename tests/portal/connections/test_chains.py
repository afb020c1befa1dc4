"""Eight processes, one chain of refresh tokens; and what a crash leaves behind."""

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
    """Acme's, just given; what that queued (a check) is not done here."""
    switch_on(settings)
    assert go_through(sign_in(cast.ada), sandbox).status_code == 302
    get_broker().purge_queue()
    return Consent.objects.get(credential__state="in_use")


def _process(do: Callable[[], object]) -> int:
    connections.close_all()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        do()
        status = 0
    finally:
        os._exit(status)


def _ended_well(pids: list[int]) -> bool:
    return [os.waitpid(pid, 0)[1] for pid in pids] == [0] * len(pids)


def _reads() -> None:
    """What any worker does: open a provider, read something."""
    connection = Connection.objects.get(organization__name="Acme")
    provider = open_provider(connection.credential, lane=Lane.PEOPLE)
    next(iter(provider.list_jobs()))


def _refreshes(sandbox: Sandbox) -> int:
    return len([e for e in sandbox.requests.of("/token") if e.status == 200])


def test_eight_processes_that_renew_at_once_keep_exactly_one_chain(
    consent: Consent, sandbox: Sandbox, later
) -> None:
    for time in range(1, 4):
        later(HOUR)
        before = _refreshes(sandbox)
        sandbox.faults.add("/token", latency_ms=100)
        assert _ended_well([_process(_reads) for _ in range(8)])
        assert _refreshes(sandbox) == before + 1
        consent.refresh_from_db()
        assert consent.number == 1 + time
    assert [row.ended for row in sandbox.consents.rows.values()] == [""]


def test_so_do_scheduled_renewals_beside_them(consent: Consent, sandbox: Sandbox, later) -> None:
    later(7 * HOUR)
    sandbox.faults.add("/token", latency_ms=100)
    tasks = [lambda: renewal.renew(consent.pk), _reads]
    assert _ended_well([_process(tasks[n % 2]) for n in range(8)])
    _reads()
    consent.refresh_from_db()
    assert (consent.state, consent.number) == ("living", 2)
    assert [row.ended for row in sandbox.consents.rows.values()] == [""]


def _killed_at(words: str) -> None:
    """Read, and be killed right before a statement that begins so."""

    def watched(execute, sql, *rest):
        if sql.startswith('UPDATE "connections_consent"') and words in sql:
            os.kill(os.getpid(), signal.SIGKILL)
        return execute(sql, *rest)

    with database.execute_wrapper(watched):
        _reads()


def test_killed_before_its_use_nothing_is_lost(consent: Consent, later) -> None:
    later(HOUR)
    pid = _process(lambda: _killed_at("turn_until"))
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL
    _reads()
    consent.refresh_from_db()
    assert (consent.state, consent.number) == ("living", 2)


def test_killed_between_use_and_keeping_the_doubt_is_seen_and_told(consent: Consent, later) -> None:
    later(HOUR)
    pid = _process(lambda: _killed_at("refresh_token"))
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL
    consent.refresh_from_db()
    assert (consent.number, consent.turn_until is not None) == (1, True)  # used, perhaps
    later(120)  # its turn has run out: the same token is tried once more, and has been used
    with pytest.raises(BadCredential):
        _reads()
    consent.refresh_from_db()
    assert (consent.state, bool(consent.refresh_token)) == ("ended", False)
    assert ("portal.connections.tasks.consent_lost", (consent.pk,)) in queued()


def test_a_late_answer_does_not_overwrite_a_newer_one(consent: Consent) -> None:
    chain = StoredChain(consent.pk)
    old = chain.present()
    assert chain.take(1, now=0.0, until=10.0)
    assert not chain.take(1, now=5.0, until=15.0)
    assert chain.take(1, now=11.0, until=20.0)
    assert chain.put(replace(old, number=2, access_token="new"))
    assert not chain.put(replace(old, number=2, access_token="late"))
    assert chain.present().access_token == "new"
    assert not chain.take(1, now=99.0, until=100.0)


def test_within_a_transaction_no_refresh_token_is_used(consent: Consent) -> None:
    with pytest.raises(RuntimeError, match="transaction"), transaction.atomic():
        StoredChain(consent.pk).take(1, now=0.0, until=10.0)


def test_tokens_are_encrypted_at_rest(consent: Consent) -> None:
    with database.cursor() as cursor:
        cursor.execute("SELECT access_token, refresh_token FROM connections_consent")
        ((access, refresh),) = cursor.fetchall()
    assert consent.refresh_token.startswith("refresh.")
    assert "refresh." not in refresh
    assert "eyJ" not in access
