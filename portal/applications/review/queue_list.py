"""Template context of the page that lists what can be reviewed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from portal.applications.models import ReviewSession
from portal.applications.review import sessions
from portal.applications.review.queues import (
    MAX_APPLICATIONS,
    ReviewQueue,
    explain_unavailable,
    explain_unknown,
    list_view_queues,
)
from portal.applications.review.sessions import ReviewPlace
from portal.entitlements.rules import Rights, explain_no_access

Source = ReviewSession.Source
EXPLANATIONS: dict[str, str] = {
    Source.NEW: "Active applications since you last opened their requisition, the oldest first.",
    Source.DUE: "Applications that need a decision, the one whose answer is due first at the top. "
    "Those whose due time is unknown aren't included.",
    Source.WAITING: "Active applications in the same stage for more than 7 days, the longest "
    "wait first.",
}


@dataclass(frozen=True)
class QueueRow:
    queue: ReviewQueue
    explanation: str
    why_not: str = ""
    count: int | None = None  # None: not counted
    is_in_progress: bool = False  # starting it gives up the place in the earlier review

    @property
    def exceeds_limit(self) -> bool:
        return self.count is not None and self.count > MAX_APPLICATIONS


def build_queue_list(rights: Rights) -> dict[str, Any]:
    """The lists across requisitions are counted, saved views are not: each would be a query."""
    unfinished: list[tuple[ReviewSession, ReviewPlace]] = sessions.list_unfinished(rights)
    started = {(row.source, row.view_id) for row, _ in unfinished}
    return {
        "why_nothing": "" if rights.can_view else explain_no_access(rights),
        "unfinished": unfinished,
        "queues": [
            _build_row(ReviewQueue(rights, source), is_in_progress=(source, None) in started)
            for source in EXPLANATIONS
        ],
        "views": [_build_view_row(queue, started) for queue in list_view_queues(rights)],
        "limit": MAX_APPLICATIONS,
    }


def _build_row(queue: ReviewQueue, *, is_in_progress: bool) -> QueueRow:
    why_not = explain_unavailable(queue)
    after = sessions.find_start(queue)
    count = 0 if why_not else len(queue.load_keys(after))
    if queue.source == Source.DUE and not count:
        why_not = why_not or explain_unknown(queue.rights)
    return QueueRow(queue, EXPLANATIONS[queue.source], why_not, count, is_in_progress)


def _build_view_row(queue: ReviewQueue, started: set[tuple[str, int | None]]) -> QueueRow:
    view_id = queue.view.pk if queue.view is not None else None
    is_in_progress = (queue.source, view_id) in started
    return QueueRow(queue, _explain_view(queue), is_in_progress=is_in_progress)


def _explain_view(queue: ReviewQueue) -> str:
    view = queue.view
    if view is None:
        return ""
    explanation = (
        f"Applications of {view.job.name}"
        if view.job is not None
        else "Active applications of its requisitions"
    )
    is_own = view.membership_id == queue.rights.member.pk
    return explanation if is_own else f"{explanation}, shared by {view.membership.user}"
