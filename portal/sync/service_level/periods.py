"""Periods of whole minutes. A mask has one bit per minute, the earliest lowest; a minute is judged
by what holds at its end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

MINUTE = timedelta(minutes=1)
HOUR_MINUTES = 60
_FULL_HOUR = (1 << HOUR_MINUTES) - 1


@dataclass(frozen=True)
class MinuteMasks:
    """`within` is a part of `counted`."""

    counted: int = 0
    within: int = 0

    @property
    def outside(self) -> int:
        return self.counted & ~self.within


@dataclass(frozen=True)
class Period:
    start: datetime
    end: datetime

    @property
    def minute_count(self) -> int:
        return max((self.end - self.start) // MINUTE, 0)

    def build_mask(self, first: datetime, last: datetime) -> int:
        """Return the minutes that end between the two times, both included."""
        start = max(-((self.start - first) // MINUTE) - 1, 0)
        stop = min((last - self.start) // MINUTE, self.minute_count)
        return ((1 << (stop - start)) - 1) << start if stop > start else 0

    def align(self, mask: int, mask_start: datetime) -> int:
        """Return the part of a mask that begins at `mask_start` which lies in this period."""
        offset = (mask_start - self.start) // MINUTE
        shifted = mask << offset if offset >= 0 else mask >> -offset
        return shifted & ((1 << self.minute_count) - 1)

    def split_hours(self, masks: MinuteMasks) -> Iterator[tuple[datetime, MinuteMasks]]:
        """Yield each hour with its 60-bit masks, if any of its minutes counted."""
        hour = truncate_to_hour(self.start)
        offset = (self.start - hour) // MINUTE
        counted, within = masks.counted << offset, masks.within << offset
        while counted:
            if counted & _FULL_HOUR:
                yield hour, MinuteMasks(counted & _FULL_HOUR, within & _FULL_HOUR)
            counted, within = counted >> HOUR_MINUTES, within >> HOUR_MINUTES
            hour += timedelta(hours=1)


def truncate_to_minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


def truncate_to_hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)
