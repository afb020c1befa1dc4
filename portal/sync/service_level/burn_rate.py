"""Multi-window burn rates of the freshness objective, as in Google's SRE workbook, chapter 5.

A burn rate of 1 uses up the allowance of 30 days in 30 days. An alert needs it high over a long
window, so that it matters, and over a short one, so that it ends soon after its cause.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.conf import settings
from django.db.models import F, QuerySet

from portal.connections.models import Connection
from portal.sync.models import FreshnessHour, FreshnessKind
from portal.sync.service_level.measurement import MaskKey
from portal.sync.service_level.periods import MINUTE, MinuteMasks, Period, truncate_to_hour
from portal.sync.service_level.recorder import measure_unrecorded_minutes


class BurnSpeed(StrEnum):
    FAST = "fast"
    SLOW = "slow"


@dataclass(frozen=True)
class BurnRateAlert:
    speed: BurnSpeed
    long_minutes: int
    short_minutes: int
    burn_rate: float

    @property
    def window_label(self) -> str:
        hours = self.long_minutes // 60
        return "the last hour" if hours == 1 else f"the last {hours} hours"


@dataclass(frozen=True)
class Burn:
    """A firing alert, with the minutes outside the promise in its long window."""

    alert: BurnRateAlert
    minutes_outside: int


ALERTS = (  # the faster first
    BurnRateAlert(BurnSpeed.FAST, long_minutes=60, short_minutes=5, burn_rate=14.4),
    BurnRateAlert(BurnSpeed.SLOW, long_minutes=360, short_minutes=30, burn_rate=6),
)
_LONGEST_MINUTES = max(alert.long_minutes for alert in ALERTS)


def find_burns(connections: QuerySet[Connection], until: datetime) -> dict[MaskKey, Burn]:
    """Return the worst firing alert of each customer and kind, not yet recorded minutes included.

    Reads only hours with minutes outside the promise, so almost nothing while all is well.
    """
    period = Period(until - _LONGEST_MINUTES * MINUTE, until)
    outside = _load_outside_minutes(connections, period)
    burns = {}
    for key, mask in outside.items():
        for alert in ALERTS:
            if _is_firing(alert, mask):
                burns[key] = Burn(alert, _count_newest(mask, alert.long_minutes))
                break
    return burns


def get_allowed_share() -> float:
    return float(1 - settings.FRESHNESS_OBJECTIVE / 100)


def _is_firing(alert: BurnRateAlert, outside: int) -> bool:
    # Minutes that do not count burn nothing: the windows are not shortened by them.
    share = min(alert.burn_rate * get_allowed_share(), 1.0)
    return all(
        _count_newest(outside, minutes) >= share * minutes
        for minutes in (alert.long_minutes, alert.short_minutes)
    )


def _count_newest(mask: int, minutes: int) -> int:
    return (mask >> (_LONGEST_MINUTES - minutes)).bit_count()


def _load_outside_minutes(connections: QuerySet[Connection], period: Period) -> dict[MaskKey, int]:
    outside: dict[MaskKey, int] = defaultdict(int)
    rows = FreshnessHour.objects.filter(
        connection__in=connections.order_by().values("pk"),
        hour__gte=truncate_to_hour(period.start),
        hour__lt=period.end,
        minutes_within__lt=F("minutes_counted"),
    )
    for connection_id, kind, hour, counted, within in rows.order_by().values_list(
        "connection_id", "kind", "hour", "counted_mask", "within_mask"
    ):
        mask = MinuteMasks(counted, within).outside
        outside[connection_id, FreshnessKind(kind)] |= period.align(mask, hour)
    unrecorded, measured = measure_unrecorded_minutes(connections, period.end)
    for key, masks in measured.items():
        outside[key] |= period.align(masks.outside, unrecorded.start)
    return outside
