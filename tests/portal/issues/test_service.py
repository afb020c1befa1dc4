"""One open issue per cause, opened and closed as the cause comes and goes."""

from typing import Any

import pytest
from django.db import IntegrityError

from portal.issues import service
from portal.issues.models import Issue
from tests.personas import Personas

Cause = Issue.Cause
ISSUE: dict[str, Any] = {
    "title": "“Reject” is not ticked",
    "description": "Tick it in Greenhouse.",
    "severity": Issue.Severity.CRITICAL,
    "fixer": Issue.Fixer.GREENHOUSE_ADMIN,
}


def test_repeated_cause_updates_one_issue(personas: Personas) -> None:
    acme = personas.ada.organization
    first, is_new = service.open_issue(
        acme, Cause.MISSING_PERMISSION, key="applications.reject", **ISSUE
    )
    second, is_new_again = service.open_issue(
        acme, Cause.MISSING_PERMISSION, key="applications.reject", **ISSUE
    )
    assert (is_new, is_new_again) == (True, False)
    assert second.pk == first.pk
    assert second.occurrences == 2
    assert second.last_seen_at > first.last_seen_at


def test_other_key_or_organization_is_another_issue(personas: Personas) -> None:
    acme, other = personas.ada.organization, personas.zoe.organization
    service.open_issue(acme, Cause.MISSING_PERMISSION, key="applications.reject", **ISSUE)
    service.open_issue(acme, Cause.MISSING_PERMISSION, key="applications.move", **ISSUE)
    service.open_issue(other, Cause.MISSING_PERMISSION, key="applications.reject", **ISSUE)
    assert Issue.objects.count() == 3


def test_solved_cause_closes_and_can_reopen(personas: Personas) -> None:
    acme = personas.ada.organization
    first, _ = service.open_issue(
        acme, Cause.MISSING_PERMISSION, key="applications.reject", **ISSUE
    )
    assert service.resolve_issues(acme, Cause.MISSING_PERMISSION, why="it was ticked") == 1
    first.refresh_from_db()
    assert not first.is_open
    assert first.resolution == "it was ticked"
    second, is_new = service.open_issue(
        acme, Cause.MISSING_PERMISSION, key="applications.reject", **ISSUE
    )
    assert is_new
    assert second.pk != first.pk


def test_remaining_cause_stays_open(personas: Personas) -> None:
    acme = personas.ada.organization
    for key in ("applications.reject", "applications.move"):
        service.open_issue(acme, Cause.MISSING_PERMISSION, key=key, **ISSUE)
    closed = service.resolve_issues(
        acme, Cause.MISSING_PERMISSION, why="ticked", excluded_keys=["applications.move"]
    )
    assert closed == 1
    assert Issue.objects.get(closed_at=None).key == "applications.move"


def test_other_integrity_error_is_not_hidden(personas: Personas) -> None:
    issue: dict[str, Any] = ISSUE | {"severity": None}
    with pytest.raises(IntegrityError):
        service.open_issue(personas.ada.organization, Cause.MISSING_PERMISSION, **issue)
