"""The new applicants that a digest lists: those its reader may see at this moment."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from django.db.models import Q, QuerySet
from django.http import QueryDict

from integrations.ats.types import ApplicationStatus
from portal.entitlements.rules import Rights, visible_applications
from portal.jobs.job_list.filters import filter_jobs, parse_filters
from portal.jobs.models import ApplicantDigest, DigestPart, SavedView
from portal.sync.models import Application, Job

# Who applied earlier is not new: the application was synced late, or synced again.
NEW_FOR = timedelta(days=14)
MAX_LISTED = 20  # of a requisition


@dataclass
class JobApplicants:
    job: Job
    count: int = 0
    listed: list[Application] = field(default_factory=list)

    @property
    def unlisted_count(self) -> int:
        return self.count - len(self.listed)

    def add(self, application: Application) -> None:
        self.count += 1
        if len(self.listed) < MAX_LISTED:
            self.listed.append(application)


def find_new_applicants(digest: ApplicantDigest, rights: Rights) -> list[JobApplicants]:
    """By requisition, each applicant once, however many subscriptions they match."""
    parts = digest.parts.select_related("subscription__view").order_by("pk")
    applications = {
        application.pk: application
        for part in parts
        for application in _list_arrivals(part, rights)
    }
    return _group_by_job(applications.values())


def _group_by_job(applications: Iterable[Application]) -> list[JobApplicants]:
    groups: dict[int, JobApplicants] = {}
    for application in sorted(applications, key=lambda row: row.pk):
        if application.job is not None:
            groups.setdefault(application.job.pk, JobApplicants(application.job)).add(application)
    return sorted(groups.values(), key=lambda group: (group.job.name, group.job.pk))


def _list_arrivals(part: DigestPart, rights: Rights) -> QuerySet[Application]:
    subscription = part.subscription
    arrivals = visible_applications(rights.member, member_rights=rights).filter(
        Q(applied_at=None) | Q(applied_at__gt=part.ends_at - NEW_FOR),
        status=ApplicationStatus.ACTIVE,
        first_seen_at__gt=part.begins_at,
        first_seen_at__lte=part.ends_at,
    )
    if subscription.view is not None:
        arrivals = arrivals.filter(job__in=_list_view_jobs(subscription.view, rights))
    else:
        arrivals = arrivals.filter(job=subscription.job_id)
    return arrivals.select_related("candidate", "job")


def _list_view_jobs(view: SavedView, rights: Rights) -> QuerySet[Job]:
    return filter_jobs(parse_filters(QueryDict(view.query)), rights).order_by()
