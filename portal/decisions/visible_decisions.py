"""Which decisions a member may read: of a requisition they see, those on applications they see, or
saw before the person was erased. Nothing tells how many others there are.
"""

from __future__ import annotations

from django.db.models import OuterRef, QuerySet, Subquery

from portal.applications.models import ApplicationAction
from portal.decisions.models import Decision
from portal.entitlements.rules import Rights, recorded_applications
from portal.sync.models import Job


def visible_decisions(job: Job, rights: Rights) -> QuerySet[Decision]:
    """`job` must come from `visible_jobs` for the same rights. With who undid each, and when."""
    applications = recorded_applications(rights.member, member_rights=rights)
    decisions = Decision.objects.filter(
        organization=rights.member.organization_id,
        job_remote_id=job.remote_id,
        application_remote_id__in=applications.order_by().values("remote_id"),
    )
    return annotate_undoing(decisions)


def annotate_undoing(decisions: QuerySet[Decision]) -> QuerySet[Decision]:
    """Who undid each, and when."""
    undoing = Decision.objects.filter(
        organization=OuterRef("organization"),
        undoes_action_id=OuterRef("action_id"),
        result=Decision.Result.DONE,
    ).order_by("number")
    return decisions.annotate(
        undone_at=Subquery(undoing.values("settled_at")[:1]),
        undone_by=Subquery(undoing.values("membership")[:1]),
    )


def visible_open_actions(job: Job, rights: Rights) -> QuerySet[ApplicationAction]:
    """Decisions that are not final yet, so that they are not in the record."""
    applications = recorded_applications(rights.member, member_rights=rights)
    return (
        ApplicationAction.objects.filter(
            ApplicationAction.IS_DECISION,
            status__in=ApplicationAction.OPEN_STATUSES,
            application__in=applications.filter(job=job).order_by().values("pk"),
        )
        .select_related("reason", "undoes", "application", "membership__organization")
        .order_by("pk")
    )
