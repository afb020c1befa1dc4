"""When an answer is due, and how long an application has waited for it, in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from functools import lru_cache

from django.utils import dateformat, timezone
from django.utils.safestring import SafeString

from portal.jobs.answers.promise import Promise


@dataclass(frozen=True)
class DueLabel:
    text: str
    tone: str = ""  # of a pill
    explanation: str = ""

    @property
    def inline_text(self) -> str:
        return self.text[:1].lower() + self.text[1:]


def describe_due(promise: Promise, needed_at: datetime) -> DueLabel:
    today = promise.get_local_day(timezone.now())
    due_day = promise.find_due_day(promise.get_local_day(needed_at))
    since = format_moment(needed_at, promise.zone)  # whose days count
    explanation = (
        f"Needs a decision since {since}. The answer is due by the end of "
        f"{_format_date(due_day, 'l j F Y')}, {promise.zone_label} time."
    )
    if due_day < today:
        late_days = promise.calendar.count_working_days(due_day, today)
        text = f"Overdue by {count_days(late_days, 'working day')}" if late_days else "Overdue"
        return DueLabel(text, "bad", explanation)
    if due_day == today:
        return DueLabel("Due today", "warn", explanation)
    if due_day == today + timedelta(days=1):
        return DueLabel("Due tomorrow", "warn", explanation)
    return DueLabel(f"Due {_format_date(due_day, 'D j M')}", "", explanation)


def describe_wait(needed_at: datetime) -> str:
    days = max((timezone.now() - needed_at).days, 0)
    return count_days(days, "day") if days else "less than a day"


def format_moment(moment: datetime, zone: tzinfo | None = None) -> str:
    local = timezone.localtime(moment, zone)
    return f"{_format_date(local.date(), 'l j F Y')}, {local:%H:%M %Z}"


def format_short_day(moment: datetime) -> str:
    return _format_date(timezone.localdate(moment), "j M Y")


@lru_cache(maxsize=2000)  # rows of a list share days
def _format_date(day: date, pattern: str) -> str:
    return dateformat.format(day, pattern)


def format_count(number: int) -> SafeString:
    return SafeString(f"{number:,}")


def count_days(days: int, noun: str) -> str:
    return f"{days:,} {noun}{'' if days == 1 else 's'}"
