"""The list of pending rejections: one's own, or all on applications one may see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Exists, F, OuterRef, QuerySet
from django.utils import timezone

from portal.applications.actions.action_context import ActionContext
from portal.applications.actions.application_state import is_unchanged_since
from portal.applications.actions.available_actions import ActionOption, get_action_option
from portal.applications.actions.handlers.reject import can_email_candidate
from portal.applications.actions.job_contexts import build_job_contexts
from portal.applications.models import ActionKind, ApplicationAction
from portal.applications.page.labels import get_candidate_label
from portal.applications.pending.plans import PLAN_PARAMETER, RejectionPlan, get_plan
from portal.entitlements.rules import Rights, visible_applications
from portal.jobs.answers.labels import DueLabel, describe_due

Status = ApplicationAction.Status
NOT_SENT_STATUSES = (Status.FAILED, Status.CONFLICT, Status.REFUSED)
SHOWN_NOT_SENT = timedelta(days=30)
MAX_NOT_SENT = 50


@dataclass(frozen=True)
class PendingRow:
    action: ApplicationAction
    plan: RejectionPlan
    who: str
    is_own: bool
    may_cancel: bool
    why_not_sent: str  # as things are now; empty if it will be sent
    due: DueLabel | None  # the answer counts when it is sent

    @property
    def may_confirm(self) -> bool:
        return self.is_own and self.action.needs_confirmation

    @property
    def name(self) -> str:
        """For names of its buttons."""
        return f"pending rejection of {self.who}"


def filter_pending(rights: Rights, *, own: bool = False) -> QuerySet[ApplicationAction]:
    """On applications the member may see."""
    pending = ApplicationAction.objects.filter(
        status=Status.PENDING,
        application__in=visible_applications(rights.member, member_rights=rights),
    )
    if own:
        pending = pending.filter(membership=rights.member)
    return pending.select_related(
        "application__candidate",
        "application__job",
        "application__stage",
        "application__connection",
        "membership__user",
        "membership__organization",
        "reason",
    ).order_by(F("due_at").asc(nulls_first=True), "pk")


def filter_hidden(rights: Rights) -> QuerySet[ApplicationAction]:
    """The member's own on applications that they can't see at the moment."""
    own = ApplicationAction.objects.filter(status=Status.PENDING, membership=rights.member)
    visible = visible_applications(rights.member, member_rights=rights)
    return own.exclude(application__in=visible)


def build_pending_rows(actions: Sequence[ApplicationAction], rights: Rights) -> list[PendingRow]:
    """In a constant number of queries."""
    if not actions:
        return []
    first_job_id = actions[0].application.job_id or 0
    contexts = build_job_contexts(
        ActionContext(rights.member, first_job_id, rights),
        [action.application for action in actions],
    )
    rows = []
    for action in actions:
        plan = get_plan(action)
        if plan is not None:
            rows.append(_build_row(action, plan, rights, contexts))
    return rows


def _build_row(
    action: ApplicationAction,
    plan: RejectionPlan,
    rights: Rights,
    contexts: Mapping[int | None, ActionContext],
) -> PendingRow:
    application = action.application
    is_own = action.membership_id == rights.member.pk
    option = get_action_option(application, contexts[application.job_id], ActionKind.REJECT)
    return PendingRow(
        action=action,
        plan=plan,
        who=get_candidate_label(application, rights),
        is_own=is_own,
        may_cancel=is_own or option.allowed or option.wrong_state,
        why_not_sent=explain_not_sent(action) or (_explain_unavailable(option) if is_own else ""),
        due=describe_due(contexts[application.job_id].promise, application.decision_needed_at)
        if application.decision_needed_at
        else None,
    )


def explain_not_sent(action: ApplicationAction) -> str:
    """What is known to be in its way; it is checked again when it is due."""
    member = action.membership
    if member.ended_at is not None or not member.user.is_active:
        return f"{member.user} can no longer sign in, so it won't be sent."
    if action.outcome:
        return action.outcome
    if not is_unchanged_since(action.state_before, action.application):
        return "The application changed since this was planned, so it won't be sent."
    if not can_email_candidate(action.application):
        return "The candidate no longer accepts email, so it won't be sent."
    return ""


def _explain_unavailable(option: ActionOption) -> str:
    """Why the author couldn't reject it now, for example while Greenhouse is paused."""
    return f"{option.why_not} While that is so, it won't be sent." if option.why_not else ""


def list_not_sent(rights: Rights) -> list[ApplicationAction]:
    """The member's own that came to nothing lately, until they are dismissed or decided anew."""
    decided_anew = ApplicationAction.objects.filter(
        ApplicationAction.IS_DECISION,
        application=OuterRef("application"),
        membership=rights.member,
        pk__gt=OuterRef("pk"),
    ).exclude(status__in=ApplicationAction.INEFFECTIVE_STATUSES)
    not_sent = ApplicationAction.objects.filter(
        ~Exists(decided_anew),
        membership=rights.member,
        kind=ActionKind.REJECT,
        status__in=NOT_SENT_STATUSES,
        dismissed_at=None,
        settled_at__gt=timezone.now() - SHOWN_NOT_SENT,
        parameters__has_key=PLAN_PARAMETER,
        application__in=visible_applications(rights.member, member_rights=rights),
    )
    return list(
        not_sent.select_related("application__candidate", "application__job").order_by("-pk")[
            :MAX_NOT_SENT
        ]
    )
