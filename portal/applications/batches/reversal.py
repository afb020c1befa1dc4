"""Undo a batch with a batch of the opposite actions."""

from __future__ import annotations

from dataclasses import replace

from django.utils import timezone

from portal.applications.actions import undo
from portal.applications.actions.action_context import ActionContext, ActionRequest
from portal.applications.actions.available_actions import AvailableActions
from portal.applications.actions.job_contexts import build_job_contexts
from portal.applications.actions.latest_actions import get_latest_effective_action_ids
from portal.applications.batches.attempts import (
    EFFECTIVE_STATUSES,
    filter_visible_actions,
    find_attempt,
)
from portal.applications.batches.preview import PreparedRequest
from portal.applications.batches.scheduling import build_action_key, create_batch
from portal.applications.models import ApplicationAction, Batch

Status = ApplicationAction.Status


def list_undo_requests(batch: Batch, action_context: ActionContext) -> list[PreparedRequest]:
    done_actions = list(
        filter_visible_actions(batch, action_context.rights)
        .filter(status=Status.DONE)
        .select_related(
            "application__job", "application__stage", "application__candidate", "reason"
        )
    )
    latest_ids = get_latest_effective_action_ids([action.application_id for action in done_actions])
    contexts = build_job_contexts(action_context, [action.application for action in done_actions])
    undo_requests = (
        (
            action.application,
            undo.get_undo_request(
                action, AvailableActions(action.application, contexts[action.application.job_id])
            ),
        )
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


def undo_batch(batch: Batch, action_context: ActionContext) -> Batch | None:
    """Start a batch that undoes this one, sent without delay; None if nothing can be undone."""
    if (reversal := get_undo_batch(batch)) is not None:
        return reversal
    prepared = list_undo_requests(batch, action_context)
    if not prepared:
        return None
    key, _ = find_attempt(batch, "undo")
    rekeyed = [
        (application, replace(action_request, key=build_action_key(key, application)))
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
    return create_batch(reversal, rekeyed, action_context)
