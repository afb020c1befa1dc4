"""Review sessions. The order is fixed at the start, so “3 of 41” stays true while decisions take
applications out of the filter; visibility is checked again for each application.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from django.db.models import Exists, OuterRef, QuerySet
from django.urls import reverse
from django.utils import timezone

from portal.accounts.models import Membership
from portal.applications.models import ApplicationAction, ReviewPreferences, ReviewSession
from portal.core.database import read_only
from portal.sync.models import Job

MAX_APPLICATIONS = 1000


def start_review_session(
    member: Membership, job: Job, order: Iterable[int], list_query: str
) -> ReviewSession:
    """Start a new session, replacing an earlier one on the same job."""
    values = {
        "application_ids": list(order)[:MAX_APPLICATIONS],
        "position": 0,
        "filters": {"query": list_query},
        "started_at": timezone.now(),
    }
    return ReviewSession.objects.update_or_create(membership=member, job=job, defaults=values)[0]


def get_review_session(member: Membership, job: Job) -> ReviewSession | None:
    return ReviewSession.objects.filter(membership=member, job=job).first()


def get_unfinished_session(member: Membership, job: Job) -> ReviewSession | None:
    review_session = get_review_session(member, job)
    return (
        review_session
        if review_session is not None
        and review_session.position < len(review_session.application_ids)
        else None
    )


def build_return_url(review_session: ReviewSession) -> str:
    url = reverse("applications:job_detail", args=[review_session.job_id])
    query = review_session.filters.get("query", "")
    return f"{url}?{query}" if query else url


def move_to_position(review_session: ReviewSession, position: int) -> None:
    """The last position plus one is the end. Read-only mode saves nothing."""
    review_session.position = min(max(0, position), len(review_session.application_ids))
    if not read_only.is_read_only():
        ReviewSession.objects.filter(pk=review_session.pk).update(position=review_session.position)


def list_decisions(review_session: ReviewSession) -> QuerySet[ApplicationAction]:
    """The person's own actions in this session, newest first, without those that undo another."""
    return ApplicationAction.objects.filter(
        ApplicationAction.IS_DECISION,
        membership_id=review_session.membership_id,
        application_id__in=review_session.application_ids,
        queued_at__gte=review_session.started_at,
        batch=None,
        undoes=None,
    )


def list_standing_decisions(review_session: ReviewSession) -> QuerySet[ApplicationAction]:
    """Decisions that had, or may have, an effect and were not undone."""
    effective_undos = ApplicationAction.objects.filter(undoes=OuterRef("pk")).exclude(
        status__in=ApplicationAction.INEFFECTIVE_STATUSES
    )
    return (
        list_decisions(review_session)
        .exclude(status__in=ApplicationAction.INEFFECTIVE_STATUSES)
        .exclude(Exists(effective_undos))
    )


def get_review_preferences(member: Membership) -> ReviewPreferences:
    """Saved preferences, or unsaved defaults."""
    return ReviewPreferences.objects.filter(membership=member).first() or ReviewPreferences(
        membership=member
    )


def list_words(terms: str) -> list[str]:
    """Each of the comma-separated terms once, whatever its case."""
    unique_words = {word.strip().casefold(): word.strip() for word in terms.split(",")}
    return [word for word in unique_words.values() if word]


def highlight_words(text: str, terms: str) -> list[tuple[str, bool]]:
    """Split the text into pieces, each flagged if it matches a term (comma-separated)."""
    unique_words = list_words(terms)
    if not unique_words:
        return [(text, False)]
    # Longest first, since the first alternative wins: "C" is a prefix of "C++".
    pattern = "|".join(
        _build_word_pattern(word) for word in sorted(unique_words, key=len, reverse=True)
    )
    pieces = re.split(f"({pattern})", text, flags=re.IGNORECASE)
    return [(piece, index % 2 == 1) for index, piece in enumerate(pieces) if piece]


def _build_word_pattern(word: str) -> str:
    """Whole words only: “Go” does not match in “Google”."""
    before = r"(?<!\w)" if re.match(r"\w", word) else ""
    after = r"(?!\w)" if re.search(r"\w\Z", word) else ""
    return f"{before}{re.escape(word)}{after}"
