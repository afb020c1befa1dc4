"""One action on many applications of a job: preview, schedule, send, undo and retry. A worker sends
for a short time and then requeues, so single actions are not blocked.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from integrations.ats.client_context import Lane
from integrations.ats.provider import Provider
from integrations.ats.types import SeenStage
from portal.accounts.models import Membership, User
from portal.applications.actions import action_requests, batch_completion, outbox, perform, undo
from portal.applications.actions.available_actions import build_action_context, get_action_option
from portal.applications.actions.handlers import ACTION_HANDLERS, ActionContext, ActionRequest
from portal.applications.models import ActionKind, ApplicationAction, Batch
from portal.connections.client import attribute_writes_to, open_provider
from portal.core import queue, read_only
from portal.core.secrets import SecretUnreadable
from portal.entitlements.rules import Rights, visible_applications
from portal.sync.models import Application, Job, RejectionReason, Stage

Status = ApplicationAction.Status

SEND_BATCH_TASK = "portal.applications.tasks.send_batch"
BATCH_KINDS = (ActionKind.ADVANCE, ActionKind.REJECT, ActionKind.MOVE, ActionKind.UNREJECT)
# Batch kinds by the status filter of the job page.
KINDS_BY_STATUS = {
    "active": (ActionKind.ADVANCE, ActionKind.MOVE, ActionKind.REJECT),
    "rejected": (ActionKind.UNREJECT,),
}
MAX_BATCH_SIZE = 500
SEND_SECONDS_PER_TURN = 2.0
EFFECTIVE_STATUSES = (*ApplicationAction.OPEN_STATUSES, Status.DONE)
ANSWERED_STATUSES = (Status.DONE, Status.CONFLICT, Status.REFUSED)
LEASE = timedelta(minutes=1)  # after which a silent worker loses its turn
ACTION_IN_PROGRESS_MESSAGE = "Its last action has not been settled yet."
SAME_STAGE_MESSAGE = "It is in this stage already."
SkippedApplications = Sequence[tuple[Application, str]]
PreparedRequest = tuple[Application, ActionRequest]


@dataclass(frozen=True)
class BatchPreview:
    eligible: Sequence[Application]
    skipped: SkippedApplications


def preview_batch(
    applications: Iterable[Application],
    kind: str,
    action_context: ActionContext,
    parameters: Mapping[int, Mapping[str, Any]] | None = None,
) -> BatchPreview:
    """Check the selected applications of one job; `parameters` are per application, once known."""
    selected = list(applications)
    busy_ids = set(
        ApplicationAction.objects.filter(
            application__in=selected, status__in=ApplicationAction.OPEN_STATUSES
        ).values_list("application_id", flat=True)
    )
    eligible, skipped = [], []
    for application in selected:
        why_not = (
            ACTION_IN_PROGRESS_MESSAGE
            if application.pk in busy_ids
            else get_action_option(application, action_context, kind).why_not
        )
        why_not = why_not or _why_already_in_stage(
            application, (parameters or {}).get(application.pk, {})
        )
        if why_not:
            skipped.append((application, why_not))
        else:
            eligible.append(application)
    return BatchPreview(eligible, skipped)


def _why_already_in_stage(application: Application, parameters: Mapping[str, Any]) -> str:
    """Moving to the same stage would restart Greenhouse's days-in-stage count."""
    target_stage_id = parameters.get("to_stage")
    return (
        SAME_STAGE_MESSAGE
        if target_stage_id is not None and target_stage_id == application.stage_remote_id
        else ""
    )


@dataclass(frozen=True, kw_only=True)
class BatchRequest:
    kind: str
    reason: RejectionReason | None = None
    notes: str = ""
    parameters: Mapping[str, Any]


def start_batch(
    member: Membership,
    job: Job,
    rights: Rights,
    batch_request: BatchRequest,
    chosen: Sequence[tuple[Application, SeenStage]],
    *,
    key: uuid.UUID,
) -> tuple[Batch, SkippedApplications]:
    """Schedule a batch and return it with the skipped applications. Idempotent by key."""
    existing_batch = Batch.objects.filter(key=key, membership=member).first()
    if existing_batch is not None:
        return existing_batch, ()
    names = _get_stage_names(job, [seen for _, seen in chosen])
    prepared = [
        (application, _build_request(batch_request, key, application, seen, names))
        for application, seen in chosen
    ]
    action_context = build_action_context(member, job.pk, rights)
    batch_preview = _preview_requests(prepared, batch_request.kind, action_context)
    batch = Batch(key=key, membership=member, job=job, kind=batch_request.kind)
    return _schedule_batch(batch, prepared, batch_preview, action_context), batch_preview.skipped


