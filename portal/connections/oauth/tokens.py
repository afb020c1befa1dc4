"""Token store on `Consent`; each operation is one atomic UPDATE."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.db import connection as database
from django.db.models import Q
from django.utils import timezone

from integrations.ats.errors import BadCredential
from integrations.ats.oauth_tokens import TokenPair, TokenStore
from portal.accounts.models import User
from portal.connections.models import Connection, Consent, Credential
from portal.core import queue, transitions
from portal.core.database.thread_connections import ThreadOwner
from portal.core.secrets.secret_field import reveal_secret

State = Consent.State
CONSENT_LOST_TASK = "portal.connections.tasks.report_lost_consent"


class ConsentTokenStore:
    """Not for use in a transaction: a rollback would lose a token Greenhouse has replaced."""

    def __init__(self, consent_id: int, *, owner: ThreadOwner | None = None) -> None:
        self._id = consent_id
        self._lend_scope = (owner or ThreadOwner()).lend_scope

    def load_tokens(self) -> TokenPair:
        """Raises SecretUnreadable, and BadCredential once the consent has ended."""
        with self._lend_scope():
            row = Consent.objects.get(pk=self._id)
        if not row.is_active:
            raise BadCredential(row.end_reason)
        return read_token_pair(row)

    def acquire_refresh_lease(self, number: int, *, now: float, until: float) -> bool:
        with self._lend_scope():
            if database.in_atomic_block:
                raise RuntimeError("A refresh token may not be used within a transaction.")
            free = Q(lease_until=None) | Q(lease_until__lte=_to_datetime(now))
            return bool(
                self._filter_generation(number).filter(free).update(lease_until=_to_datetime(until))
            )

    def save_refreshed(self, new: TokenPair) -> bool:
        with self._lend_scope():
            updated = self._filter_generation(new.generation - 1).update(
                **build_token_fields(new), lease_until=None
            )
            return bool(updated)

    def release_refresh_lease(self, number: int) -> None:
        with self._lend_scope():
            self._filter_generation(number).update(lease_until=None)

    def end_consent(self, number: int, why: str) -> None:
        with self._lend_scope():
            row = self._filter_generation(number).first()
            if row is not None and mark_consent_ended(row, why=why, by=None):
                queue.enqueue_task(
                    CONSENT_LOST_TASK, row.pk, organization_id=row.connection.organization_id
                )

    def _filter_generation(self, number: int) -> Any:
        return Consent.objects.filter(pk=self._id, state=State.ACTIVE, token_number=number)


class ConsentTokenStores:
    """The token stores of a connection: its own consent and personal ones."""

    def __init__(self, connection: Connection, credential: Credential) -> None:
        self._connection_id, self._credential_id = connection.pk, credential.pk
        self._owner = ThreadOwner()

    def get(self, acting_user_id: int | None) -> TokenStore | None:
        consents = Consent.objects.filter(connection=self._connection_id)
        if acting_user_id is None:
            consents = consents.filter(credential=self._credential_id)
        else:
            consents = consents.filter(
                subject=acting_user_id, membership__isnull=False, state=State.ACTIVE
            )
        with self._owner.lend_scope():
            pk = consents.values_list("pk", flat=True).order_by("-pk").first()
        return ConsentTokenStore(pk, owner=self._owner) if pk else None


def mark_consent_ended(consent: Consent, *, why: str, by: User | None) -> bool:
    """End the consent and erase its tokens. Returns False if it had ended already."""
    return transitions.try_move(
        consent,
        State.ENDED,
        why=why,
        by=by,
        field="state",
        end_reason=why[:200],
        ended_at=timezone.now(),
        access_token="",
        refresh_token="",
        lease_until=None,
    )


def read_token_pair(row: Consent) -> TokenPair:
    """Decrypt the tokens. Raises SecretUnreadable."""
    return TokenPair(
        generation=row.token_number,
        access_token=reveal_secret(row.access_token),
        access_expires_at=row.access_expires_at.timestamp(),
        refresh_token=reveal_secret(row.refresh_token),
        refresh_expires_at=row.refresh_expires_at.timestamp(),
    )


def build_token_fields(pair: TokenPair) -> dict[str, Any]:
    return {
        "token_number": pair.generation,
        "access_token": pair.access_token,
        "access_expires_at": _to_datetime(pair.access_expires_at),
        "refresh_token": pair.refresh_token,
        "refresh_expires_at": _to_datetime(pair.refresh_expires_at),
    }


def _to_datetime(epoch: float) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)
