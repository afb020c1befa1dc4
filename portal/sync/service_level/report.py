"""A customer's time within the freshness promise over the last 30 days."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, IntegerField, Max, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from portal.connections.models import Connection
from portal.sync.freshness import PROMISED_AGE
from portal.sync.models import FreshnessHour, FreshnessKind
from portal.sync.service_level import burn_rate
from portal.sync.service_level.burn_rate import get_allowed_share
from portal.sync.service_level.measurement import MaskKey
from portal.sync.service_level.periods import (
    MINUTE,
    MinuteMasks,
    Period,
    truncate_to_hour,
    truncate_to_minute,
)
from portal.sync.service_level.recorder import measure_unrecorded_minutes

WINDOW_DAYS = (1, 7, 30)


@dataclass(frozen=True)
class PromiseWindow:
    days: int
    minutes_counted: int
    minutes_within: int

    @property
    def minutes_outside(self) -> int:
        return self.minutes_counted - self.minutes_within

    @property
    def share(self) -> float | None:
        """The share within the promise from 0 to 1; None if no minute counted."""
        return self.minutes_within / self.minutes_counted if self.minutes_counted else None


@dataclass(frozen=True)
class KindReport:
    kind: FreshnessKind
    windows: tuple[PromiseWindow, ...]
    last_hour_outside: datetime | None
    burn: burn_rate.Burn | None

    @property
    def promised_minutes(self) -> int:
        return PROMISED_AGE[self.kind] // MINUTE

    @property
    def longest(self) -> PromiseWindow:
        return self.windows[-1]


def build_report(connection: Connection) -> list[KindReport]:
    """Report each kind, not yet recorded minutes included."""
    until = truncate_to_minute(timezone.now())
    connections = Connection.objects.filter(pk=connection.pk)
    burns = burn_rate.find_burns(connections, until)
    unrecorded, measured = measure_unrecorded_minutes(connections, until)
    sums = _sum_recorded_minutes(connection, until)
    return [
        _build_kind_report((connection.pk, kind), sums.get(kind, {}), unrecorded, measured, burns)
        for kind in FreshnessKind
    ]


def get_shares(connection_ids: Iterable[int]) -> dict[int, float]:
    """Return each connection's share within the promise over 30 days, of the worse kind."""
    hours = FreshnessHour.objects.filter(
        connection__in=list(connection_ids), hour__gte=_get_first_hour(), minutes_counted__gt=0
    )
    sums = hours.order_by().values_list("connection_id", "kind")
    shares: dict[int, float] = {}
    for connection_id, _, counted, within in sums.annotate(
        counted=Sum("minutes_counted"), within=Sum("minutes_within")
    ):
        shares[connection_id] = min(within / counted, shares.get(connection_id, 1.0))
    return shares


def build_outside_subquery(connection: str) -> Coalesce:
    """Minutes outside the promise in 30 days, of the worse kind; `connection` is a lookup path."""
    hours = FreshnessHour.objects.filter(
        connection=OuterRef(connection),
        hour__gte=_get_first_hour(),
        minutes_within__lt=F("minutes_counted"),
    )
    sums = (
        hours.order_by()
        .values("kind")
        .annotate(minutes=Sum(F("minutes_counted") - F("minutes_within")))
    )
    worst = sums.order_by("-minutes").values("minutes")[:1]
    return Coalesce(Subquery(worst, output_field=IntegerField()), 0)


def get_allowed_minutes() -> float:
    """Minutes outside the promise that the objective allows in 30 days."""
    return get_allowed_share() * WINDOW_DAYS[-1] * 24 * 60


def _get_first_hour() -> datetime:
    return truncate_to_hour(timezone.now()) - timedelta(days=WINDOW_DAYS[-1])


def _sum_recorded_minutes(connection: Connection, until: datetime) -> Mapping[str, dict[str, Any]]:
    sums: dict[str, Any] = {
        "last_outside": Max("hour", filter=Q(minutes_within__lt=F("minutes_counted")))
    }
    for days in WINDOW_DAYS:
        recent = Q(hour__gte=truncate_to_hour(until) - timedelta(days=days))
        sums[f"counted_{days}"] = Sum("minutes_counted", filter=recent, default=0)
        sums[f"within_{days}"] = Sum("minutes_within", filter=recent, default=0)
    hours: QuerySet[FreshnessHour] = connection.freshness_hours.filter(
        hour__gte=_get_first_hour(), hour__lt=until
    )
    return {row["kind"]: dict(row) for row in hours.order_by().values("kind").annotate(**sums)}


def _build_kind_report(
    key: MaskKey,
    sums: Mapping[str, Any],
    unrecorded: Period,
    measured: Mapping[MaskKey, MinuteMasks],
    burns: Mapping[MaskKey, burn_rate.Burn],
) -> KindReport:
    masks = measured.get(key, MinuteMasks())
    last_outside = sums.get("last_outside")
    if masks.outside:
        newest = unrecorded.start + (masks.outside.bit_length() - 1) * MINUTE
        last_outside = truncate_to_hour(newest)
    windows = []
    for days in WINDOW_DAYS:
        newest_mask = _select_newest(unrecorded, days)
        windows.append(
            PromiseWindow(
                days,
                sums.get(f"counted_{days}", 0) + (masks.counted & newest_mask).bit_count(),
                sums.get(f"within_{days}", 0) + (masks.within & newest_mask).bit_count(),
            )
        )
    return KindReport(key[1], tuple(windows), last_outside, burns.get(key))


def _select_newest(period: Period, days: int) -> int:
    return period.build_mask(period.end - timedelta(days=days) + MINUTE, period.end)
