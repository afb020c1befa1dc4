"""Detection of webhooks that stopped delivering."""

from __future__ import annotations

import pytest
from django.utils import timezone

from portal.issues.models import Issue
from portal.sync.models import SyncRun, SyncStep
from portal.webhooks.tasks import detect_silence
from tests.portal.webhooks.conftest import WebhookSender

HOUR = 3600
NEW = "new_candidate_application"


def _add_syncs(
    webhook: WebhookSender,
    number: int,
    *,
    kind: str = "applications",
    created: int = 2,
    changed: int = 0,
) -> None:
    """Add finished syncs that found records no webhook had announced."""
    for _ in range(number):
        run = SyncRun.objects.create(connection=webhook.connection, status=SyncRun.Status.DONE)
        SyncStep.objects.create(
            run=run,
            kind=kind,
            status=SyncStep.Status.DONE,
            created=created,
            changed=changed,
            started_at=timezone.now(),
        )


def _find_open_keys() -> list[str]:
    detect_silence()
    issues = Issue.objects.filter(cause=Issue.Cause.WEBHOOK_SILENT, closed_at=None)
    return sorted(issues.values_list("key", flat=True))


@pytest.fixture
def working_webhook(webhook: WebhookSender) -> WebhookSender:
    """A webhook that delivered once."""
    webhook.deliver_event(NEW, {})
    return webhook


def test_silence_reported_when_syncs_find_news(
    working_webhook: WebhookSender, advance_clock
) -> None:
    advance_clock(7 * HOUR)
    _add_syncs(working_webhook, 3)
    assert _find_open_keys() == ["applications.created"]
    issue = Issue.objects.get()
    assert "“Candidate has submitted application”" in issue.description
    assert issue.fixer == Issue.Fixer.GREENHOUSE_ADMIN
    assert issue.organization == working_webhook.connection.organization


def test_changes_silence_reported_separately(working_webhook: WebhookSender, advance_clock) -> None:
    working_webhook.deliver_event("candidate_stage_change", {})
    advance_clock(7 * HOUR)
    working_webhook.deliver_event(NEW, {})
    _add_syncs(working_webhook, 3, created=0, changed=4)
    assert _find_open_keys() == ["applications.changed"]
    assert "“Candidate has changed stage”" in Issue.objects.get().description
    working_webhook.deliver_event("candidate_stage_change", {})
    assert _find_open_keys() == []


def test_silence_stays_one_issue(working_webhook: WebhookSender, advance_clock) -> None:
    advance_clock(7 * HOUR)
    _add_syncs(working_webhook, 3)
    _find_open_keys()
    assert _find_open_keys() == ["applications.created"]
    assert Issue.objects.get().occurrences == 2


def test_delivery_closes_silence_issue(working_webhook: WebhookSender, advance_clock) -> None:
    advance_clock(7 * HOUR)
    _add_syncs(working_webhook, 3)
    assert _find_open_keys()
    working_webhook.deliver_event(NEW, {})
    assert _find_open_keys() == []


def test_no_silence_without_news(working_webhook: WebhookSender, advance_clock) -> None:
    advance_clock(48 * HOUR)
    _add_syncs(working_webhook, 20, created=0)
    assert _find_open_keys() == []


def test_no_silence_for_other_records(working_webhook: WebhookSender, advance_clock) -> None:
    advance_clock(48 * HOUR)
    _add_syncs(working_webhook, 20, kind="jobs")
    assert _find_open_keys() == []


def test_unused_webhook_never_reported(webhook: WebhookSender, advance_clock) -> None:
    webhook.deliver_event("ping", {})
    advance_clock(48 * HOUR)
    _add_syncs(webhook, 20)
    assert _find_open_keys() == []


@pytest.mark.parametrize(("hours", "syncs"), [(2, 10), (48, 2)], ids=["too soon", "too few"])
def test_short_silence_not_reported(
    working_webhook: WebhookSender, advance_clock, hours: int, syncs: int
) -> None:
    advance_clock(hours * HOUR)
    _add_syncs(working_webhook, syncs)
    assert _find_open_keys() == []


def test_earlier_syncs_do_not_count(working_webhook: WebhookSender, advance_clock) -> None:
    _add_syncs(working_webhook, 10)
    advance_clock(7 * HOUR)
    assert _find_open_keys() == []