def _build_request(
    batch_request: BatchRequest,
    key: uuid.UUID,
    application: Application,
    seen: SeenStage,
    names: Mapping[int | None, str],
) -> ActionRequest:
    return ActionRequest(
        key=_build_key(key, application),
        kind=batch_request.kind,
        seen=seen,
        seen_stage_name=_get_seen_stage_name(seen, application, names),
        reason=batch_request.reason,
        notes=batch_request.notes,
        parameters=batch_request.parameters,
    )


def _get_stage_names(job: Job, seen: Iterable[SeenStage]) -> dict[int | None, str]:
    stage_ids = {seen_stage.stage_id for seen_stage in seen if seen_stage.stage_id is not None}
    stages = Stage.objects.filter(job=job, remote_id__in=stage_ids)
    return dict(stages.order_by().values_list("remote_id", "name"))


def _get_seen_stage_name(
    seen: SeenStage, application: Application, names: Mapping[int | None, str]
) -> str:
    is_current_stage = seen.stage_id == application.stage_remote_id
    return application.stage_name if is_current_stage else names.get(seen.stage_id, "")


def _build_key(batch_key: uuid.UUID, application: Application) -> uuid.UUID:
    return uuid.uuid5(batch_key, str(application.pk))


def _preview_requests(
    prepared: Sequence[PreparedRequest], kind: str, action_context: ActionContext
) -> BatchPreview:
    parameters = {
        application.pk: action_request.parameters for application, action_request in prepared
    }
    return preview_batch(
        (application for application, _ in prepared), kind, action_context, parameters
    )


def _schedule_batch(
    batch: Batch,
    prepared: Sequence[PreparedRequest],
    batch_preview: BatchPreview,
    action_context: ActionContext,
) -> Batch:
    batch.skipped_count = len(batch_preview.skipped)
    batch.due_at = timezone.now() + timedelta(seconds=settings.BULK_HOLD_SECONDS)
    eligible_ids = {application.pk for application in batch_preview.eligible}
    return _create_batch(
        batch,
        [
            (application, action_request)
            for application, action_request in prepared
            if application.pk in eligible_ids
        ],
        action_context,
    )


def _create_batch(
    batch: Batch, prepared: Sequence[PreparedRequest], action_context: ActionContext
) -> Batch:
    """Applications that got another open action in the meantime are skipped."""
    try:
        with transaction.atomic():
            batch.save()
            ApplicationAction.objects.bulk_create(
                (
                    _build_action(batch, application, action_request, action_context)
                    for application, action_request in prepared
                ),
                ignore_conflicts=True,
            )
    except IntegrityError:  # a concurrent double click
        return Batch.objects.get(key=batch.key, membership=batch.membership)
    skipped_count = len(prepared) - batch.actions.count()
    if skipped_count:
        batch.skipped_count += skipped_count
        batch.save(update_fields=["skipped_count"])
    return batch


def _build_action(
    batch: Batch,
    application: Application,
    action_request: ActionRequest,
    action_context: ActionContext,
) -> ApplicationAction:
    due_at = batch.due_at
    action = action_requests.build_action(
        batch.membership, application, action_request, action_context, due_at=due_at, batch=batch
    )
    action.give_up_at = None  # set at its first attempt, which may be long after the click
    return action


def release_due_batches() -> None:
    """Called every second by several workers, and by batch pages."""
    if read_only.is_read_only():
        return
    now = timezone.now()
    for pk, due in Batch.objects.filter(due_at__lte=now).values_list("pk", "due_at")[:20]:
        if Batch.objects.filter(pk=pk, due_at=due).update(due_at=now + LEASE):
            queue.enqueue_task(SEND_BATCH_TASK, pk)


def send_batch_turn(batch: Batch) -> None:
    if _is_other_batch_sending(batch):
        _set_due_at(batch, timezone.now() + timedelta(seconds=1))
        return
    credential = batch.job.connection.credential
    try:
        if credential is None:
            raise SecretUnreadable
        patience = settings.PATIENCE_PEOPLE
        provider = open_provider(credential, lane=Lane.SYNC, deadline_seconds=patience)
        with attribute_writes_to(credential):
            _send_until_turn_ends(batch, provider)
    except SecretUnreadable:
        for action in _query_actions(batch).filter(status=Status.SCHEDULED):
            perform.send_action(action)  # records why it fails
    _schedule_next_turn(batch)


def _send_until_turn_ends(batch: Batch, provider: Provider) -> None:
    deadline = time.monotonic() + SEND_SECONDS_PER_TURN
    while (action := _get_next_due_action(batch)) is not None:
        waited = _start_give_up_timer(action)
        perform.send_action_with(provider, action)
        if action.status == Status.SCHEDULED:  # Greenhouse does not respond
            _postpone_remaining(batch, action)
        elif waited and action.status in ANSWERED_STATUSES:
            _clear_give_up_timers(batch)
        if time.monotonic() > deadline:
            break


