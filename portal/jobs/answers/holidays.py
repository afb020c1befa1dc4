"""An organization's holidays, as its admin types them: one per line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date

Holiday = dict[str, str]  # date and name

MAX_HOLIDAYS = 400
MAX_NAME_LENGTH = 80
# Calendars and spreadsheets paste other hyphens, no-break spaces and byte order marks.
_HYPHEN = r"[-\u2010-\u2015\u2212]"
_LINE = re.compile(
    rf"\ufeff?([0-9]{{4}}){_HYPHEN}([0-9]{{2}}){_HYPHEN}([0-9]{{2}})"
    rf"(?:[\s,;:]+(?:{_HYPHEN}\s+)?(.*))?"
)
_YEARS = range(2000, 2100)


class UnreadableHolidays(Exception):
    """The message says which line, for a person."""


def parse_holidays(text: str) -> list[Holiday]:
    """By date; of several lines with the same date, the last counts. Raises UnreadableHolidays."""
    names: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            day, name = _parse_line(line.strip(), number)
            names[day.isoformat()] = name
    if len(names) > MAX_HOLIDAYS:
        raise UnreadableHolidays(f"Enter at most {MAX_HOLIDAYS} holidays. These are {len(names)}.")
    return [{"date": day, "name": name} for day, name in sorted(names.items())]


def format_holidays(holidays: Iterable[Mapping[str, str]]) -> str:
    return "\n".join(f"{holiday['date']} {holiday['name']}".strip() for holiday in holidays)


def _parse_line(line: str, number: int) -> tuple[date, str]:
    match = _LINE.fullmatch(line)
    if match is None:
        raise UnreadableHolidays(
            f"Line {number}: start with a date as year-month-day, such as 2026-12-25."
        )
    *parts, name = match.groups(default="")
    try:
        day = date(*map(int, parts))
    except ValueError:
        raise UnreadableHolidays(
            f"Line {number}: there is no such date as {'-'.join(parts)}."
        ) from None
    if day.year not in _YEARS:
        raise UnreadableHolidays(f"Line {number}: enter a year from 2000 to 2099.")
    if len(name) > MAX_NAME_LENGTH:
        raise UnreadableHolidays(
            f"Line {number}: enter a name of at most {MAX_NAME_LENGTH} characters."
        )
    return day, name
