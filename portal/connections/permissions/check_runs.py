"""Permission checks: each permission is probed in turn, changing nothing in Greenhouse."""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.db import InterfaceError, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from integrations.ats.client_context import Lane
from integrations.ats.errors import AtsError, AtsUnavailable, BadCredential, RateLimited
from integrations.greenhouse.provider import Provider
from portal.accounts.models import User
from portal.connections import waiting
from portal.connections.client import open_provider
from portal.connections.models import CheckRun, Connection, Credential, PermissionCheck
from portal.connections.permissions import check_results
from portal.core import queue, transitions
from portal.core.database.concurrent_creation import create_or_join
from portal.core.hooks import Hook
from portal.core.secrets.secret_field import SecretUnreadable

logger = logging.getLogger(__name__)

CHECK_TASK = "portal.connections.tasks.check_permissions"
Cause = CheckRun.Cause
RUN_TIMEOUT = timedelta(minutes=5)
REQUEUE_AFTER = timedelta(minutes=1)  # without a worker taking it: the task may be lost
# Called with a check that is done or has failed, in the transaction that ends it.
check_ended: Hook[[CheckRun], None] = Hook()


class NoCredentialToCheck(Exception):
    pass


def open_run(
    connection: Connection,
    *,
    by: User | None,
    only: Collection[str] = (),
    credential: Credential | None = None,
) -> tuple[CheckRun, bool]:
    """Join the open check or create one (True). `only` limits it to these permission keys; the
    others keep their last result. Raises NoCredentialToCheck.
    """
    credential = credential or connection.credential
    if credential is None:
        raise NoCredentialToCheck

    def create() -> CheckRun:
        run = CheckRun.objects.create(connection=connection, credential=credential, requested_by=by)
        PermissionCheck.objects.bulk_create(_build_results(run, only))
        return run

    return create_or_join(create, credential.checks.filter(status__in=CheckRun.OPEN))


def _build_results(run: CheckRun, only: Collection[str]) -> list[PermissionCheck]:
    credential = run.credential
    permissions = credential.catalogue.list_permissions(credential.kind)
    boxes = {credential.get_permission_label(p) for p in permissions if p.key in only}
    last = credential.checks.filter(status=CheckRun.Status.DONE).first() if only else None
    previous_results = {result.permission: result for result in last.results.all()} if last else {}
    rows = []
    for permission in permissions:
        row = PermissionCheck(run=run, permission=permission.key)
        previous = previous_results.get(permission.key)
        if previous and credential.get_permission_label(permission) not in boxes:
            for name in ("outcome", "message", "cause", "evidence", "checked_at"):
                setattr(row, name, getattr(previous, name))
        rows.append(row)
    return rows


def execute_run(check: CheckRun) -> None:
    """Run the check, unless another worker has it, until it ends or goes on later."""
    now = timezone.now()
    if check.is_waiting or not transitions.try_move(
        check,
        CheckRun.Status.RUNNING,
        why="started",
        started_at=check.started_at or now,
    ):
        return
    waiting_count = check_results.select_waiting(check).count()
    try:
        _probe_all(check)
    except SecretUnreadable:
        retry_text = "Connect" if check.credential.is_consent else "Enter it"
        sentence = f"The stored credential can't be read. {retry_text} again."
        _fail_run(check, Cause.UNREADABLE, sentence)
    except BadCredential as error:
        next_step = "Connect again" if check.credential.is_consent else "Enter a new one"
        _fail_run(check, Cause.CREDENTIAL, f"{error.sentence} {next_step}.")
    except (AtsUnavailable, RateLimited) as error:
        has_progressed = check_results.select_waiting(check).count() < waiting_count
        if wait := waiting.plan_wait(check, error, has_progressed=has_progressed):
            _postpone_run(check, wait)
        else:
            _fail_run(check, Cause.NO_ANSWER, waiting.describe_giving_up(error))
    except AtsError as error:
        _fail_run(check, Cause.NO_ANSWER, error.sentence)
    else:
        _end_run(check, CheckRun.Status.DONE, why="all permissions checked")