def _query_actions(batch: Batch) -> Any:
    return batch.actions.select_related(
        "application__connection", "membership__user", "membership__organization", "reason"
    )


def _get_next_due_action(batch: Batch) -> ApplicationAction | None:
    due_actions = _query_actions(batch).filter(status=Status.SCHEDULED, due_at__lte=timezone.now())
    action: ApplicationAction | None = due_actions.order_by("id").first()
    return action


def _is_other_batch_sending(batch: Batch) -> bool:
    """One batch at a time per connection, so that a worker stays free for single actions."""
    earlier_batches = Batch.objects.filter(
        job__connection_id=batch.job.connection_id, pk__lt=batch.pk, due_at__isnull=False
    )
    return earlier_batches.filter(actions__status=Status.SENDING).exists()


def _start_give_up_timer(action: ApplicationAction) -> bool:
    if action.give_up_at is not None:
        return True
    patience = timedelta(minutes=settings.OUTBOX_PATIENCE_MINUTES)
    action.give_up_at = timezone.now() + patience
    action.save(update_fields=["give_up_at"])
    return False


def _postpone_remaining(batch: Batch, action: ApplicationAction) -> None:
    """Delay all remaining actions with this one, so an outage is waited out only once."""
    remaining = batch.actions.filter(status=Status.SCHEDULED)
    remaining.update(due_at=action.due_at, outcome=action.outcome)
    remaining.filter(give_up_at=None).update(give_up_at=action.give_up_at)


def _clear_give_up_timers(batch: Batch) -> None:
    """Greenhouse responds again: actions that only waited get their full time."""
    batch.actions.filter(status=Status.SCHEDULED, attempts=0).update(give_up_at=None)


def _schedule_next_turn(batch: Batch) -> None:
    scheduled = batch.actions.filter(status=Status.SCHEDULED).order_by("due_at")
    next_due_at = scheduled.values_list("due_at", flat=True).first()
    if next_due_at is None:
        _set_due_at(batch, timezone.now() + LEASE)
        batch_completion.complete_batch(batch.pk)
    elif next_due_at <= timezone.now():
        _set_due_at(batch, timezone.now() + LEASE)
        queue.enqueue_task(SEND_BATCH_TASK, batch.pk)
    else:
        _set_due_at(batch, next_due_at)


def _set_due_at(batch: Batch, due_at: datetime) -> None:
    """Does nothing if the batch was completed concurrently."""
    Batch.objects.filter(pk=batch.pk, due_at__isnull=False).update(due_at=due_at)


def cancel_batch(batch: Batch, *, by: User) -> int:
    cancelable = batch.actions.filter(status__in=ApplicationAction.CANCELABLE_STATUSES)
    with transaction.atomic():
        canceled_count = sum(outbox.cancel_action(action, by=by) for action in cancelable)
    batch_completion.complete_batch(batch.pk)
    return canceled_count


def list_undo_requests(batch: Batch, rights: Rights) -> list[PreparedRequest]:
    done_actions = list(
        _filter_visible_actions(batch, rights)
        .filter(status=Status.DONE)
        .select_related(
            "application__job", "application__stage", "application__candidate", "reason"
        )
    )
    latest_ids = undo.get_latest_effective_actions(
        [action.application_id for action in done_actions]
    )
    action_context = build_action_context(batch.membership, batch.job_id, rights)
    undo_requests = (
        (action.application, undo.get_undo_request(action, action.application, action_context))
        for action in done_actions
        if latest_ids.get(action.application_id) == action.pk
    )
    return [
        (application, action_request)
        for application, action_request in undo_requests
        if isinstance(action_request, ActionRequest)
    ]


def get_undo_batch(batch: Batch) -> Batch | None:
    """The batch that undoes this one, ignoring attempts that had no effect."""
    reversal: Batch | None = (
        batch.undone_by.filter(actions__status__in=EFFECTIVE_STATUSES).order_by("id").first()
    )
    return reversal


def undo_batch(batch: Batch, rights: Rights) -> Batch | None:
    """Start a batch that undoes this one, sent without delay; None if nothing can be undone."""
    if (reversal := get_undo_batch(batch)) is not None:
        return reversal
    prepared = list_undo_requests(batch, rights)
    if not prepared:
        return None
    key, _ = _find_attempt(batch, "undo")
    rekeyed = [
        (application, replace(action_request, key=_build_key(key, application)))
        for application, action_request in prepared
    ]
    reversal = Batch(
        key=key,
        membership=batch.membership,
        job=batch.job,
        kind=prepared[0][1].kind,
        undoes=batch,
        due_at=timezone.now(),
    )
    return _create_batch(
        reversal, rekeyed, build_action_context(batch.membership, batch.job_id, rights)
    )


