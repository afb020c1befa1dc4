"""Schedule one action on many applications, and cancel it before it is sent."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from integrations.ats.types import SeenStage
from portal.accounts.models import User
from portal.applications.actions import action_requests, batch_completion, outbox
from portal.applications.actions.action_context import ActionContext, ActionRequest
from portal.applications.actions.audit_log import log_planned_batch
from portal.applications.actions.handlers.reject import can_email_candidate, remove_email
from portal.applications.actions.job_contexts import build_job_contexts
from portal.applications.batches.preview import (
    BatchPreview,
    PreparedRequest,
    SkippedApplications,
    preview_requests,
)
from portal.applications.models import ApplicationAction, Batch
from portal.applications.pending.plans import read_plan
from portal.core.database.concurrent_creation import create_or_join
from portal.core.tenancy.scope import all_organizations
from portal.sync.models import Application, Job, RejectionReason, Stage


class BatchKeyTaken(Exception):
    """The idempotency key is already used, by somebody else or for another kind of action."""


@dataclass(frozen=True, kw_only=True)
class BatchRequest:
    kind: str
    reason: RejectionReason | None = None
    notes: str = ""
    build_parameters: Callable[[Application], Mapping[str, Any]]
    page_state: Mapping[str, Any] = field(default_factory=dict)


def start_batch(
    action_context: ActionContext,
    job: Job,
    batch_request: BatchRequest,
    chosen: Sequence[tuple[Application, SeenStage]],
    *,
    key: uuid.UUID,
) -> tuple[Batch, SkippedApplications]:
    """Schedule a batch and return it with the skipped applications. Idempotent by key.

    Raises BatchKeyTaken.
    """
    member = action_context.member
    existing_batch = Batch.objects.filter(
        key=key, membership=member, kind=batch_request.kind
    ).first()
    if existing_batch is not None:
        return existing_batch, ()
    names = get_stage_names(job, [seen for _, seen in chosen])
    prepared = [
        (application, _build_request(batch_request, key, application, seen, names))
        for application, seen in chosen
    ]
    batch_preview = preview_requests(prepared, batch_request.kind, action_context)
    batch = Batch(key=key, membership=member, job=job, kind=batch_request.kind)
    return schedule_batch(batch, prepared, batch_preview, action_context), batch_preview.skipped


def _build_request(
    batch_request: BatchRequest,
    key: uuid.UUID,
    application: Application,
    seen: SeenStage,
    names: Mapping[int | None, str],
) -> ActionRequest:
    parameters = batch_request.build_parameters(application)
    return ActionRequest(
        key=build_action_key(key, application),
        kind=batch_request.kind,
        seen=seen,
        seen_stage_name=get_seen_stage_name(seen, application, names),
        reason=batch_request.reason,
        notes=batch_request.notes,
        parameters=parameters if can_email_candidate(application) else remove_email(parameters),
        page_state=batch_request.page_state,
    )


def get_stage_names(job: Job, seen: Iterable[SeenStage]) -> dict[int | None, str]:
    stage_ids = {seen_stage.stage_id for seen_stage in seen if seen_stage.stage_id is not None}
    stages = Stage.objects.filter(connection=job.connection_id, remote_id__in=stage_ids)
    return dict(stages.order_by().values_list("remote_id", "name"))


def get_seen_stage_name(
    seen: SeenStage, application: Application, names: Mapping[int | None, str]
) -> str:
    is_current_stage = seen.stage_id == application.stage_remote_id
    return application.stage_name if is_current_stage else names.get(seen.stage_id, "")


def build_action_key(batch_key: uuid.UUID, application: Application) -> uuid.UUID:
    return uuid.uuid5(batch_key, str(application.pk))


def schedule_batch(
    batch: Batch,
    prepared: Sequence[PreparedRequest],
    batch_preview: BatchPreview,
    action_context: ActionContext,
) -> Batch:
    batch.skipped_count = len(batch_preview.skipped)
    batch.due_at = timezone.now() + timedelta(seconds=action_context.batch_undo_seconds)
    eligible_ids = {application.pk for application in batch_preview.eligible}
    return create_batch(
        batch,
        [
            (application, action_request)
            for application, action_request in prepared
            if application.pk in eligible_ids
        ],
        action_context,
    )


def create_batch(
    batch: Batch, prepared: Sequence[PreparedRequest], action_context: ActionContext
) -> Batch:
    """Applications that got another open action in the meantime are skipped. Raises
    BatchKeyTaken.
    """
    contexts = build_job_contexts(action_context, [application for application, _ in prepared])

    def create() -> Batch:
        actions = [
            _build_action(batch, application, action_request, contexts[application.job_id])
            for application, action_request in prepared
        ]
        batch.due_at = min((a.due_at for a in actions if a.due_at), default=batch.due_at)
        batch.save()
        ApplicationAction.objects.bulk_create(actions, ignore_conflicts=True)
        log_planned_batch(batch)
        return batch

    double_clicked = Batch.objects.filter(
        key=batch.key, membership=batch.membership, kind=batch.kind
    )
    try:
        created_batch, is_new = create_or_join(create, double_clicked)
    except IntegrityError:
        if _is_key_taken(batch.key):
            raise BatchKeyTaken from None
        raise
    if not is_new:
        return created_batch
    skipped_count = len(prepared) - batch.actions.count()
    if skipped_count:
        batch.skipped_count += skipped_count
        batch.save(update_fields=["skipped_count"])
    return batch


@all_organizations("keys are unique across organizations")
def _is_key_taken(key: uuid.UUID) -> bool:
    return Batch.objects.filter(key=key).exists()


def _build_action(
    batch: Batch,
    application: Application,
    action_request: ActionRequest,
    action_context: ActionContext,
) -> ApplicationAction:
    plan = read_plan(action_request.parameters)
    action = action_requests.build_action(
        batch.membership,
        application,
        action_request,
        action_context,
        due_at=plan.send_at if plan is not None else batch.due_at,
        batch=batch,
    )
    action.give_up_at = None  # set at its first attempt, which may be long after the click
    return action


def cancel_batch(batch: Batch, *, by: User) -> int:
    with transaction.atomic():
        canceled_count = outbox.cancel_actions(batch.actions.all(), by=by)
    batch_completion.complete_batch(batch.pk)
    return canceled_count
