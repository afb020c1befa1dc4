"""Changing the credential without downtime: checked beside, switched, kept, destroyed."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction

from integrations.ats.permissions import Feature, Outcome
from portal.accounts.models import User
from portal.connections.enter import destroy
from portal.connections.features import Features, of_results
from portal.connections.models import CheckRun, Connection, Credential
from portal.core import transitions

State = Credential.State


class NotReady(Exception):
    """There is nothing (any more) to switch, confirm or take back."""


@dataclass(frozen=True)
class Difference:
    """What changes with the new credential. Labels are those of the new one's tick boxes."""

    lost: tuple[str, ...]
    gained: tuple[str, ...]
    off: tuple[Feature, ...]
    on: tuple[Feature, ...]
    blocked: bool

    @property
    def is_nothing(self) -> bool:
        return not (self.lost or self.gained or self.off or self.on)


def waiting(connection: Connection, state: str) -> Credential | None:
    """The credential in this state, None where there is none."""
    if connection._state.adding:  # a draft that is not stored
        return None
    return connection.credentials.filter(state=state).first()


def difference(old: Credential, new: Credential) -> Difference | None:
    """What the new one may that the old one may not, and the other way; None before its check."""
    before, after = _checked(old), _checked(new)
    if after is None:
        return None
    had, has = _granted(before), _granted(after)
    known_to_old = {p.key for p in old.catalogue.for_kind(old.kind)}
    features_old = of_results(old, before.results.all()) if before else Features()
    features_new = of_results(new, after.results.all())
    both = [p for p in new.catalogue.for_kind(new.kind) if p.key in known_to_old]
    return Difference(
        lost=_named(new, [p.key for p in both if p.key in had - has]),
        gained=_named(new, [p.key for p in both if p.key in has - had]),
        off=_features(features_new, but=features_old),
        on=_features(features_old, but=features_new),
        blocked=features_new.blocked,
    )


def _checked(credential: Credential) -> CheckRun | None:
    return credential.checks.filter(status=CheckRun.Status.DONE).first()


def _granted(check: CheckRun | None) -> set[str]:
    if check is None:
        return set()
    found = check.results.exclude(outcome=Outcome.MISSING)
    return set(found.values_list("permission", flat=True))


def _named(credential: Credential, keys: list[str]) -> tuple[str, ...]:
    asked = {p.key: p for p in credential.catalogue.for_kind(credential.kind)}
    return tuple(f"{asked[key].group}: {asked[key].label}" for key in keys)


def _features(off: Features, *, but: Features) -> tuple[Feature, ...]:
    return tuple(feature for key, (feature, _) in off.off.items() if key not in but.off)


@transaction.atomic
def switch(connection: Connection, *, by: User) -> Credential:
    """Put the new one in use, keep the old one. Raises NotReady.

    A credential that was kept from an earlier switch is destroyed: two are enough.
    """
    Connection.objects.select_for_update().get(pk=connection.pk)
    new, old = waiting(connection, State.BESIDE), waiting(connection, State.IN_USE)
    if new is None or _checked(new) is None:
        raise NotReady
    kept = waiting(connection, State.KEPT)
    if kept:
        destroy(kept, by=by, why="a newer one took its place")
    if old:
        transitions.move(old, State.KEPT, why="a new one is in use", by=by, field="state")
    transitions.move(new, State.IN_USE, why="switched", by=by, field="state")
    return new


@transaction.atomic
def back(connection: Connection, *, by: User) -> Credential:
    """Put the kept one in use again and destroy the new one. Raises NotReady."""
    Connection.objects.select_for_update().get(pk=connection.pk)
    kept, new = waiting(connection, State.KEPT), waiting(connection, State.IN_USE)
    if kept is None:
        raise NotReady
    if new:
        destroy(new, by=by, why="the old one was taken back")
    transitions.move(kept, State.IN_USE, why="taken back", by=by, field="state")
    return kept


def confirm(connection: Connection, *, by: User) -> Credential:
    """Destroy the kept one: the new one works. Raises NotReady."""
    return _destroy(connection, State.KEPT, by=by, why="the new one was confirmed")


def discard(connection: Connection, *, by: User) -> Credential:
    """Destroy the one that waits beside. Raises NotReady."""
    return _destroy(connection, State.BESIDE, by=by, why="thrown away")


@transaction.atomic
def _destroy(connection: Connection, state: str, *, by: User, why: str) -> Credential:
    Connection.objects.select_for_update().get(pk=connection.pk)
    credential = waiting(connection, state)
    if credential is None:
        raise NotReady
    destroy(credential, by=by, why=why)
    return credential
