"""Opening a provider for a connection, with the rate budget and the request log it shares."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial

from django.conf import settings

from integrations.ats import registry
from integrations.ats.consent import Chains
from integrations.ats.port import Provider
from integrations.ats.wiring import Call, Lane, Wiring
from portal.connections import partner
from portal.connections.chains import StoredChains
from portal.connections.models import ApiCall, Connection, Credential
from portal.core import trace
from portal.core.secrets import SecretUnreadable
from portal.core.state import Encrypted, shared_store
from portal.core.threads import tidied

_speaking: ContextVar[int | None] = ContextVar("speaking", default=None)


@contextmanager
def speaking_with(credential: Credential) -> Iterator[None]:
    """What is written inside was told to this credential."""
    token = _speaking.set(credential.pk)
    try:
        yield
    finally:
        _speaking.reset(token)


def told_to() -> int | None:
    """The key of the credential to which what is written now was told; None where none is named."""
    return _speaking.get()


def open_provider(
    credential: Credential,
    *,
    lane: Lane,
    patience: float | None = None,
    also: Callable[[Call], None] | None = None,
    log: Callable[[Call], None] | None = None,
) -> Provider:
    """A provider that speaks with this credential, for a person or for a sync.

    `patience`: how many seconds one question may take, where it is not the lane's own. `also` is
    told of each request, as the request log is; `log` is told instead of the request log.
    Raises SecretUnreadable where no key opens what is stored.
    """
    key = f"connection:{credential.connection_id}:{credential.fingerprint}"
    return registry.open_provider(
        credential.kind,
        _secrets(credential),
        _wiring(
            key,
            lane,
            patience,
            log or _kept(credential.connection_id, also),
            StoredChains(credential.connection, credential),
        ),
    )


@contextmanager
def asking(credential: Credential, *, lane: Lane) -> Iterator[Provider]:
    """A provider for a few requests that somebody waits for: they do not wait for its log, which
    is written at the end. What is written meanwhile counts as told to this credential. Raises
    SecretUnreadable.
    """
    calls: list[Call] = []
    try:
        with speaking_with(credential):
            yield open_provider(credential, lane=lane, log=calls.append)
    finally:
        row = partial(logged, credential.connection_id, trace.current())
        ApiCall.objects.bulk_create(map(row, calls))


def _secrets(credential: Credential) -> dict[str, str]:
    """What the provider identifies itself with: of a consent, the partner's application."""
    if not credential.is_consent:
        return credential.secrets()
    application = partner.partner()
    if application is None:  # the deployment's settings were taken away
        raise SecretUnreadable
    return {"client_id": application.client_id, "client_secret": application.client_secret}


def open_on_trial(
    connection: Connection,
    kind: str,
    secrets: Mapping[str, str],
    *,
    key: str,
    chains: Chains | None = None,
) -> Provider:
    """A provider for a credential that is stored nowhere yet; a person waits for the answer."""
    log = _kept(connection.pk)
    wiring = _wiring(f"trial:{connection.pk}:{key}", Lane.PEOPLE, None, log, chains)
    return registry.open_provider(kind, secrets, wiring)


def wiring_for(connection: Connection, lane: Lane) -> Wiring:
    """What consents are asked for and kept alive with."""
    return _wiring(f"connection:{connection.pk}", lane, None, _kept(connection.pk))


def _wiring(
    key: str,
    lane: Lane,
    patience: float | None,
    log: Callable[[Call], None],
    chains: Chains | None = None,
) -> Wiring:
    store = shared_store()
    usual = settings.PATIENCE_SYNC if lane is Lane.SYNC else settings.PATIENCE_PEOPLE
    return Wiring(
        api_url=settings.GREENHOUSE_API_URL,
        auth_url=settings.GREENHOUSE_AUTH_URL,
        key=key,
        lane=lane,
        deadline=usual if patience is None else patience,
        state=store,
        tokens=Encrypted(store),
        chains=chains,
        log=log,
    )


def _kept(connection_id: int, also: Callable[[Call], None] | None = None) -> Callable[[Call], None]:
    """The request log of a connection, as this thread writes it."""
    return partial(_keep, connection_id, threading.get_ident(), trace.current(), also)


def _keep(
    connection_id: int,
    owner: int,
    trace_id: str,
    also: Callable[[Call], None] | None,
    call: Call,
) -> None:
    """Called from the provider's threads too, which do not inherit the id: it is handed in."""
    with tidied(owner):
        logged(connection_id, trace_id, call).save(force_insert=True)
        if also is not None:
            also(call)


def logged(connection_id: int, trace_id: str, call: Call) -> ApiCall:
    """The request as the request log keeps it, not saved yet."""
    return ApiCall(
        connection_id=connection_id,
        at=call.at,
        method=call.method,
        path=call.path[:120],
        status=call.status,
        milliseconds=round(call.seconds * 1000),
        retries=call.retries,
        lane=call.lane,
        remaining=call.remaining,
        request_id=(call.request_id or "")[:80],
        error=call.error,
        trace=trace_id,
    )
