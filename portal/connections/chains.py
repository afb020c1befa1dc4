"""Consents as chains of tokens that all processes share: rows, moved by compare-and-swap."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from functools import partial
from typing import Any

from django.db import connection as database
from django.db.models import Q
from django.utils import timezone

from integrations.ats.consent import Chain, Pair
from integrations.ats.errors import BadCredential
from portal.accounts.models import User
from portal.connections.models import Connection, Consent, Credential
from portal.core import queue, transitions
from portal.core.secrets import revealed
from portal.core.threads import tidied

State = Consent.State
LOST = "portal.connections.tasks.consent_lost"


class StoredChain:
    """`integrations.ats.consent.Chain` on a row of `Consent`. Every step is one statement.

    It may not be used within a transaction: rolled back, a refresh token that Greenhouse has given
    would be lost, and with it the consent.
    """

    def __init__(self, consent_id: int, *, owner: int | None = None) -> None:
        self._id = consent_id
        self._tidied = partial(tidied, owner or threading.get_ident())

    def present(self) -> Pair:
        """See Chain. Raises SecretUnreadable where no key opens what is stored."""
        with self._tidied():
            row = Consent.objects.get(pk=self._id)
        if not row.is_living:
            raise BadCredential(row.ended_why)
        return pair_of(row)

    def take(self, number: int, *, now: float, until: float) -> bool:
        """See Chain."""
        with self._tidied():
            if database.in_atomic_block:
                raise RuntimeError("A refresh token may not be used within a transaction.")
            free = Q(turn_until=None) | Q(turn_until__lte=_moment(now))
            return bool(self._at(number).filter(free).update(turn_until=_moment(until)))

    def put(self, new: Pair) -> bool:
        """See Chain. Its use and its successor are recorded by the same statement."""
        with self._tidied():
            kept = self._at(new.number - 1).update(**columns(new), turn_until=None)
            return bool(kept)

    def give_back(self, number: int) -> None:
        """See Chain."""
        with self._tidied():
            self._at(number).update(turn_until=None)

    def over(self, number: int, why: str) -> None:
        """See Chain. A worker then tells whoever can give a new one."""
        with self._tidied():
            row = self._at(number).first()
            if row is not None and finish(row, why=why, by=None):
                queue.enqueue(LOST, row.pk)

    def _at(self, number: int) -> Any:
        return Consent.objects.filter(pk=self._id, state=State.LIVING, number=number)


class StoredChains:
    """`integrations.ats.consent.Chains` of a connection and the credential that it speaks with."""

    def __init__(self, connection: Connection, credential: Credential) -> None:
        self._connection_id, self._credential_id = connection.pk, credential.pk
        self._owner = threading.get_ident()

    def of(self, acting_user_id: int | None) -> Chain | None:
        """See Chains. A person's consent counts while it is theirs in this organization."""
        found = Consent.objects.filter(connection=self._connection_id)
        if acting_user_id is None:
            found = found.filter(credential=self._credential_id)
        else:
            found = found.filter(
                subject=acting_user_id, membership__isnull=False, state=State.LIVING
            )
        with tidied(self._owner):
            pk = found.values_list("pk", flat=True).order_by("-pk").first()
        return StoredChain(pk, owner=self._owner) if pk else None


def finish(consent: Consent, *, why: str, by: User | None) -> bool:
    """End it here and empty it for good. False when somebody else did."""
    return transitions.won(
        consent,
        State.ENDED,
        why=why,
        by=by,
        field="state",
        ended_why=why[:200],
        ended_at=timezone.now(),
        access_token="",
        refresh_token="",
        turn_until=None,
    )


def pair_of(row: Consent) -> Pair:
    """The plain tokens, for the one moment they are used. Raises SecretUnreadable."""
    return Pair(
        number=row.number,
        access_token=revealed(row.access_token),
        access_until=row.access_until.timestamp(),
        refresh_token=revealed(row.refresh_token),
        refresh_until=row.refresh_until.timestamp(),
    )


def columns(pair: Pair) -> dict[str, Any]:
    """A pair as the columns of its row."""
    return {
        "number": pair.number,
        "access_token": pair.access_token,
        "access_until": _moment(pair.access_until),
        "refresh_token": pair.refresh_token,
        "refresh_until": _moment(pair.refresh_until),
        "renewed_at": timezone.now(),
    }


def _moment(epoch: float) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)