def _find_attempt(batch: Batch, purpose: str) -> tuple[uuid.UUID, Batch | None]:
    """A double click gets the same key; attempts that had no effect are skipped."""
    key = uuid.uuid5(batch.key, purpose)
    existing_batch = Batch.objects.filter(key=key).first()
    while (
        existing_batch is not None
        and not existing_batch.actions.filter(status__in=EFFECTIVE_STATUSES).exists()
    ):
        key = uuid.uuid5(key, purpose)
        existing_batch = Batch.objects.filter(key=key).first()
    return key, existing_batch


def _filter_visible_actions(batch: Batch, rights: Rights) -> QuerySet[ApplicationAction]:
    """Includes applications of closed jobs."""
    visible = visible_applications(batch.membership, member_rights=rights, closed=True)
    return batch.actions.filter(application__in=visible)


def list_unsuccessful_actions(batch: Batch, rights: Rights) -> list[ApplicationAction]:
    return list(
        _filter_visible_actions(batch, rights)
        .filter(status__in=(Status.FAILED, Status.CONFLICT, Status.REFUSED))
        .select_related("application__job", "application__stage", "reason", "undoes")
    )


def get_retry_batch(batch: Batch) -> Batch | None:
    return _find_attempt(batch, "retry")[1]


def preview_retry(batch: Batch, rights: Rights) -> BatchPreview:
    unsuccessful = list_unsuccessful_actions(batch, rights)
    parameters = {
        action.application_id: ACTION_HANDLERS[action.kind].rebuild_parameters(
            action, action.application
        )
        for action in unsuccessful
    }
    action_context = build_action_context(batch.membership, batch.job_id, rights)
    return preview_batch(
        (action.application for action in unsuccessful), batch.kind, action_context, parameters
    )


def retry_batch(
    batch: Batch, rights: Rights, seen: Mapping[int, SeenStage]
) -> tuple[Batch | None, SkippedApplications]:
    """Retry from the stage shown on the page (`seen`, by application ID), once per batch. The
    returned batch is None if nothing can be retried.
    """
    unsuccessful = [
        action
        for action in list_unsuccessful_actions(batch, rights)
        if action.application_id in seen
    ]
    if not unsuccessful:
        return None, ()
    key, existing_batch = _find_attempt(batch, "retry")
    if existing_batch is not None:
        return existing_batch, ()
    names = _get_stage_names(batch.job, seen.values())
    prepared = [
        (action.application, _build_retry_request(action, key, seen[action.application_id], names))
        for action in unsuccessful
    ]
    action_context = build_action_context(batch.membership, batch.job_id, rights)
    batch_preview = _preview_requests(prepared, batch.kind, action_context)
    if not batch_preview.eligible:
        return None, batch_preview.skipped
    new_batch = Batch(
        key=key,
        membership=batch.membership,
        job=batch.job,
        kind=batch.kind,
        undoes=batch.undoes,
    )
    return _schedule_batch(
        new_batch, prepared, batch_preview, action_context
    ), batch_preview.skipped


def _build_retry_request(
    action: ApplicationAction,
    batch_key: uuid.UUID,
    seen: SeenStage,
    names: Mapping[int | None, str],
) -> ActionRequest:
    """From the action's own parameters: in an undo batch each has a different target stage."""
    application = action.application
    return ActionRequest(
        key=_build_key(batch_key, application),
        kind=action.kind,
        seen=seen,
        seen_stage_name=_get_seen_stage_name(seen, application, names),
        reason=action.reason,
        notes=action.notes,
        parameters=ACTION_HANDLERS[action.kind].rebuild_parameters(action, application),
        undoes=action.undoes,
    )


@dataclass(frozen=True)
class BatchProgress:
    counts: Mapping[str, int]

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def total_text(self) -> str:
        return f"{self.total:,}"

    @property
    def done(self) -> int:
        return self.counts.get(Status.DONE, 0)

    @property
    def canceled(self) -> int:
        return self.counts.get(Status.CANCELED, 0)

    @property
    def failed(self) -> int:
        return sum(self.counts.get(s, 0) for s in (Status.FAILED, Status.CONFLICT, Status.REFUSED))

    @property
    def open(self) -> int:
        return sum(self.counts.get(status, 0) for status in ApplicationAction.OPEN_STATUSES)

    @property
    def waiting(self) -> int:
        return sum(self.counts.get(status, 0) for status in ApplicationAction.CANCELABLE_STATUSES)

    @property
    def settled(self) -> int:
        return self.total - self.open


def get_kind_label(kind: str) -> str:
    return ACTION_HANDLERS[kind].verb
