"""Turns an action whose outcome is certain into a sealed decision."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from portal.applications.actions.handlers import ACTION_HANDLERS
from portal.applications.actions.handlers.reject import get_email_send_time
from portal.applications.actions.handlers.update import UNREADABLE_OUTCOME_MESSAGE
from portal.applications.models import ActionKind, ApplicationAction, ResumeView
from portal.core.database.compiled_queries import compile_once
from portal.decisions.chain import append_decisions
from portal.decisions.filter_labels import FilterNames, describe_filters, load_filter_names
from portal.decisions.models import Decision

Status = ApplicationAction.Status
Result = Decision.Result
_BATCH_PAGE = "batch"
_KINDS_WITH_TARGET = (ActionKind.ADVANCE, ActionKind.MOVE, ActionKind.UNREJECT)


_READ_FIELDS = (
    *(field.name for field in ApplicationAction._meta.concrete_fields),
    *("reason__name", "undoes__kind", "undoes__state_before", "application__remote_id"),
    *("membership__ended_at", "membership__organization__name"),
)


@dataclass(frozen=True)
class Surroundings:
    """What the actions' own rows don't say, loaded for all of them at once."""

    names: FilterNames
    resumes_seen_at: Mapping[tuple[int, int], datetime]  # by membership and application


def record_decisions(actions: Sequence[ApplicationAction]) -> None:
    """Record those that are decisions, in a constant number of statements.

    Reads the actions again: what was written about an erased candidate is gone by now, or goes
    once this transaction ends, since both change the action's row.
    """
    keys = [action.pk for action in actions if action.kind != ActionKind.NOTE]
    # Most often one: more would be a statement for each number of them.
    find = _find_saved_actions if len(keys) == 1 else _query_saved_actions
    if saved := list(find(tuple(keys))):
        surroundings = load_surroundings(saved)
        append_decisions([build_decision(action, surroundings) for action in saved])


def _query_saved_actions(keys: tuple[int, ...]) -> QuerySet[ApplicationAction]:
    rows = ApplicationAction.objects.filter(pk__in=keys).select_related(
        "reason", "undoes", "application", "membership__organization"
    )
    return rows.only(*_READ_FIELDS).order_by("pk")


_find_saved_actions = compile_once(_query_saved_actions)


def load_surroundings(actions: Iterable[ApplicationAction]) -> Surroundings:
    """With a constant number of queries."""
    rows = list(actions)
    members = {action.membership_id for action in rows}
    applications = {action.application_id for action in rows}
    find = _find_resume_views if len(rows) == 1 else _query_resume_views
    views = find(tuple(members), tuple(applications))
    return Surroundings(
        load_filter_names(action.page_state.get("query", "") for action in rows),
        {(member, application): first_at for member, application, first_at in views},
    )


def _query_resume_views(
    members: tuple[int, ...], applications: tuple[int, ...]
) -> QuerySet[ResumeView, tuple[int, int, datetime]]:
    views = ResumeView.objects.filter(membership__in=members, application__in=applications)
    return views.values_list("membership", "application", "first_at")


_find_resume_views = compile_once(_query_resume_views)


def build_decision(action: ApplicationAction, surroundings: Surroundings) -> Decision:
    """Not saved, and not sealed yet."""
    state, undone = action.page_state, action.undoes
    filters, answers = describe_filters(state, surroundings.names)
    handler = ACTION_HANDLERS[action.kind]
    is_done = action.status == Status.DONE
    # Undoing a transfer belongs to the requisition that the transfer was decided on.
    decided_state = (undone or action).state_before or {}
    leaves_job = action.kind == ActionKind.TRANSFER
    free_text = {
        "note": action.notes,
        "words": state.get("words", []),
        "answers": answers,
        "view": state.get("view", ""),
    }
    return Decision(
        organization=action.membership.organization,
        membership=action.membership,
        action_id=action.pk,
        undoes_action_id=action.undoes_id,
        undoes_kind=undone.kind if undone is not None else "",
        # Only prospects have no job, and nobody can act on them.
        job_remote_id=decided_state.get("job") or 0,
        application_remote_id=action.application.remote_id,
        to_job_remote_id=action.parameters.get("to_job") if leaves_job else None,
        kind=action.kind,
        result=get_result(action),
        decided_at=action.queued_at,
        settled_at=action.settled_at or action.queued_at,
        as_service_account=action.as_service_account,
        is_in_batch=action.batch_id is not None,
        # The stage of a requisition that not every reader of this one may see.
        from_stage="" if leaves_job and undone is not None else action.seen_stage_name,
        to_stage=_get_target_stage(action),
        reason=action.reason.name[:200] if action.reason is not None else "",
        changed_fields=[change.label for change in handler.list_changes(action)],
        email_template=str(action.parameters.get("template_name", ""))[:200],
        email_send_at=get_email_send_time(action) if is_done else None,
        page=state.get("page", _BATCH_PAGE if action.batch_id else "")[:20],
        filters=filters,
        was_searched=bool(state.get("searched")),
        resume_opened=_was_resume_opened(action, surroundings),
        free_text={name: value for name, value in free_text.items() if value},
    )


def get_result(action: ApplicationAction) -> str:
    if action.status == Status.UNKNOWN:
        return Result.UNCONFIRMED
    if action.status == Status.FAILED and action.outcome == UNREADABLE_OUTCOME_MESSAGE:
        return Result.UNCONFIRMED
    return Result.OPEN if action.is_open else Result(action.status)


def _get_target_stage(action: ApplicationAction) -> str:
    if action.kind not in _KINDS_WITH_TARGET:
        return ""
    chosen: str = action.parameters.get("to_stage_name", "")
    if action.status != Status.DONE:
        return chosen[:200]
    reached: str = (action.state_after or {}).get("stage_name", "")
    return reached[:200] or chosen[:200]


def _was_resume_opened(action: ApplicationAction, surroundings: Surroundings) -> bool | None:
    if action.membership.ended_at is not None:  # with it went what they had opened
        return None
    seen_at = surroundings.resumes_seen_at.get((action.membership_id, action.application_id))
    return seen_at is not None and seen_at <= action.queued_at
