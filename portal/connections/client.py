"""Providers for a connection, sharing its rate budget and writing its request log."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar

from django.conf import settings

from integrations.ats.client_context import ApiCallRecord, BreakerPolicy, ClientContext, Lane
from integrations.ats.oauth_tokens import TokenStores
from integrations.greenhouse.provider import Provider, create_provider
from integrations.http.bulkhead import ProcessBulkhead
from portal.connections import call_pauses
from portal.connections.call_log import CallLog
from portal.connections.models import Connection, Credential
from portal.connections.oauth import partner_app
from portal.connections.oauth.tokens import ConsentTokenStores
from portal.core.observability import metrics
from portal.core.secrets.secret_field import SecretUnreadable
from portal.core.shared_state import EncryptedStore, get_shared_store
from portal.web.fair_thread_pool import get_seconds_since_arrival, pause_computing

_writing_credential_id: ContextVar[int | None] = ContextVar("writing_credential_id", default=None)


@contextmanager
def attribute_writes_to(credential: Credential) -> Iterator[None]:
    token = _writing_credential_id.set(credential.pk)
    try:
        yield
    finally:
        _writing_credential_id.reset(token)


def get_writing_credential_id() -> int | None:
    return _writing_credential_id.get()


def open_provider(
    credential: Credential,
    *,
    lane: Lane,
    patience: float | None = None,
    deadline_seconds: float | None = None,
    on_call: Callable[[ApiCallRecord], None] | None = None,
    log: Callable[[ApiCallRecord], None] | None = None,
) -> Provider:
    """`patience` is for web requests: the seconds from a request's arrival in which all operations
    end, hardly any of them asleep. Without it, the caller is a task: it sleeps at most a second,
    and longer waits are errors that say until when. `deadline_seconds` overrides the lane's limit
    for one operation of a task. `on_call` adds to the request log, `log` replaces it. Raises
    SecretUnreadable.
    """
    connection_id = credential.connection_id
    context = _build_client_context(
        _build_account_key(credential),
        lane,
        patience,
        log or CallLog(connection_id, on_call, is_batched=True).record_call,
    )
    context.token_stores = ConsentTokenStores(credential.connection, credential)
    context.on_pause = call_pauses.build_recorder(connection_id)
    if deadline_seconds is not None:
        context.deadline_seconds = deadline_seconds
    return create_provider(credential.kind, _load_secrets(credential), context)


def enter_bulkhead(credential: Credential) -> AbstractContextManager[None]:
    """A place among this customer's callers, for other slow work of a request. Raises
    AtsUnavailable.
    """
    bulkhead = _get_bulkhead(settings.CALLERS_PER_ACCOUNT, settings.CALLERS_PER_PROCESS)
    return bulkhead.enter(_build_account_key(credential), object())


def _build_account_key(credential: Credential) -> str:
    return f"connection:{credential.connection_id}:{credential.fingerprint}"


@contextmanager
def open_interactive_provider(
    credential: Credential, *, lane: Lane, patience: float | None = None
) -> Iterator[Provider]:
    """Writes its request log at the end, so that nobody waits for it, and attributes writes inside
    to this credential. Raises SecretUnreadable.
    """
    log = CallLog(credential.connection_id, is_deferred=True)
    try:
        with attribute_writes_to(credential):
            yield open_provider(credential, lane=lane, patience=patience, log=log.record_call)
    finally:
        log.write_rows()


def _load_secrets(credential: Credential) -> dict[str, str]:
    if not credential.is_consent:
        return credential.get_secrets()
    oauth_app = partner_app.get_oauth_app()
    if oauth_app is None:  # the partner settings were removed
        raise SecretUnreadable
    return {"client_id": oauth_app.client_id, "client_secret": oauth_app.client_secret}


def open_trial_provider(
    connection: Connection,
    kind: str,
    secrets: Mapping[str, str],
    *,
    key: str,
    token_stores: TokenStores | None = None,
    patience: float | None = None,
) -> Provider:
    """For a credential that is not stored yet; `patience` as in `open_provider`."""
    context = _build_client_context(
        f"trial:{connection.pk}:{key}", Lane.PEOPLE, patience, CallLog(connection.pk).record_call
    )
    context.token_stores = token_stores
    return create_provider(kind, secrets, context)


def build_client_context(
    connection: Connection, lane: Lane, *, patience: float | None = None
) -> ClientContext:
    context = _build_client_context(
        f"connection:{connection.pk}", lane, patience, CallLog(connection.pk).record_call
    )
    context.on_pause = call_pauses.build_recorder(connection.pk)
    return context


def _build_client_context(
    key: str, lane: Lane, patience: float | None, log: Callable[[ApiCallRecord], None]
) -> ClientContext:
    store = get_shared_store()
    context = ClientContext(
        api_url=settings.GREENHOUSE_API_URL,
        auth_url=settings.GREENHOUSE_AUTH_URL,
        connection_key=key,
        lane=lane,
        deadline_seconds=settings.SYNC_DEADLINE_SECONDS
        if lane is Lane.SYNC
        else settings.INTERACTIVE_DEADLINE_SECONDS,
        max_wait_seconds=settings.WORKER_WAIT_SECONDS,
        state_store=store,
        token_cache=EncryptedStore(store),
        log_call=log,
        breaker=_build_breaker_policy(),
        bulkhead=_get_bulkhead(settings.CALLERS_PER_ACCOUNT, settings.CALLERS_PER_PROCESS),
        on_refusal=metrics.count_refused_call,
    )
    if patience is not None:
        # A request that waited long for its turn still asks once.
        patience = max(patience / 5, patience - get_seconds_since_arrival())
        context.deadline_seconds = patience
        context.max_wait_seconds = settings.WEB_WAIT_SECONDS
    context.ends_at = context.now() + (patience or settings.WORKER_TURN_SECONDS)
    return context


def _build_breaker_policy() -> BreakerPolicy:
    return BreakerPolicy(
        failures=settings.BREAKER_FAILURES,
        slow_seconds=settings.BREAKER_SLOW_SECONDS,
        cooldown=settings.BREAKER_COOLDOWN_SECONDS,
        max_cooldown=settings.BREAKER_MAX_COOLDOWN_SECONDS,
    )


@functools.cache
def _get_bulkhead(per_account: int, total: int) -> ProcessBulkhead:
    return ProcessBulkhead(
        per_account=per_account,
        total=total,
        on_change=metrics.GREENHOUSE_CALLERS.set,
        around=pause_computing,
    )


os.register_at_fork(after_in_child=_get_bulkhead.cache_clear)
