"""Refreshing the mirror: one run, step by step, page by page.

A step that Greenhouse does not permit is `refused` and the rest goes on; a run that lost contact,
or was refused something essential, is `failed` and leaves what it had read. Records are marked
gone only by a step that read its list to the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from integrations.ats.errors import AtsError, MissingPermission, NotSiteAdmin
from integrations.ats.port import AccountSample, Provider
from integrations.ats.types import Page
from integrations.ats.wiring import Lane
from portal.accounts.models import User
from portal.connections import drift, standing
from portal.connections.models import Connection
from portal.connections.open import open_provider
from portal.core import transitions
from portal.core.secrets import SecretUnreadable
from portal.mirror import write
from portal.mirror.models import (
    Application,
    AtsRole,
    AtsUser,
    Candidate,
    CloseReason,
    Department,
    EmailTemplate,
    Job,
    JobGrant,
    JobPost,
    Mirrored,
    Office,
    RejectionReason,
    Source,
    Stage,
    SyncRun,
    SyncStep,
)

SILENT_AFTER = timedelta(minutes=10)
Read = Callable[[Provider, Connection], Iterator[Page[Any]]]


class Ended(Exception):
    """Somebody ended the run while a worker was reading: nothing of it is written any more."""


@dataclass(frozen=True)
class Step:
    """One kind of record: how it is read, how it is written, which model may lose rows."""

    kind: str
    label: str
    read: Read
    write: Callable[[Connection, Sequence[Any]], int]
    model: type[Mirrored] | None = None
    essential: bool = False  # without it the mirror shows nothing to anybody
    optional: bool = False  # set-up does not ask for it, so its refusal is no news

    def count(self, connection: Connection) -> int:
        """How many of them the mirror holds now."""
        if self.model is None:
            return 0
        return self.model._default_manager.filter(connection=connection, gone_at=None).count()


def _job_admins(connection: Connection) -> list[int]:
    """Whose grants are read. Site Admins have none, deactivated people see nothing."""
    users = AtsUser.objects.filter(
        connection=connection, gone_at=None, site_admin=False, deactivated=False
    )
    return list(users.order_by("remote_id").values_list("remote_id", flat=True))


STEPS: tuple[Step, ...] = (
    Step("roles", "Roles", lambda p, c: p.list_user_roles(), write.roles, AtsRole),
    Step("users", "People", lambda p, c: p.list_users(), write.users, AtsUser, essential=True),
    Step("emails", "Addresses", lambda p, c: p.list_user_emails(), write.user_emails),
    Step(
        "departments",
        "Departments",
        lambda p, c: p.list_departments(),
        write.departments,
        Department,
    ),
    Step("offices", "Offices", lambda p, c: p.list_offices(), write.offices, Office),
    Step(
        "close_reasons",
        "Close reasons",
        lambda p, c: p.list_close_reasons(),
        write.close_reasons,
        CloseReason,
    ),
    Step("jobs", "Requisitions", lambda p, c: p.list_jobs(), write.jobs, Job, essential=True),
    Step("team", "Hiring teams", lambda p, c: p.list_hiring_team(), write.team),
    Step(
        "grants",
        "Access to jobs",
        lambda p, c: p.job_permissions(user_ids=_job_admins(c)),
        write.grants,
        JobGrant,
    ),
    Step("stages", "Stages", lambda p, c: p.list_stages(), write.stages, Stage),
    Step("openings", "Openings", lambda p, c: p.list_openings(), write.openings),
    Step("posts", "Job posts", lambda p, c: p.list_job_posts(), write.posts, JobPost),
    Step(
        "rejection_reasons",
        "Rejection reasons",
        lambda p, c: p.list_rejection_reasons(),
        write.rejection_reasons,
        RejectionReason,
    ),
    Step("sources", "Sources", lambda p, c: p.list_sources(), write.sources, Source, optional=True),
    Step(
        "email_templates",
        "E-mail templates",
        lambda p, c: p.list_email_templates(),
        write.email_templates,
        EmailTemplate,
    ),
    Step(
        "candidates",
        "Candidates",
        lambda p, c: p.list_candidates(),
        write.candidates,
        Candidate,
    ),
    Step(
        "applications",
        "Applications",
        lambda p, c: p.list_applications(),
        write.applications,
        Application,
    ),
)
PEOPLE = ("users", "emails", "grants")
LABELS = {step.kind: step.label for step in STEPS}
ESSENTIAL = [step.kind for step in STEPS if step.essential]
OPTIONAL = [step.kind for step in STEPS if step.optional]


def open_run(connection: Connection, *, by: User | None) -> tuple[SyncRun, bool]:
    """The sync to watch, and whether it is new: one that is already open is joined."""
    try:
        with transaction.atomic():
            run = SyncRun.objects.create(connection=connection, requested_by=by)
            expected = _seen_last_time(connection)
            SyncStep.objects.bulk_create(
                SyncStep(run=run, kind=step.kind, expected=expected.get(step.kind))
                for step in STEPS
            )
    except IntegrityError:
        return connection.syncs.get(status__in=SyncRun.OPEN), False
    return run, True


def _seen_last_time(connection: Connection) -> dict[str, int]:
    last = last_good(connection)
    steps = last.steps.filter(status=SyncStep.Status.DONE) if last else SyncStep.objects.none()
    return dict(steps.values_list("kind", "seen"))


def last_good(connection: Connection) -> SyncRun | None:
    """The newest run that reached its end, None before the first."""
    ended = (SyncRun.Status.DONE, SyncRun.Status.PARTIAL)
    return connection.syncs.filter(status__in=ended).first()


def run(sync: SyncRun) -> bool:
    """Do the sync, to its end or to a failure. False when another worker has it already."""
    now = timezone.now()
    if not transitions.won(
        sync,
        SyncRun.Status.RUNNING,
        why="a worker took it",
        started_at=now,
        heard_at=now,
    ):
        return False
    connection = sync.connection
    try:
        _read_everything(sync)
    except Ended:
        return True
    except SecretUnreadable:
        _fail(
            sync,
            "The stored credential can no longer be opened. Please enter it again.",
        )
    except AtsError as error:
        _fail(sync, error.sentence)
    else:
        _finish(sync)
    standing.settle(connection, synced=last_good(connection) is not None)
    return True


def _read_everything(sync: SyncRun) -> None:
    credential = sync.connection.credential
    if credential is None:
        raise SecretUnreadable
    with closing(open_provider(credential, lane=Lane.SYNC)) as provider:
        for definition, step in zip(STEPS, sync.steps.order_by("id"), strict=True):
            _take_step(sync, definition, step, provider)


def _take_step(sync: SyncRun, definition: Step, step: SyncStep, provider: Provider) -> None:
    _mark(step, SyncStep.Status.RUNNING, started_at=timezone.now())
    seen: set[int | None] = set()
    try:
        for page in definition.read(provider, sync.connection):
            _take_page(sync, definition, step, page)
            seen.update(getattr(record, "id", None) for record in page.records)
            seen.update(aside.remote_id for aside in page.set_aside)
    except (MissingPermission, NotSiteAdmin) as error:
        _mark(
            step,
            SyncStep.Status.REFUSED,
            failure=error.sentence,
            finished_at=timezone.now(),
        )
        drift.permission_refused(sync.connection, getattr(error, "permission", ""))
        return
    except AtsError as error:
        _mark(
            step,
            SyncStep.Status.FAILED,
            failure=error.sentence,
            finished_at=timezone.now(),
        )
        raise
    # A record that could not even be named may be any of ours: then nothing is called gone.
    model = definition.model if None not in seen else None
    lost = write.gone(sync.connection, model, seen) if model else 0
    _mark(step, SyncStep.Status.DONE, gone=lost, finished_at=timezone.now())


@transaction.atomic
def _take_page(sync: SyncRun, definition: Step, step: SyncStep, page: Page[Any]) -> None:
    alive = SyncRun.objects.filter(pk=sync.pk, status=SyncRun.Status.RUNNING)
    if not alive.update(heard_at=timezone.now()):
        raise Ended
    created = definition.write(sync.connection, page.records)
    SyncStep.objects.filter(pk=step.pk).update(
        pages=F("pages") + 1,
        seen=F("seen") + len(page.records),
        created=F("created") + created,
        set_aside=F("set_aside") + len(page.set_aside),
    )


def _mark(step: SyncStep, status: str, **fields: Any) -> None:
    SyncStep.objects.filter(pk=step.pk).update(status=status, **fields)


def _fail(sync: SyncRun, sentence: str) -> bool:
    return transitions.won(
        sync,
        SyncRun.Status.FAILED,
        why=sentence,
        failure=sentence,
        finished_at=timezone.now(),
    )


def _finish(sync: SyncRun) -> None:
    refused = list(sync.steps.filter(status=SyncStep.Status.REFUSED).exclude(kind__in=OPTIONAL))
    for step in refused:
        if step.kind in ESSENTIAL:
            _fail(sync, step.failure)
            return
    transitions.won(
        sync,
        SyncRun.Status.PARTIAL if refused else SyncRun.Status.DONE,
        why="not everything may be read" if refused else "every list was read to its end",
        finished_at=timezone.now(),
    )


def sweep() -> None:
    """End runs whose worker fell silent, so that the next one can begin."""
    quiet = timezone.now() - SILENT_AFTER
    silent = SyncRun.objects.filter(status=SyncRun.Status.RUNNING, heard_at__lt=quiet)
    lost = SyncRun.objects.filter(status=SyncRun.Status.QUEUED, queued_at__lt=quiet)
    for sync in (*silent, *lost):
        _fail(sync, "The sync was interrupted. It starts again by itself.")


def same_account(connection: Connection, sample: AccountSample) -> bool:
    """Whether a sample comes from the account that is mirrored here. True when nothing tells."""
    pairs = (
        (AtsUser, sample.user_ids),
        (Job, sample.job_ids),
    )
    told = []
    for model, ids in pairs:
        here = model._default_manager.filter(connection=connection)
        if ids and here.exists():
            told.append(here.filter(remote_id__in=ids).exists())
    return any(told) or not told


def read_people(connection: Connection, *, provider: Provider | None = None) -> None:
    """Read users, their addresses and their grants to the end, without a run. Raises AtsError."""
    if provider is None:
        credential = connection.credential
        if credential is None:
            raise SecretUnreadable
        with closing(open_provider(credential, lane=Lane.SYNC)) as opened:
            read_people(connection, provider=opened)
        return
    for step in STEPS:
        if step.kind not in PEOPLE:
            continue
        seen: set[int | None] = set()
        try:
            for page in step.read(provider, connection):
                step.write(connection, page.records)
                seen.update(getattr(record, "id", None) for record in page.records)
                seen.update(aside.remote_id for aside in page.set_aside)
        except (MissingPermission, NotSiteAdmin):
            continue
        if step.model is not None and None not in seen:
            write.gone(connection, step.model, seen)
