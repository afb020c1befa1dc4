"""The applications that "All … that match" stood for when the page was shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.core import signing
from django.db.models import QuerySet

from portal.applications.batches.preview import MAX_BATCH_SIZE, SkippedApplications
from portal.applications.page.application_list import ApplicationList, with_row_details
from portal.sync.models import Application, Job

MAX_LISTED = 20
NO_LONGER_MATCHES_MESSAGE = "No longer matches your selection."
_SALT = "announced-matches"


@dataclass(frozen=True)
class AnnouncedMatches:
    count: int
    token: str

    @property
    def is_truncated(self) -> bool:
        return self.count > MAX_BATCH_SIZE


@dataclass(frozen=True)
class AllMatching:
    chosen: list[Application]
    is_truncated: bool
    left: SkippedApplications = ()  # matched when the page was shown
    hidden_count: int = 0  # matched then, and are no longer visible
    new_count: int = 0  # match now, and are not included
    new_applications: Sequence[Application] = ()

    @property
    def announced_count(self) -> int:
        return len(self.chosen) + len(self.left) + self.hidden_count


def announce_matches(
    application_list: ApplicationList, count: int | None = None
) -> AnnouncedMatches:
    """`count`: of all that match, if it is known."""
    ids = application_list.load_first_ids(MAX_BATCH_SIZE)
    if count is None:
        count = application_list.matching.order_by().count()
    job = application_list.job
    token = signing.dumps([job.pk, count > MAX_BATCH_SIZE, *ids], salt=_SALT, compress=True)
    return AnnouncedMatches(count, token)


def select_all_matching(token: str, application_list: ApplicationList) -> AllMatching:
    """Without a readable token, what matches now is announced by the preview."""
    visible, matching = application_list.visible, application_list.matching
    announced = _read_token(token, application_list.job)
    if announced is None:
        chosen = list(matching[: MAX_BATCH_SIZE + 1])
        return AllMatching(chosen[:MAX_BATCH_SIZE], is_truncated=len(chosen) > MAX_BATCH_SIZE)
    was_truncated, ids = announced
    chosen = list(matching.filter(pk__in=ids))
    left = _list_left(visible, ids, chosen)
    # Of a longer list only the start was announced, so the rest isn't new.
    new = matching.exclude(pk__in=ids) if not was_truncated else matching.none()
    new_count = new.order_by().count()
    return AllMatching(
        chosen,
        was_truncated,
        left=[(application, NO_LONGER_MATCHES_MESSAGE) for application in left],
        hidden_count=len(ids) - len(chosen) - len(left),
        new_count=new_count,
        new_applications=list(new[:MAX_LISTED]) if new_count else (),
    )


def _read_token(token: str, job: Job) -> tuple[bool, list[int]] | None:
    try:
        job_pk, is_truncated, *ids = signing.loads(token, salt=_SALT)
    except (signing.BadSignature, ValueError):
        return None
    return (is_truncated, ids) if job_pk == job.pk else None


def _list_left(
    visible: QuerySet[Application], ids: Sequence[int], chosen: Iterable[Application]
) -> list[Application]:
    left_ids = set(ids) - {application.pk for application in chosen}
    return list(with_row_details(visible.filter(pk__in=left_ids))) if left_ids else []
