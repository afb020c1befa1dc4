"""A customer's state and health, in the words that the admin shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.timesince import timesince

from portal.accounts.models import Organization
from portal.connections.models import Connection
from portal.issues.models import Issue
from portal.sync.schedule import RECENT_INTERVAL

State = Connection.State
STALLED_AFTER = timedelta(days=2)  # in one setup step
OUTDATED_AFTER = 4 * RECENT_INTERVAL
TONE_LABELS = {"bad": "Action needed", "warn": "Warning", "good": "OK", "off": "Not started"}
SETUP_STATES = (State.DRAFT, State.CHECKING, State.ACTION_NEEDED, State.SYNCING)
_SETUP_STEP_LABELS = {
    State.DRAFT: "Credential",
    State.CHECKING: "Permissions",
    State.ACTION_NEEDED: "Permissions",
    State.SYNCING: "First sync",
}


@dataclass
class CustomerStatus:
    organization: Organization
    connection: Connection | None
    state: str
    since: datetime
    last_synced_at: datetime | None = None
    issues: list[Issue] = field(default_factory=list)
    people_count: int = 0
    admin_count: int = 0
    unmatched_count: int = 0
    missing_count: int = 0
    failure_count: int = 0
    freshness_share: float | None = None  # within promise in 30 days, from 0 to 1

    @property
    def state_label(self) -> str:
        return State(self.state).label

    @property
    def setup_step(self) -> str:
        """The current setup step, empty once setup is done."""
        # A live customer that needs action has finished setup.
        if self.last_synced_at and self.state in {State.CHECKING, State.ACTION_NEEDED}:
            return ""
        return _SETUP_STEP_LABELS.get(State(self.state), "")

    @property
    def is_stalled(self) -> bool:
        return bool(self.setup_step) and self.since < timezone.now() - STALLED_AFTER

    @property
    def is_outdated(self) -> bool:
        oldest_allowed = timezone.now() - OUTDATED_AFTER
        return self.state in Connection.LIVE_STATES and (
            self.last_synced_at is None or self.last_synced_at < oldest_allowed
        )

    @property
    def must_act_issues(self) -> list[Issue]:
        return [issue for issue in self.issues if issue.severity == Issue.Severity.CRITICAL]

    @property
    def attention_since(self) -> datetime:
        """Since when the reason in `health` applies."""
        if self.must_act_issues:
            return self.must_act_issues[0].first_seen_at
        if self.setup_step or self.state == State.ACTION_NEEDED:
            return self.since
        if self.is_outdated:
            return self.last_synced_at or self.since
        return self.issues[0].first_seen_at if self.issues else self.since

    @property
    def tone(self) -> str:
        if self.must_act_issues or self.state == State.ACTION_NEEDED:
            return "bad"
        if self.is_stalled or self.is_outdated or self.issues or self.state == State.DEGRADED:
            return "warn"
        return "good" if self.state == State.LIVE else "off"

    @property
    def tone_label(self) -> str:
        if self.state in {State.PAUSED, State.DISCONNECTED} and self.tone == "off":
            return self.state_label
        return TONE_LABELS[self.tone]

    @property
    def health(self) -> str:
        if self.must_act_issues:
            return describe_issue(self.must_act_issues[0])
        if self.is_stalled:
            return f"Setup stalled at “{self.setup_step}” for {_format_duration(self.since)}"
        if self.state == State.ACTION_NEEDED:
            return "A required permission is missing"
        if self.setup_step:
            return f"In setup, at “{self.setup_step}” for {_format_duration(self.since)}"
        if self.is_outdated:
            return (
                f"Not synced for {_format_duration(self.last_synced_at)}"
                if self.last_synced_at
                else "Never synced"
            )
        if self.issues:
            return describe_issue(self.issues[0])
        if self.state == State.DEGRADED:
            plural = "" if self.missing_count == 1 else "s"
            return f"Live, {self.missing_count} permission{plural} missing"
        return {
            State.LIVE: "No open issues",
            State.CHECKING: "Checking permissions",
        }.get(State(self.state), self.state_label)


def describe_issue(issue: Issue) -> str:
    # Titles of refusal issues name a person.
    is_refusal = issue.cause == Issue.Cause.ACTING_USER_REFUSED
    return str(issue.get_cause_display()) if is_refusal else issue.title


def format_time_ago(at: datetime) -> str:
    return (
        f"{_format_duration(at)} ago" if at < timezone.now() - timedelta(minutes=1) else "just now"
    )


def _format_duration(since: datetime) -> str:
    return timesince(since, depth=1).replace("\xa0", " ")
