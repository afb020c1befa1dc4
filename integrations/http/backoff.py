from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TypeVar

T = TypeVar("T", float, timedelta)

MAX_ATTEMPTS = 5
_BASE_DELAY = 0.25
_MAX_DELAY = 8.0
_MAX_DOUBLINGS = 20
_LONGEST_RETRY_AFTER = 30 * 86400.0  # a longer time is a mistake
_MAX_HEADER_NUMBER = 100_000  # requests in a window
MAX_RETRY_AFTER = 900.0  # after this a single request probes whether it still holds


def double_delay(base: T, attempt: int, *, longest: T) -> T:
    """How long to wait after the given number of failed attempts: doubled by each."""
    factor: int = 2 ** min(attempt - 1, _MAX_DOUBLINGS)
    return min(longest, base * factor)


def compute_backoff(attempt: int) -> float:
    """Seconds to wait after the given number of failed attempts, with jitter."""
    ceiling = double_delay(_BASE_DELAY, attempt, longest=_MAX_DELAY)
    return ceiling * random.uniform(0.5, 1.0)  # noqa: S311  # not a secret


def random_jitter(seconds: float = 0.3) -> float:
    return random.uniform(0.0, seconds)  # noqa: S311  # not a secret


def parse_retry_after(retry_after: str | None, reset: str | None, *, now: float) -> float | None:
    """Seconds that the server asks to wait; None if unknown. `X-RateLimit-Reset` is documented only
    as a "timestamp", so epoch seconds and ISO are accepted.
    """
    until = _parse_timestamp(retry_after, now=now)
    if until is None:
        until = _parse_timestamp(reset, now=now)
    return None if until is None else min(max(0.0, until - now), _LONGEST_RETRY_AFTER)


def parse_header_number(text: str | None) -> int | None:
    """The number of a header such as `X-RateLimit-Limit`, within reason; None if it is none."""
    if not text or not text.isascii() or not text.isdigit():
        return None
    return min(int(text[:7]), _MAX_HEADER_NUMBER)


def parse_rate_limit_reset(reset: str | None, *, now: float) -> float | None:
    return _parse_timestamp(reset, now=now)


def _parse_timestamp(value: str | None, *, now: float) -> float | None:
    if not value:
        return None
    try:
        number = float(value)
    except ValueError:
        return _parse_date(value)
    if number != number or number < 0:  # NaN
        return None
    return number if number > 10_000_000 else now + number


def _parse_date(value: str) -> float | None:
    for parse in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment = parse(value.strip())
        except (ValueError, TypeError, OverflowError):
            continue
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return None
