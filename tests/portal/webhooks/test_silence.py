"""Detection of webhooks that stopped delivering."""

from __future__ import annotations

import pytest
from django.utils import timezone

from portal.issues.models import Issue
from portal.mirror.models import SyncRun, SyncStep
from portal.webhooks.tasks import judge
from tests.portal.webhooks.conftest import Hook

HOUR = 3600
NEW = "new_candidate_application"


def _add_syncs(
    hook: Hook, number: int, *, kind: str = "applications", created: int = 2, changed: int = 0
) -> None:
    """Add finished syncs that found records no webhook had announced."""
    for _ in range(number):
        run = SyncRun.objects.create(connection=hook.connection, status=SyncRun.Status.DONE)
        SyncStep.objects.create(
            run=run,
            kind=kind,
            status=SyncStep.Status.DONE,
            created=created,
            changed=changed,
            started_at=timezone.now(),
        )


def _find_open_keys() -> list[str]:
    judge()
    issues = Issue.objects.filter(cause=Issue.Cause.WEBHOOK_SILENT, closed_at=None)
    return sorted(issues.values_list("key", flat=True))


@pytest.fixture
def working_hook(hook: Hook) -> Hook:
    """A webhook that delivered once."""
    hook.tells(NEW, {})
    return hook


def test_silence_reported_when_syncs_find_news(working_hook: Hook, later) -> None:
    later(7 * HOUR)
    _add_syncs(working_hook, 3)
    assert _find_open_keys() == ["applications.created"]
    issue = Issue.objects.get()
    assert "“Candidate has submitted application”" in issue.words
    assert issue.fixer == Issue.Fixer.GREENHOUSE_ADMIN
    assert issue.organization == working_hook.connection.organization


def test_changes_silence_reported_separately(working_hook: Hook, later) -> None:
    working_hook.tells("candidate_stage_change", {})
    later(7 * HOUR)
    working_hook.tells(NEW, {})
    _add_syncs(working_hook, 3, created=0, changed=4)
    assert _find_open_keys() == ["applications.changed"]
    assert "“Candidate has changed stage”" in Issue.objects.get().words
    working_hook.tells("candidate_stage_change", {})
    assert _find_open_keys() == []


def test_silence_stays_one_issue(working_hook: Hook, later) -> None:
    later(7 * HOUR)
    _add_syncs(working_hook, 3)
    _find_open_keys()
    assert _find_open_keys() == ["applications.created"]
    assert Issue.objects.get().times == 2


def test_delivery_closes_silence_issue(working_hook: Hook, later) -> None:
    later(7 * HOUR)
    _add_syncs(working_hook, 3)
    assert _find_open_keys()
    working_hook.tells(NEW, {})
    assert _find_open_keys() == []


def test_no_silence_without_news(working_hook: Hook, later) -> None:
    later(48 * HOUR)
    _add_syncs(working_hook, 20, created=0)
    assert _find_open_keys() == []


def test_no_silence_for_other_records(working_hook: Hook, later) -> None:
    later(48 * HOUR)
    _add_syncs(working_hook, 20, kind="jobs")
    assert _find_open_keys() == []


def test_unused_webhook_never_reported(hook: Hook, later) -> None:
    hook.tells("ping", {})
    later(48 * HOUR)
    _add_syncs(hook, 20)
    assert _find_open_keys() == []


@pytest.mark.parametrize(("hours", "syncs"), [(2, 10), (48, 2)], ids=["too soon", "too few"])
def test_short_silence_not_reported(working_hook: Hook, later, hours: int, syncs: int) -> None:
    later(hours * HOUR)
    _add_syncs(working_hook, syncs)
    assert _find_open_keys() == []


def test_earlier_syncs_do_not_count(working_hook: Hook, later) -> None:
    _add_syncs(working_hook, 10)
    later(7 * HOUR)
    assert _find_open_keys() == []
