"""Credential rotation without downtime: check the new one, switch, then confirm or go back."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction

from integrations.ats.permissions import Feature, ProbeOutcome
from portal.accounts.models import User
from portal.connections.credentials.store import destroy_credential
from portal.connections.models import CheckRun, Connection, Credential
from portal.connections.permissions.features import Features, build_features
from portal.core import transitions

State = Credential.State


class NothingToRotate(Exception):
    """No credential is in the state that this step needs."""


@dataclass(frozen=True)
class CredentialDifference:
    """What changes with the new credential, in the labels of its kind."""

    lost: tuple[str, ...]
    gained: tuple[str, ...]
    off: tuple[Feature, ...]
    on: tuple[Feature, ...]
    blocked: bool

    @property
    def is_nothing(self) -> bool:
        return not (self.lost or self.gained or self.off or self.on)


def find_credential(connection: Connection, state: str) -> Credential | None:
    if connection._state.adding:  # an unsaved draft
        return None
    return connection.credentials.filter(state=state).first()


def load_credentials(connection: Connection) -> dict[str, Credential]:
    """By state, without the deleted ones."""
    if connection._state.adding:  # an unsaved draft
        return {}
    credentials = connection.credentials.exclude(state=Credential.State.DELETED)
    return {credential.state: credential for credential in reversed(credentials)}


def compare_credentials(old: Credential, new: Credential) -> CredentialDifference | None:
    """None until the new credential is checked. Ignores permissions that only one kind has."""
    old_check, new_check = _get_finished_check(old), _get_finished_check(new)
    if new_check is None:
        return None
    old_granted, new_granted = _list_granted(old_check), _list_granted(new_check)
    old_keys = {p.key for p in old.catalogue.list_permissions(old.kind)}
    old_features = build_features(old, old_check.results.all()) if old_check else Features()
    new_features = build_features(new, new_check.results.all())
    shared = [p for p in new.catalogue.list_permissions(new.kind) if p.key in old_keys]
    return CredentialDifference(
        lost=_label_permissions(new, [p.key for p in shared if p.key in old_granted - new_granted]),
        gained=_label_permissions(
            new, [p.key for p in shared if p.key in new_granted - old_granted]
        ),
        off=_list_switched_off(new_features, unless_off_in=old_features),
        on=_list_switched_off(old_features, unless_off_in=new_features),
        blocked=new_features.blocked,
    )


def _get_finished_check(credential: Credential) -> CheckRun | None:
    return credential.checks.filter(status=CheckRun.Status.DONE).first()


def _list_granted(check: CheckRun | None) -> set[str]:
    if check is None:
        return set()
    results = check.results.exclude(outcome=ProbeOutcome.MISSING)
    return set(results.values_list("permission", flat=True))


def _label_permissions(credential: Credential, keys: list[str]) -> tuple[str, ...]:
    permissions = {p.key: p for p in credential.catalogue.list_permissions(credential.kind)}
    return tuple(credential.list_checkboxes(permissions[key] for key in keys))


def _list_switched_off(features: Features, *, unless_off_in: Features) -> tuple[Feature, ...]:
    return tuple(
        feature for key, (feature, _) in features.off.items() if key not in unless_off_in.off
    )


@transaction.atomic
def switch_credential(connection: Connection, *, by: User) -> Credential:
    """Keep the old credential, destroying one kept earlier. Raises NothingToRotate."""
    Connection.objects.select_for_update().get(pk=connection.pk)
    new, old = find_credential(connection, State.PENDING), find_credential(connection, State.IN_USE)
    if new is None or _get_finished_check(new) is None:
        raise NothingToRotate
    previous = find_credential(connection, State.PREVIOUS)
    if previous:
        destroy_credential(previous, by=by, why="a newer one took its place")
    if old:
        transitions.move_state(old, State.PREVIOUS, why="a new one is in use", by=by, field="state")
    transitions.move_state(new, State.IN_USE, why="switched", by=by, field="state")
    return new


@transaction.atomic
def restore_previous_credential(connection: Connection, *, by: User) -> Credential:
    """Put the previous credential back in use and destroy the new one. Raises NothingToRotate."""
    Connection.objects.select_for_update().get(pk=connection.pk)
    previous, new = (
        find_credential(connection, State.PREVIOUS),
        find_credential(connection, State.IN_USE),
    )
    if previous is None:
        raise NothingToRotate
    if new:
        destroy_credential(new, by=by, why="rolled back to the old one")
    transitions.move_state(previous, State.IN_USE, why="rolled back", by=by, field="state")
    return previous


def confirm_switch(connection: Connection, *, by: User) -> Credential:
    """Destroy the previous credential. Raises NothingToRotate."""
    return _destroy_credential_in_state(
        connection, State.PREVIOUS, by=by, why="the new one was confirmed"
    )


def discard_new_credential(connection: Connection, *, by: User) -> Credential:
    """Destroy the pending credential. Raises NothingToRotate."""
    return _destroy_credential_in_state(connection, State.PENDING, by=by, why="thrown away")


@transaction.atomic
def _destroy_credential_in_state(
    connection: Connection, state: str, *, by: User, why: str
) -> Credential:
    Connection.objects.select_for_update().get(pk=connection.pk)
    credential = find_credential(connection, state)
    if credential is None:
        raise NothingToRotate
    destroy_credential(credential, by=by, why=why)
    return credential
