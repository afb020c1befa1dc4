"""Which of the selected applications a batch can act on, and why it skips the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from portal.applications.actions.action_context import ActionContext, ActionRequest
from portal.applications.actions.available_actions import get_action_option
from portal.applications.actions.job_contexts import build_job_contexts
from portal.applications.models import ActionKind, ApplicationAction
from portal.sync.models import Application

BATCH_KINDS = tuple(kind for kind in ActionKind if kind != ActionKind.NOTE)
# Batch kinds by the status filter of the job page.
_KINDS_FOR_ACTIVE = (
    ActionKind.ADVANCE,
    ActionKind.MOVE,
    ActionKind.REJECT,
    ActionKind.TRANSFER,
    ActionKind.UPDATE,
)
KINDS_BY_STATUS = {
    "active": _KINDS_FOR_ACTIVE,
    "needs_decision": _KINDS_FOR_ACTIVE,
    "rejected": (ActionKind.UNREJECT, ActionKind.UPDATE),
}
MAX_BATCH_SIZE = 500
ACTION_IN_PROGRESS_MESSAGE = "Its last action is still in progress."
REJECTION_PENDING_MESSAGE = "A rejection is already pending."
NO_CHANGE_MESSAGE = "Already has these values."
SAME_STAGE_MESSAGE = "Already in this stage."
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
    """Check the selected applications; `parameters` are per application, once known. If they are
    on several jobs, `action_context` is that of one of them.
    """
    selected = list(applications)
    contexts = build_job_contexts(action_context, selected)
    busy_ids = set(
        ApplicationAction.objects.filter(
            ApplicationAction.IS_DECISION,
            application__in=selected,
            status__in=ApplicationAction.OPEN_STATUSES,
        ).values_list("application_id", flat=True)
    )
    pending_ids = list_pending_ids(selected) if kind == ActionKind.REJECT else set()
    eligible, skipped = [], []
    for application in selected:
        why_not = (
            ACTION_IN_PROGRESS_MESSAGE
            if application.pk in busy_ids
            else get_action_option(application, contexts[application.job_id], kind).why_not
        )
        if not why_not and application.pk in pending_ids:
            why_not = REJECTION_PENDING_MESSAGE
        if not why_not and parameters is not None:
            why_not = _why_nothing_to_do(application, kind, parameters.get(application.pk, {}))
        if why_not:
            skipped.append((application, why_not))
        else:
            eligible.append(application)
    return BatchPreview(eligible, skipped)


def list_pending_ids(applications: Sequence[Application]) -> set[int]:
    """Those whose rejection waits for its day."""
    pending = ApplicationAction.objects.filter(
        application__in=applications, status=ApplicationAction.Status.PENDING
    )
    return set(pending.values_list("application_id", flat=True))


def _why_nothing_to_do(application: Application, kind: str, parameters: Mapping[str, Any]) -> str:
    """Moving to the same stage would restart Greenhouse's days-in-stage count."""
    if kind == ActionKind.UPDATE and not parameters:
        return NO_CHANGE_MESSAGE
    target_stage_id = parameters.get("to_stage")
    return (
        SAME_STAGE_MESSAGE
        if target_stage_id is not None and target_stage_id == application.stage_remote_id
        else ""
    )


def preview_requests(
    prepared: Sequence[PreparedRequest], kind: str, action_context: ActionContext
) -> BatchPreview:
    parameters = {
        application.pk: action_request.parameters for application, action_request in prepared
    }
    return preview_batch(
        (application for application, _ in prepared), kind, action_context, parameters
    )
