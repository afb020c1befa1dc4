"""Remembers what Greenhouse refused to a role, to warn others with that role. Refusals expire,
since Greenhouse does not notify us when permissions change.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.utils import timezone

from integrations.ats.errors import ActingUserRefused, AtsError, Evidence
from portal.applications.error_sentences import explain_error
from portal.applications.models import ApplicationAction, LearnedRefusal
from portal.connections.models import Connection
from portal.entitlements.rules import Rights
from portal.issues import service
from portal.issues.models import Issue
from portal.sync.models import JobGrant, RefreshRequest
from portal.sync.records.refresh_requests import request_refresh

CAUSE = Issue.Cause.ACTING_USER_REFUSED
DEGRADED_AFTER_REFUSALS = 3  # refusals per person and kind before the issue becomes a warning
OTHER_REFUSAL_TEXTS = ("not found", "deactivated")
CLOSE_ISSUE_AFTER = timedelta(days=7)


def get_role_id(job_id: int, rights: Rights) -> int | None:
    """Greenhouse's ID of the person's role on a job; None if unknown, or for a Site Admin."""
    user = rights.match.user
    if user is None or user.site_admin:
        return None
    grants = JobGrant.objects.filter(job_id=job_id, user=user, job_admin=True, gone_at=None)
    role_id: int | None = grants.values_list("role_remote_id", flat=True).first()
    return role_id


def get_role_ids(job_ids: Collection[int], rights: Rights) -> dict[int, int | None]:
    """As `get_role_id`, by job; jobs without a known role are left out."""
    user = rights.match.user
    if user is None or user.site_admin:
        return {}
    grants = JobGrant.objects.filter(job__in=job_ids, user=user, job_admin=True, gone_at=None)
    return dict(grants.values_list("job_id", "role_remote_id"))


def get_learned_refusals_by_role(
    connection: Connection | None, roles: Collection[int]
) -> dict[int | None, dict[str, LearnedRefusal]]:
    if connection is None or not roles:
        return {}
    refusals = LearnedRefusal.objects.filter(
        connection=connection, role_remote_id__in=roles, refused_at__gt=_get_refusal_cutoff()
    )
    by_role: dict[int | None, dict[str, LearnedRefusal]] = defaultdict(dict)
    for refusal in refusals:
        by_role[refusal.role_remote_id][refusal.kind] = refusal
    return by_role


def get_learned_refusals(
    connection: Connection | None, role: int | None
) -> dict[str, LearnedRefusal]:
    if role is None or connection is None:
        return {}
    refusals = LearnedRefusal.objects.filter(
        connection=connection, role_remote_id=role, refused_at__gt=_get_refusal_cutoff()
    )
    return {refusal.kind: refusal for refusal in refusals}


def record_refusal(action: ApplicationAction, error: AtsError) -> None:
    """Learn a refusal of the right for the role. Any other refusal is about this person or this
    application, so the person's access is read again.
    """
    if not isinstance(error, ActingUserRefused):
        return
    evidence = error.evidence
    if evidence is None or not _is_about_right(evidence):
        _refresh_access(action)
        return
    _open_refusal_issue(action, evidence.message)
    if action.role_remote_id is None or action.as_service_account:
        return
    LearnedRefusal.objects.update_or_create(
        connection_id=action.application.connection_id,
        role_remote_id=action.role_remote_id,
        kind=action.kind,
        defaults={"message": error.sentence[:400], "refused_at": timezone.now()},
    )


def _is_about_right(evidence: Evidence) -> bool:
    """Whether a right is refused, not the person or the application. [Texts inferred: Greenhouse
    does not document the body of a 403.]
    """
    message = evidence.message.lower()
    return evidence.status == 403 and not any(text in message for text in OTHER_REFUSAL_TEXTS)


def _refresh_access(action: ApplicationAction) -> None:
    if action.acting_user_remote_id is not None and not action.as_service_account:
        request_refresh(
            action.application.connection,
            RefreshRequest.Kind.PERSON,
            action.acting_user_remote_id,
        )


def describe_refusal(action: ApplicationAction, error: AtsError) -> str:
    if not action.as_service_account or not isinstance(error, ActingUserRefused):
        return explain_error(error, action.membership)
    return (
        "The service account doesn't have permission to do this in Greenhouse. Authorize the "
        "portal under Greenhouse access to act under your own name."
    )


def clear_refusal(action: ApplicationAction) -> None:
    """Forget earlier refusals of this person and role, since Greenhouse allowed the action."""
    why = "Greenhouse allowed it since"
    service.resolve_issues(
        action.membership.organization, CAUSE, why=why, key=_build_issue_key(action)
    )
    if action.role_remote_id is not None and not action.as_service_account:
        LearnedRefusal.objects.filter(
            connection_id=action.application.connection_id,
            role_remote_id=action.role_remote_id,
            kind=action.kind,
        ).delete()


def _open_refusal_issue(action: ApplicationAction, reason: str) -> None:
    """The service account counts as one person."""
    organization, label = action.membership.organization, action.get_kind_display()
    key, party = _build_issue_key(action), _describe_refused_party(action)
    frequent_issues = Issue.objects.filter(
        organization=organization,
        cause=CAUSE,
        key=key,
        closed_at=None,
        occurrences__gte=DEGRADED_AFTER_REFUSALS - 1,
    )
    service.open_issue(
        organization,
        CAUSE,
        key=key,
        title=f"Greenhouse denies {party.name} “{label}”",
        description=(f"Greenhouse denied “{label}” {party.description}: “{reason}” {party.advice}"),
        severity=Issue.Severity.WARNING if frequent_issues.exists() else Issue.Severity.INFO,
        fixer=Issue.Fixer.GREENHOUSE_ADMIN,
        still_works="Everyone else can act as before. The denied action changed nothing.",
    )


class _RefusedParty(NamedTuple):
    name: str
    description: str
    advice: str


def _describe_refused_party(action: ApplicationAction) -> _RefusedParty:
    person = action.membership.user
    if action.as_service_account:
        return _RefusedParty(
            "the service account",
            f"to the service account, for {person.email}",
            "It has the permissions of the user who connected Greenhouse. Grant that user the "
            "permission there, or have people authorize the portal to act under their own name.",
        )
    return _RefusedParty(
        str(person),
        f"to {person.email}",
        "Their job permissions in Greenhouse decide this. If they should be able to do it, grant "
        "them the permission there. Otherwise, you don't need to do anything.",
    )


def _build_issue_key(action: ApplicationAction) -> str:
    refused_party = "service account" if action.as_service_account else action.membership_id
    return f"{refused_party}:{action.kind}"


def close_stale_refusal_issues() -> None:
    stale_issues = Issue.objects.filter(
        cause=CAUSE, closed_at=None, last_seen_at__lt=timezone.now() - CLOSE_ISSUE_AFTER
    )
    for issue in stale_issues.select_related("organization"):
        service.resolve_issues(
            issue.organization, CAUSE, why="not denied for a week", key=issue.key
        )


def delete_expired_refusals() -> None:
    LearnedRefusal.objects.filter(refused_at__lte=_get_refusal_cutoff()).delete()


def _get_refusal_cutoff() -> datetime:
    return timezone.now() - timedelta(days=settings.LEARNED_REFUSAL_DAYS)
