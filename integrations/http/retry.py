"""When to try again, and how long to wait first.

The loop itself stands in the client. `stamina` was weighed and left: it sleeps and measures by
the process's own clock, while our clock is handed in, and here a wait may end early because the
shared budget knows better.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

TRIES = 5
_FIRST_WAIT = 0.25
_LONGEST_WAIT = 8.0
_LONGEST_TOLD = 3600.0  # an answer that asks for more than an hour is not believed


def how_long(tries: int) -> float:
    """Seconds to wait after so many (1, 2, …) failed tries: doubling, with jitter, at most 8."""
    ceiling = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** (tries - 1))
    return ceiling * random.uniform(0.5, 1.0)  # noqa: S311  # spreads load, guards no secret


def jitter(seconds: float = 0.3) -> float:
    """A little extra, so that those who waited for the same moment do not come all at once."""
    return random.uniform(0.0, seconds)  # noqa: S311  # spreads load, guards no secret


def told_wait(retry_after: str | None, reset: str | None, *, now: float) -> float | None:
    """Seconds that an answer asks us to wait; None where it does not say.

    `retry_after` is seconds or an HTTP date, `reset` (`X-RateLimit-Reset`) an epoch or an ISO
    timestamp; documented as "timestamp" only, so both are read.
    """
    until = _moment(retry_after, now=now)
    if until is None:
        until = _moment(reset, now=now)
    return None if until is None else min(max(0.0, until - now), _LONGEST_TOLD)


def reset_moment(reset: str | None, *, now: float) -> float | None:
    """The epoch second that `X-RateLimit-Reset` names; None where it does not say."""
    return _moment(reset, now=now)


def _moment(value: str | None, *, now: float) -> float | None:
    if not value:
        return None
    try:
        number = float(value)
    except ValueError:
        return _date(value)
    if number != number or number < 0:  # not a number
        return None
    return number if number > 10_000_000 else now + number


def _date(value: str) -> float | None:
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment = read(value.strip())
        except (ValueError, TypeError):
            continue
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return None