@transaction.atomic
def _postpone_run(check: CheckRun, wait: dict[str, Any]) -> None:
    why = f"{wait['wait_cause'].label}: continues later"
    if transitions.try_move(check, CheckRun.Status.QUEUED, why=why, **wait):
        queue.enqueue_task(
            CHECK_TASK,
            check.pk,
            organization_id=check.connection.organization_id,
            due_at=wait["due_at"],
        )


def _probe_all(check: CheckRun) -> None:
    keys = list(check_results.select_waiting(check).values_list("permission", flat=True))
    granted = check_results.list_granted(check)
    provider = open_provider(check.credential, lane=Lane.PEOPLE)
    provider.verify_credential()
    check_results.store_results(check, provider.probe_permissions(keys, granted=granted))
    _store_unused_scopes(check, provider)


def _store_unused_scopes(check: CheckRun, provider: Provider) -> None:
    granted = provider.get_granted_scopes()
    if granted is None:
        return
    credential = check.credential
    used = credential.catalogue.list_scopes(credential.kind)
    CheckRun.objects.filter(pk=check.pk).update(unused_scopes=sorted(granted - used))


@transaction.atomic
def _end_run(check: CheckRun, status: str, *, why: str, **fields: str) -> bool:
    """End a check together with what follows from it, which a killed worker would leave undone.
    False if it has ended.
    """
    # Locked before the check, as where a connection ends.
    connections = Connection.objects.filter(pk=check.connection_id)
    connections.select_for_update(no_key=True).first()
    has_ended = _move_to_end(check, status, why=why, **fields)
    if has_ended:
        check_ended.run(check)
    return has_ended


def _move_to_end(check: CheckRun, status: str, *, why: str, **fields: str) -> bool:
    return transitions.try_move(check, status, why=why, finished_at=timezone.now(), **fields)


def _fail_run(check: CheckRun, cause: str, sentence: str) -> bool:
    return _end_run(check, CheckRun.Status.FAILED, **_describe_failure(cause, sentence))


def _describe_failure(cause: str, sentence: str) -> dict[str, str]:
    return {"why": sentence, "cause": cause, "failure": sentence}


def interrupt_open_runs(connection: Connection, sentence: str) -> None:
    """For a connection that ends or changes: its checks have no consequences."""
    for check in connection.checks.filter(status__in=CheckRun.OPEN):
        failure = _describe_failure(Cause.INTERRUPTED, sentence)
        _move_to_end(check, CheckRun.Status.FAILED, **failure)


def list_unstarted_runs() -> dict[int, int]:
    """Return IDs of checks with the ID of their organization."""
    unstarted = _select_due_before(timezone.now() - REQUEUE_AFTER).filter(
        status=CheckRun.Status.QUEUED
    )
    return dict(unstarted.values_list("pk", "connection__organization_id"))


def fail_silent_runs() -> list[CheckRun]:
    """Fail checks whose worker died, and return them."""
    cutoff = timezone.now() - RUN_TIMEOUT
    progressing = PermissionCheck.objects.filter(run=OuterRef("pk"), checked_at__gte=cutoff)
    silent = _select_due_before(cutoff).filter(~Exists(progressing), status__in=CheckRun.OPEN)
    return [check for check in silent if _interrupt_run(check)]


def _interrupt_run(check: CheckRun) -> bool:
    try:
        return _fail_run(check, Cause.INTERRUPTED, "The check was interrupted. Start it again.")
    except InterfaceError:
        raise  # the database is away
    except Exception:  # of one customer: the others' checks end all the same
        logger.exception("Check %d could not be ended", check.pk)
        return False


def _select_due_before(cutoff: datetime) -> QuerySet[CheckRun]:
    # A postponed check is not silent until after its due time.
    return CheckRun.objects.annotate(due=Coalesce("due_at", "queued_at")).filter(due__lt=cutoff)
