"""Retry the unsuccessful actions of a batch with a new batch."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from integrations.ats.types import SeenStage
from portal.applications.actions.action_context import ActionContext, ActionRequest
from portal.applications.actions.handlers import ACTION_HANDLERS
from portal.applications.batches.attempts import filter_visible_actions, find_attempt
from portal.applications.batches.preview import (
    BatchPreview,
    SkippedApplications,
    preview_batch,
    preview_requests,
)
from portal.applications.batches.scheduling import (
    build_action_key,
    get_seen_stage_name,
    get_stage_names,
    schedule_batch,
)
from portal.applications.models import ApplicationAction, Batch
from portal.entitlements.rules import Rights

Status = ApplicationAction.Status


def list_unsuccessful_actions(batch: Batch, rights: Rights) -> list[ApplicationAction]:
    return list(
        filter_visible_actions(batch, rights)
        .filter(status__in=(Status.FAILED, Status.CONFLICT, Status.REFUSED))
        .select_related("application__job", "application__stage", "reason", "undoes")
    )


def get_retry_batch(batch: Batch) -> Batch | None:
    return find_attempt(batch, "retry")[1]


def preview_retry(batch: Batch, action_context: ActionContext) -> BatchPreview:
    unsuccessful = list_unsuccessful_actions(batch, action_context.rights)
    parameters = {
        action.application_id: ACTION_HANDLERS[action.kind].rebuild_parameters(
            action, action.application
        )
        for action in unsuccessful
    }
    return preview_batch(
        (action.application for action in unsuccessful), batch.kind, action_context, parameters
    )


def retry_batch(
    batch: Batch, action_context: ActionContext, seen: Mapping[int, SeenStage]
) -> tuple[Batch | None, SkippedApplications]:
    """Retry from the stage shown on the page (`seen`, by application ID), once per batch. The
    returned batch is None if nothing can be retried.
    """
    unsuccessful = [
        action
        for action in list_unsuccessful_actions(batch, action_context.rights)
        if action.application_id in seen
    ]
    if not unsuccessful:
        return None, ()
    key, existing_batch = find_attempt(batch, "retry")
    if existing_batch is not None:
        return existing_batch, ()
    names = get_stage_names(batch.job, seen.values())
    prepared = [
        (action.application, _build_retry_request(action, key, seen[action.application_id], names))
        for action in unsuccessful
    ]
    batch_preview = preview_requests(prepared, batch.kind, action_context)
    if not batch_preview.eligible:
        return None, batch_preview.skipped
    new_batch = Batch(
        key=key,
        membership=batch.membership,
        job=batch.job,
        kind=batch.kind,
        undoes=batch.undoes,
    )
    return schedule_batch(new_batch, prepared, batch_preview, action_context), batch_preview.skipped


def _build_retry_request(
    action: ApplicationAction,
    batch_key: uuid.UUID,
    seen: SeenStage,
    names: Mapping[int | None, str],
) -> ActionRequest:
    """From the action's own parameters: in an undo batch each has a different target stage."""
    application = action.application
    return ActionRequest(
        key=build_action_key(batch_key, application),
        kind=action.kind,
        seen=seen,
        seen_stage_name=get_seen_stage_name(seen, application, names),
        reason=action.reason,
        notes=action.notes,
        parameters=ACTION_HANDLERS[action.kind].rebuild_parameters(action, application),
        undoes=action.undoes,
    )
