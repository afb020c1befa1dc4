"""Reject an application, with a reason and optionally an email to the candidate."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from integrations.ats.errors import (
    InvalidValues,
    MissingPermission,
    NotFound,
    NotSiteAdmin,
    UnreadableResponse,
)
from integrations.ats.types import ApplicationStatus, RejectionEmail, WriteResult
from integrations.greenhouse.provider import Provider
from portal.applications.actions.action_context import ActionContext, ActionRequest
from portal.applications.actions.application_state import are_both_set_and_differ
from portal.applications.actions.handlers.base import (
    NOTHING_CHANGED_MESSAGE,
    ActionHandler,
    Status,
    build_undo_request,
)
from portal.applications.models import ActionKind, ApplicationAction
from portal.applications.pending.plans import (
    PLAN_PARAMETER,
    get_plan,
    read_plan,
    renew_plan,
)
from portal.jobs.answers.promise import get_promise
from portal.sync.models import NO_FINGERPRINTS, Application, Candidate, EmailTemplate

EMAIL_PARAMETERS = ("template", "template_name", "mail_after", "mail_at", PLAN_PARAMETER)
NO_EMAIL_MESSAGE = "This candidate doesn't accept email, so none is sent."
EMAIL_REFUSED_MESSAGE = (
    "The candidate no longer accepts email. Nothing was sent. Reject again without an email."
)
EMAIL_UNCHECKED_MESSAGE = (
    "We couldn't check in Greenhouse whether the candidate accepts email. Nothing was sent."
)
TEMPLATE_GONE_MESSAGE = "The email no longer exists in Greenhouse."
MIN_EMAIL_DELAY = timedelta(minutes=10)


class RejectHandler(ActionHandler):
    kind = ActionKind.REJECT
    label = "Reject"
    icon = "circle-x"
    verb = "Reject"
    progressive = "Rejecting"
    past_tense = "rejected"
    noun = "Rejection"
    feature = "reject"
    has_undo_period = True

    def why_target_unavailable(
        self, parameters: Mapping[str, Any], action_context: ActionContext
    ) -> str:
        """An email that was chosen days ago may be gone."""
        if read_plan(parameters) is None:
            return ""
        rights = action_context.rights
        if reason := rights.why_unavailable("rejection_mail"):
            return reason
        templates = EmailTemplate.objects.filter(
            connection=rights.match.connection, remote_id=parameters["template"], gone_at=None
        )
        return "" if templates.exists() else TEMPLATE_GONE_MESSAGE

    def send(self, provider: Provider, action: ApplicationAction) -> WriteResult:
        is_reason_gone = action.reason is None or (
            action.reason.gone_at is not None and get_plan(action) is not None
        )
        if action.reason is None or is_reason_gone:
            raise InvalidValues(
                {"rejection_reason_id": "missing"}, "The reason no longer exists in Greenhouse."
            )
        if "template" in action.parameters:
            _check_accepts_email(provider, action)
        return provider.reject_application(
            action.application.remote_id,
            reason_id=action.reason.remote_id,
            notes=action.notes or None,
            email=_build_rejection_email(action),
            acting_user_id=action.acting_user_id,
        )

    def infer_outcome(self, action: ApplicationAction, current: Application) -> tuple[str, str]:
        if current.status == ApplicationStatus.REJECTED:
            if _has_other_reason(action, current):
                return Status.CONFLICT, "It's already rejected in Greenhouse, for another reason."
            return Status.DONE, self.describe_success(action, current)
        if current.status == ApplicationStatus.ACTIVE:
            return Status.FAILED, NOTHING_CHANGED_MESSAGE
        return Status.CONFLICT, f"It's {current.status} in Greenhouse now."

    def describe_success(self, action: ApplicationAction, current: Application) -> str:
        if "template" not in action.parameters:
            return "Rejected."
        return f"Rejected, with the email “{action.parameters['template_name']}”."

    def rebuild_parameters(
        self, action: ApplicationAction, current: Application
    ) -> Mapping[str, Any]:
        if not can_email_candidate(current):
            return remove_email(action.parameters)
        plan = get_plan(action)
        if plan is None:
            return super().rebuild_parameters(action, current)
        promise = get_promise(action.membership.organization_id)
        return {**action.parameters, **renew_plan(plan, promise).to_parameters()}

    def describe_status(self, action: ApplicationAction) -> str:
        return "Rejection pending" if action.is_pending else super().describe_status(action)

    def describe_outcome(self, action: ApplicationAction, *, mine: bool) -> str:
        plan = get_plan(action)
        if plan is None or not action.is_pending or action.outcome:
            return super().describe_outcome(action, mine=mine)
        email_name = action.parameters["template_name"]
        return f"To be rejected with the email “{email_name}” on {plan.local_text}."

    def build_inverse_request(
        self, action: ApplicationAction, current: Application, action_context: ActionContext
    ) -> ActionRequest | str:
        return build_undo_request(ActionKind.UNREJECT, action, current)


def _check_accepts_email(provider: Provider, action: ApplicationAction) -> None:
    """The candidate may have changed their mind while the rejection waited. After days, what the
    sync read is no answer.

    Raises InvalidValues, and what reading the candidate may raise.
    """
    candidate = action.application.candidate
    if candidate is None:
        return
    can_email = candidate.can_email
    try:
        can_email = provider.get_candidate(candidate.remote_id).can_email
    except NotFound:
        pass
    except (MissingPermission, NotSiteAdmin, UnreadableResponse) as error:
        if get_plan(action) is not None:
            raise InvalidValues({"candidate": "unread"}, EMAIL_UNCHECKED_MESSAGE) from error
    if can_email:
        return
    # Without fingerprints, the next sync writes what Greenhouse says then.
    Candidate.objects.filter(pk=candidate.pk).update(can_email=False, **NO_FINGERPRINTS)
    raise InvalidValues({"rejection_email": "not accepted"}, EMAIL_REFUSED_MESSAGE)


def can_email_candidate(application: Application) -> bool:
    candidate = application.candidate
    return candidate is None or candidate.can_email


def remove_email(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if name not in EMAIL_PARAMETERS}


def _has_other_reason(action: ApplicationAction, current: Application) -> bool:
    expected_reason = action.reason.remote_id if action.reason is not None else None
    return are_both_set_and_differ(expected_reason, current.rejection_reason_remote_id)


def get_email_send_time(action: ApplicationAction) -> datetime | None:
    """When the rejection's email goes out; None without one. A delay counts from the rejection,
    not the click. A fixed time is never so soon that the rejection could not be undone first. A
    pending rejection and its email are sent together.
    """
    if "template" not in action.parameters:
        return None
    rejected_at: datetime = action.sent_at or timezone.now()
    if get_plan(action) is not None:
        return rejected_at
    if "mail_at" in action.parameters:
        chosen_time = datetime.fromisoformat(action.parameters["mail_at"])
        return max(chosen_time, rejected_at + MIN_EMAIL_DELAY)
    return rejected_at + timedelta(minutes=action.parameters["mail_after"])


def _build_rejection_email(action: ApplicationAction) -> RejectionEmail | None:
    send_at = get_email_send_time(action)
    if send_at is None:
        return None
    return RejectionEmail(
        template_id=action.parameters["template"],
        send_at=None if get_plan(action) is not None else send_at,
        from_user_id=action.acting_user_remote_id,
    )
