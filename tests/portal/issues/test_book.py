"""One open issue per cause, opened and closed by what is seen."""

from typing import Any

from portal.issues import book
from portal.issues.models import Issue
from tests.cast import Cast

Cause = Issue.Cause
TOLD: dict[str, Any] = {
    "title": "“Reject” is not ticked",
    "words": "Tick it in Greenhouse.",
    "severity": Issue.Severity.MUST_ACT,
    "fixer": Issue.Fixer.GREENHOUSE_ADMIN,
}


def test_the_same_cause_seen_twice_is_one_issue(cast: Cast) -> None:
    acme = cast.ada.organization
    first, new = book.seen(acme, Cause.MISSING_PERMISSION, key="applications.reject", **TOLD)
    again, known = book.seen(acme, Cause.MISSING_PERMISSION, key="applications.reject", **TOLD)
    assert (new, known) == (True, False)
    assert again.pk == first.pk
    assert again.times == 2
    assert again.last_seen_at > first.last_seen_at


def test_another_key_or_another_organization_is_another_issue(cast: Cast) -> None:
    acme, other = cast.ada.organization, cast.zoe.organization
    book.seen(acme, Cause.MISSING_PERMISSION, key="applications.reject", **TOLD)
    book.seen(acme, Cause.MISSING_PERMISSION, key="applications.move", **TOLD)
    book.seen(other, Cause.MISSING_PERMISSION, key="applications.reject", **TOLD)
    assert Issue.objects.count() == 3


def test_a_solved_cause_closes_its_issue_and_opens_a_new_one_when_it_returns(cast: Cast) -> None:
    acme = cast.ada.organization
    first, _ = book.seen(acme, Cause.MISSING_PERMISSION, key="applications.reject", **TOLD)
    assert book.solved(acme, Cause.MISSING_PERMISSION, why="it was ticked") == 1
    first.refresh_from_db()
    assert not first.is_open
    assert first.closed_why == "it was ticked"
    second, new = book.seen(acme, Cause.MISSING_PERMISSION, key="applications.reject", **TOLD)
    assert new
    assert second.pk != first.pk


def test_what_is_still_seen_stays_open(cast: Cast) -> None:
    acme = cast.ada.organization
    for key in ("applications.reject", "applications.move"):
        book.seen(acme, Cause.MISSING_PERMISSION, key=key, **TOLD)
    closed = book.solved(acme, Cause.MISSING_PERMISSION, why="ticked", but=["applications.move"])
    assert closed == 1
    assert Issue.objects.get(closed_at=None).key == "applications.move"
