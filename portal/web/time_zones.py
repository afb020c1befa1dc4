from __future__ import annotations

from datetime import UTC, date, datetime, time, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def parse_time_zone(name: str) -> tzinfo:
    """Return the time zone, or UTC for a name that no zone has."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def format_time_zone(name: str) -> str:
    """Return the place that an IANA name stands for: "Buenos Aires"."""
    return name.rpartition("/")[2].replace("_", " ")


def find_start_of_day(day: date, zone: tzinfo) -> datetime:
    """First instant of the day, in UTC. Where clocks skip or repeat midnight, the earlier one."""
    midnight = datetime.combine(day, time.min, tzinfo=zone)
    try:
        return midnight.astimezone(UTC)
    except OverflowError:  # the years 1 and 9999
        return midnight.replace(tzinfo=UTC)
