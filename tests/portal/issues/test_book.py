"""One open issue per cause, opened and closed as the cause comes and goes."""

from typing import Any

from portal.issues import book
from portal.issues.models import Issue
from tests.cast import Cast

Cause = Issue.Cause
ISSUE: dict[str, Any] = {
    "title": "“Reject” is not ticked",
    "words": "Tick it in Greenhouse.",
    "severity": Issue.Severity.MUST_ACT,
    "fixer": Issue.Fixer.GREENHOUSE_ADMIN,
}


def test_repeated_cause_updates_one_issue(cast: Cast) -> None:
    acme = cast.ada.organization
    first, is_new = book.seen(acme, Cause.MISSING_PERMISSION, key="applications.reject", **ISSUE)
    second, is_new_again = book.seen(
        acme, Cause.MISSING_PERMISSION, key="applications.reject", **ISSUE
    )
    assert (is_new, is_new_again) == (True, False)
    assert second.pk == first.pk
    assert second.times == 2
    assert second.last_seen_at > first.last_seen_at


def test_other_key_or_organization_is_another_issue(cast: Cast) -> None:
    acme, other = cast.ada.organization, cast.zoe.organization
    book.seen(acme, Cause.MISSING_PERMISSION, key="applications.reject", **ISSUE)
    book.seen(acme, Cause.MISSING_PERMISSION, key="applications.move", **ISSUE)
    book.seen(other, Cause.MISSING_PERMISSION, key="applications.reject", **ISSUE)
    assert Issue.objects.count() == 3


def test_solved_cause_closes_and_can_reopen(cast: Cast) -> None:
    acme = cast.ada.organization
    first, _ = book.seen(acme, Cause.MISSING_PERMISSION, key="applications.reject", **ISSUE)
    assert book.solved(acme, Cause.MISSING_PERMISSION, why="it was ticked") == 1
    first.refresh_from_db()
    assert not first.is_open
    assert first.closed_why == "it was ticked"
    second, is_new = book.seen(acme, Cause.MISSING_PERMISSION, key="applications.reject", **ISSUE)
    assert is_new
    assert second.pk != first.pk


def test_remaining_cause_stays_open(cast: Cast) -> None:
    acme = cast.ada.organization
    for key in ("applications.reject", "applications.move"):
        book.seen(acme, Cause.MISSING_PERMISSION, key=key, **ISSUE)
    closed = book.solved(acme, Cause.MISSING_PERMISSION, why="ticked", but=["applications.move"])
    assert closed == 1
    assert Issue.objects.get(closed_at=None).key == "applications.move"
