"""Providers for a connection, sharing its rate budget and writing its request log."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial

from django.conf import settings

from integrations.ats import registry
from integrations.ats.client_context import ApiCallRecord, ClientContext, Lane
from integrations.ats.oauth_tokens import TokenStores
from integrations.ats.provider import Provider
from portal.connections.models import ApiCall, Connection, Credential
from portal.connections.oauth import partner_app
from portal.connections.oauth.tokens import ConsentTokenStores
from portal.core import request_ids
from portal.core.db_connections import close_thread_connections
from portal.core.secrets import SecretUnreadable
from portal.core.shared_state import EncryptedStore, get_shared_store

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
    deadline_seconds: float | None = None,
    on_call: Callable[[ApiCallRecord], None] | None = None,
    log: Callable[[ApiCallRecord], None] | None = None,
) -> Provider:
    """`deadline_seconds` overrides the lane's limit for one operation including retries. `on_call`
    adds to the request log, `log` replaces it. Raises SecretUnreadable.
    """
    key = f"connection:{credential.connection_id}:{credential.fingerprint}"
    return registry.create_provider(
        credential.kind,
        _load_secrets(credential),
        _build_client_context(
            key,
            lane,
            deadline_seconds,
            log or _build_call_logger(credential.connection_id, on_call),
            ConsentTokenStores(credential.connection, credential),
        ),
    )


@contextmanager
def open_interactive_provider(credential: Credential, *, lane: Lane) -> Iterator[Provider]:
    """Writes its request log at the end, so that nobody waits for it, and attributes writes inside
    to this credential. Raises SecretUnreadable.
    """
    recorded_calls: list[ApiCallRecord] = []
    try:
        with attribute_writes_to(credential):
            yield open_provider(credential, lane=lane, log=recorded_calls.append)
    finally:
        build_row = partial(build_api_call, credential.connection_id, request_ids.get_request_id())
        ApiCall.objects.bulk_create(map(build_row, recorded_calls))


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
) -> Provider:
    """For a credential that is not stored yet."""
    log = _build_call_logger(connection.pk)
    context = _build_client_context(
        f"trial:{connection.pk}:{key}", Lane.PEOPLE, None, log, token_stores
    )
    return registry.create_provider(kind, secrets, context)


def build_client_context(connection: Connection, lane: Lane) -> ClientContext:
    return _build_client_context(
        f"connection:{connection.pk}", lane, None, _build_call_logger(connection.pk)
    )


def _build_client_context(
    key: str,
    lane: Lane,
    deadline_seconds: float | None,
    log: Callable[[ApiCallRecord], None],
    token_stores: TokenStores | None = None,
) -> ClientContext:
    store = get_shared_store()
    default_deadline = settings.PATIENCE_SYNC if lane is Lane.SYNC else settings.PATIENCE_PEOPLE
    return ClientContext(
        api_url=settings.GREENHOUSE_API_URL,
        auth_url=settings.GREENHOUSE_AUTH_URL,
        connection_key=key,
        lane=lane,
        deadline_seconds=default_deadline if deadline_seconds is None else deadline_seconds,
        state_store=store,
        token_cache=EncryptedStore(store),
        token_stores=token_stores,
        log_call=log,
    )


def _build_call_logger(
    connection_id: int, on_call: Callable[[ApiCallRecord], None] | None = None
) -> Callable[[ApiCallRecord], None]:
    return partial(
        _log_call, connection_id, threading.get_ident(), request_ids.get_request_id(), on_call
    )


def _log_call(
    connection_id: int,
    owner: int,
    trace_id: str,
    on_call: Callable[[ApiCallRecord], None] | None,
    call: ApiCallRecord,
) -> None:
    # Provider threads do not inherit context variables, so the trace ID is passed in.
    with close_thread_connections(owner):
        build_api_call(connection_id, trace_id, call).save(force_insert=True)
        if on_call is not None:
            on_call(call)


def build_api_call(connection_id: int, trace_id: str, call: ApiCallRecord) -> ApiCall:
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
