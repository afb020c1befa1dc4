"""Hooks that fell silent are said, and only those."""

from __future__ import annotations

import pytest
from django.utils import timezone

from portal.issues.models import Issue
from portal.mirror.models import SyncRun, SyncStep
from portal.webhooks.tasks import judge
from tests.portal.webhooks.conftest import Hook

HOUR = 3600
NEW = "new_candidate_application"


def _syncs(
    hook: Hook, number: int, *, kind: str = "applications", created: int = 2, changed: int = 0
) -> None:
    """Syncs that ran to their end and found this many that nobody had told of."""
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


def _open() -> list[str]:
    judge()
    found = Issue.objects.filter(cause=Issue.Cause.WEBHOOK_SILENT, closed_at=None)
    return sorted(found.values_list("key", flat=True))


@pytest.fixture
def heard(hook: Hook) -> Hook:
    """It worked once."""
    hook.tells(NEW, {})
    return hook


def test_a_hook_that_stopped_while_syncs_find_its_news_is_said(heard: Hook, later) -> None:
    later(7 * HOUR)
    _syncs(heard, 3)
    assert _open() == ["applications.created"]
    issue = Issue.objects.get()
    assert "“Candidate has submitted application”" in issue.words
    assert issue.fixer == Issue.Fixer.GREENHOUSE_ADMIN
    assert issue.organization == heard.connection.organization


def test_a_hook_that_no_longer_tells_of_changes_is_said_and_that_of_news_is_not(
    heard: Hook, later
) -> None:
    heard.tells("candidate_stage_change", {})
    later(7 * HOUR)
    heard.tells(NEW, {})
    _syncs(heard, 3, created=0, changed=4)
    assert _open() == ["applications.changed"]
    assert "“Candidate has changed stage”" in Issue.objects.get().words
    heard.tells("candidate_stage_change", {})
    assert _open() == []


def test_it_is_one_issue_however_often_it_is_seen(heard: Hook, later) -> None:
    later(7 * HOUR)
    _syncs(heard, 3)
    _open()
    assert _open() == ["applications.created"]
    assert Issue.objects.get().times == 2


def test_one_delivery_closes_it(heard: Hook, later) -> None:
    later(7 * HOUR)
    _syncs(heard, 3)
    assert _open()
    heard.tells(NEW, {})
    assert _open() == []


def test_nothing_to_tell_is_no_silence(heard: Hook, later) -> None:
    later(48 * HOUR)
    _syncs(heard, 20, created=0)
    assert _open() == []


def test_news_of_another_kind_is_no_silence(heard: Hook, later) -> None:
    later(48 * HOUR)
    _syncs(heard, 20, kind="jobs")
    assert _open() == []


def test_a_hook_that_was_never_set_up_is_not_missed(hook: Hook, later) -> None:
    hook.tells("ping", {})
    later(48 * HOUR)
    _syncs(hook, 20)
    assert _open() == []


@pytest.mark.parametrize(("hours", "syncs"), [(2, 10), (48, 2)], ids=["too soon", "too few"])
def test_a_quiet_while_is_not_called_silence(heard: Hook, later, hours: int, syncs: int) -> None:
    later(hours * HOUR)
    _syncs(heard, syncs)
    assert _open() == []


def test_syncs_before_it_fell_silent_do_not_count(heard: Hook, later) -> None:
    _syncs(heard, 10)
    later(7 * HOUR)
    assert _open() == []
