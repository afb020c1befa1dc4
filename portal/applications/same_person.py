"""Applications that share an email address, phone number or LinkedIn page with another one.

Only applications that the reader may see are found, so that neither their number nor anything else
tells of others. Sharing an address is a fact, not a proof that it is the same person.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import connection as database
from django.db.models import Q, QuerySet

from portal.entitlements.candidate_labels import may_show_names
from portal.entitlements.rules import Rights, visible_applications
from portal.sync.models import Application, Candidate
from portal.sync.records.contact_digests import EMAIL, LINKEDIN, PHONE, get_digest_kind

MAX_RELATED = 50
MAX_CANDIDATES = 200  # that share an address; more have an agency's or a made-up one
SAME_CANDIDATE = "Same candidate in Greenhouse"
_KIND_LABELS = {EMAIL: "email", PHONE: "phone", LINKEDIN: "LinkedIn"}


@dataclass(frozen=True)
class RelatedApplication:
    application: Application
    shared: str  # the facts, for example "Same email and phone"

    @property
    def is_same_candidate(self) -> bool:
        return self.shared == SAME_CANDIDATE


@dataclass(frozen=True)
class RelatedApplications:
    """Those of an application; without it."""

    application: Application
    others: list[RelatedApplication]

    @property
    def summary(self) -> str:
        """For example "Applied to 3 requisitions you can see."; empty if it is only one."""
        job_ids = {self.application.job_id, *(other.application.job_id for other in self.others)}
        if len(job_ids) < 2:
            return ""
        more = " or more" if len(self.others) >= MAX_RELATED else ""
        return f"Applied to {len(job_ids)}{more} requisitions you can see."

    @property
    def has_shared_contacts(self) -> bool:
        """Whether some are of another candidate in Greenhouse."""
        return not all(other.is_same_candidate for other in self.others)


def find_related_applications(application: Application, rights: Rights) -> RelatedApplications:
    """On open requisitions, the latest first."""
    candidate = application.candidate
    if candidate is None:
        return RelatedApplications(application, [])
    rows = list_related_rows(application, rights).exclude(pk=application.pk)
    related = rows.select_related("job", "stage", "candidate").order_by("-pk")[:MAX_RELATED]
    return RelatedApplications(
        application,
        [RelatedApplication(row, _describe_shared(candidate, row)) for row in related],
    )


def list_related_rows(application: Application, rights: Rights) -> QuerySet[Application]:
    """The application and those related to it."""
    visible = visible_applications(rights.member, member_rights=rights)
    candidate = application.candidate
    if candidate is None:
        return visible.filter(pk=application.pk)
    candidate_ids = {candidate.pk, *_find_sharing_candidates(candidate, rights)}
    return visible.filter(candidate__in=candidate_ids, connection=application.connection_id)


def _find_sharing_candidates(candidate: Candidate, rights: Rights) -> Iterable[int]:
    digests = candidate.contact_digests
    if not digests or not may_show_names(rights):
        return ()
    others = Candidate.objects.filter(
        _match_any(digests),
        connection=candidate.connection_id,
        private=False,
        gone_at=None,
        erased_at=None,
    )
    return others.order_by("-pk").values_list("pk", flat=True)[:MAX_CANDIDATES]


def _match_any(digests: Iterable[str]) -> Q:
    if database.vendor == "postgresql":
        return Q(contact_digests__has_any_keys=list(digests))
    conditions = (Q(contact_digests__icontains=digest) for digest in digests)
    return Q(*conditions, _connector=Q.OR)


def _describe_shared(candidate: Candidate, row: Application) -> str:
    other = row.candidate
    if other is None or other.pk == candidate.pk:
        return SAME_CANDIDATE
    shared = set(candidate.contact_digests) & set(other.contact_digests)
    kinds = {get_digest_kind(digest) for digest in shared}
    *others, last = (label for kind, label in _KIND_LABELS.items() if kind in kinds)
    return f"Same {', '.join(others)} and {last}" if others else f"Same {last}"
