"""Checking what a credential may do, one permission after the other, without changing anything."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

import msgspec
from django.db import IntegrityError, transaction
from django.utils import timezone

from integrations.ats.errors import AtsError, BadCredential
from integrations.ats.permissions import Probe
from integrations.ats.port import Provider
from integrations.ats.wiring import Lane
from portal.accounts.models import User
from portal.connections.models import CheckRun, Connection, Credential, PermissionCheck
from portal.connections.open import open_provider
from portal.core import transitions
from portal.core.secrets import SecretUnreadable

Cause = CheckRun.Cause
SILENT_AFTER = timedelta(minutes=5)
LOST_AFTER = timedelta(minutes=1)  # and no worker took it: its task may be gone


class NothingToCheck(Exception):
    """There is no credential yet."""


def open_run(
    connection: Connection,
    *,
    by: User | None,
    only: Collection[str] = (),
    credential: Credential | None = None,
) -> tuple[CheckRun, bool]:
    """The check to watch, and whether it is new: one that is already open is joined.

    `only`: keys of permissions; the others keep what the last check found, so that each run tells
    everything. `credential`: another one than that in use. Raises NothingToCheck where there is
    none.
    """
    credential = credential or connection.credential
    if credential is None:
        raise NothingToCheck
    try:
        with transaction.atomic():
            run = CheckRun.objects.create(
                connection=connection, credential=credential, requested_by=by
            )
            PermissionCheck.objects.bulk_create(_begun(run, only))
    except IntegrityError:
        return credential.checks.get(status__in=CheckRun.OPEN), False
    return run, True


def _begun(run: CheckRun, only: Collection[str]) -> list[PermissionCheck]:
    """A result for each permission: to be tried, or (not among `only`) as it was found last."""
    credential = run.credential
    asked = credential.catalogue.for_kind(credential.kind)
    boxes = {credential.words_for(p) for p in asked if p.key in only}
    last = credential.checks.filter(status=CheckRun.Status.DONE).first() if only else None
    known = {result.permission: result for result in last.results.all()} if last else {}
    rows = []
    for permission in asked:
        row = PermissionCheck(run=run, permission=permission.key)
        found = known.get(permission.key)
        if found and credential.words_for(permission) not in boxes:
            for name in ("outcome", "sentence", "cause", "evidence", "checked_at"):
                setattr(row, name, getattr(found, name))
        rows.append(row)
    return rows


def run(check: CheckRun) -> bool:
    """Do the check, to its end or to a failure. False when another worker has it already."""
    now = timezone.now()
    if not transitions.won(check, CheckRun.Status.RUNNING, why="a worker took it", started_at=now):
        return False
    try:
        _probe_all(check)
    except SecretUnreadable:
        again = "connect" if check.credential.is_consent else "enter it"
        sentence = f"The stored credential can no longer be opened. Please {again} again."
        return _fail(check, Cause.UNREADABLE, sentence)
    except BadCredential as error:
        what_next = "connect again" if check.credential.is_consent else "enter a new one"
        return _fail(check, Cause.CREDENTIAL, f"{error.sentence} Please {what_next}.")
    except AtsError as error:
        return _fail(check, Cause.NO_ANSWER, error.sentence)
    return transitions.won(
        check,
        CheckRun.Status.DONE,
        why="every permission was tried",
        finished_at=timezone.now(),
    )


def _probe_all(check: CheckRun) -> None:
    waiting = check.results.filter(outcome=PermissionCheck.WAITING)
    keys = list(waiting.values_list("permission", flat=True))
    provider = open_provider(check.credential, lane=Lane.PEOPLE)
    provider.try_credential()
    for probe in provider.probe_all(keys):
        _keep(check, probe)
    _keep_unused(check, provider)


def _keep_unused(check: CheckRun, provider: Provider) -> None:
    """Scopes that the credential carries and that nothing here asks for: they may be removed."""
    granted = provider.granted_scopes()
    if granted is None:
        return
    credential = check.credential
    catalogue = credential.catalogue
    used = {p.scope for p in catalogue.for_kind(credential.kind)} | catalogue.also_used
    CheckRun.objects.filter(pk=check.pk).update(unused_scopes=sorted(granted - used))


def _keep(check: CheckRun, probe: Probe) -> None:
    check.results.filter(permission=probe.permission).update(
        outcome=probe.outcome.value,
        sentence=probe.sentence[:400],
        cause=probe.cause[:40],
        evidence=msgspec.to_builtins(probe.evidence) if probe.evidence else None,
        checked_at=timezone.now(),
    )


def _fail(check: CheckRun, cause: str, sentence: str) -> bool:
    """End the check as failed. False when somebody else ended it first."""
    return transitions.won(
        check,
        CheckRun.Status.FAILED,
        why=sentence,
        cause=cause,
        failure=sentence,
        finished_at=timezone.now(),
    )


def end_open(connection: Connection, sentence: str) -> None:
    """End what is still being checked: it is no longer wanted."""
    for check in connection.checks.filter(status__in=CheckRun.OPEN):
        _fail(check, Cause.INTERRUPTED, sentence)


def lost() -> list[int]:
    """Checks that wait for a worker longer than one needs: to be asked for again."""
    waiting = CheckRun.objects.filter(
        status=CheckRun.Status.QUEUED, queued_at__lt=timezone.now() - LOST_AFTER
    )
    return list(waiting.values_list("pk", flat=True))


def sweep() -> list[CheckRun]:
    """End checks whose worker fell silent; gives back the ended ones."""
    silent = CheckRun.objects.filter(
        status__in=CheckRun.OPEN, queued_at__lt=timezone.now() - SILENT_AFTER
    )
    sentence = "The check was interrupted. Please start it again."
    return [check for check in silent if _fail(check, Cause.INTERRUPTED, sentence)]
