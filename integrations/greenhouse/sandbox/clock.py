"""Time, as the sandbox tells it: one injectable clock, one spelling of a moment."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """Give the present moment, aware, in UTC."""
    return datetime.now(UTC)


def iso(moment: datetime) -> str:
    """Spell a moment as Greenhouse does: ISO-8601, UTC, milliseconds, ``Z``.

    The width never changes, so two such texts compare like the moments they name.
    """
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + (
        f"{moment.microsecond // 1000:03d}Z"
    )


def parse(text: str) -> datetime | None:
    """Read an ISO-8601 date or moment; without a zone it is UTC. None when unreadable."""
    try:
        moment = datetime.fromisoformat(text.strip().replace(" ", "+"))
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def normal(text: str) -> str | None:
    """Bring any readable moment to the spelling of :func:`iso`; None when unreadable."""
    moment = parse(text)
    return iso(moment) if moment else None


def later(text: str, now: datetime) -> str:
    """Give ``now``, or just after ``text`` when the clock has not passed it.

    So a record's ``updated_at`` moves with every change, even under a clock that stands still.
    """
    present = iso(now)
    if present > text:
        return present
    before = parse(text)
    return iso(before + timedelta(milliseconds=1)) if before else present
