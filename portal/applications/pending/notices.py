"""Tells the author of a pending rejection that it was not sent, and keeps it in the activity log.

Texts name applications by Greenhouse's ID: an email may be read by somebody who lost access.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.urls import reverse

from portal.accounts.models import Membership, User
from portal.applications.models import ApplicationAction
from portal.applications.pending.plans import RejectionPlan, get_plan
from portal.audit.entries import record_entry
from portal.notifications.notify import list_admins, notify_users


def log_pending(
    action: ApplicationAction,
    verb: str,
    description: str,
    *,
    by: User | None,
    before: Mapping[str, Any] | None = None,
) -> None:
    """Call last in a transaction. `description` is followed by the application's ID."""
    plan = get_plan(action)
    record_entry(
        f"application.{verb}",
        f"{description} application {action.application.remote_id}",
        organization=action.membership.organization,
        by=by,
        subject=action.application,
        before=before,
        after=describe_plan(plan) if plan is not None else None,
    )


def log_confirmed(
    previous_plans: Mapping[ApplicationAction, RejectionPlan], author: Membership
) -> None:
    """Call last in a transaction. One entry, however many were confirmed at once."""
    if len(previous_plans) == 1:
        [(action, plan)] = previous_plans.items()
        log_pending(
            action,
            "rejection_confirmed",
            "confirmed the pending rejection of",
            by=author.user,
            before=describe_plan(plan),
        )
        return
    record_entry(
        "application.rejections_confirmed",
        f"confirmed {len(previous_plans)} pending rejections",
        organization=author.organization,
        by=author.user,
        after={"applications": sorted(a.application.remote_id for a in previous_plans)},
    )


def describe_plan(plan: RejectionPlan) -> dict[str, Any]:
    """For the activity log, which is sealed: without the candidate's time zone."""
    return {"at": plan.at, "working_days": plan.days}


def report_not_sent(action: ApplicationAction, why: str) -> None:
    """Call last in the transaction that settles the action. One email tells of those of a batch
    that were due on the same day.
    """
    log_pending(action, "rejection_not_sent", "did not send the pending rejection of", by=None)
    plan = get_plan(action)
    due = f" It was due on {plan.local_text}." if plan is not None else ""
    if action.batch_id is None:
        key = str(action.pk)
        subject = f"A pending rejection was not sent (application {action.application.remote_id})"
        text = f"{why}{due} The candidate got no email from here."
    else:
        key = f"batch-{action.batch_id}:{plan.at[:10] if plan is not None else ''}"
        subject = "Pending rejections of a batch were not sent"
        text = f"The first of them: {why}{due} It got no email from here."
    notify_users(
        list_recipients(action.membership),
        action.membership.organization,
        key=f"rejection-not-sent:{key}",
        subject=subject,
        body=f"{text} Decide again under Pending rejections. It was planned by "
        f"{action.membership.user}.",
        path=reverse("applications:pending_rejections"),
    )


def ask_to_confirm(membership: Membership, why: str, key: str) -> None:
    """Once per `key`, for several rejections of one author."""
    notify_users(
        list_recipients(membership),
        membership.organization,
        key=f"confirm-rejections:{membership.pk}:{key}",
        subject="Pending rejections to confirm",
        body=f"{why} Nothing is sent until {membership.user} has confirmed it under Pending "
        "rejections.",
        path=reverse("applications:pending_rejections"),
    )


def report_canceled(membership: Membership, count: int, why: str, key: str) -> None:
    plural = "" if count == 1 else "s"
    notify_users(
        list_recipients(membership),
        membership.organization,
        key=f"canceled-rejections:{membership.pk}:{key}",
        subject=f"{count:,} pending rejection{plural} canceled",
        body=f"{why} Nothing was sent to these candidates.",
        path=reverse("applications:pending_rejections"),
    )


def list_recipients(membership: Membership) -> list[User]:
    """The author, or the admins if the author has left."""
    if membership.ended_at is None and membership.user.is_active:
        return [membership.user]
    return list_admins(membership.organization)
