"""The sandbox's clock and timestamp format."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    return datetime.now(UTC)


def format_timestamp(moment: datetime) -> str:
    """Format a time as Greenhouse does: ISO 8601, UTC, milliseconds, ``Z``.

    The width is fixed, so timestamps compare correctly as strings.
    """
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + (
        f"{moment.microsecond // 1000:03d}Z"
    )


def parse_timestamp(text: str) -> datetime | None:
    """Parse an ISO 8601 date or time (UTC if it has no zone); None if unreadable."""
    try:
        moment = datetime.fromisoformat(text.strip().replace(" ", "+"))
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def normalize_timestamp(text: str) -> str | None:
    """Reformat a date or time with :func:`format_timestamp`; None if unreadable."""
    moment = parse_timestamp(text)
    return format_timestamp(moment) if moment else None


def next_timestamp(text: str, now: datetime) -> str:
    """Return ``now``, or 1 ms after ``text`` if the clock has not passed it.

    So every change moves a record's ``updated_at``, even under a frozen clock.
    """
    current = format_timestamp(now)
    if current > text:
        return current
    previous = parse_timestamp(text)
    return format_timestamp(previous + timedelta(milliseconds=1)) if previous else current
