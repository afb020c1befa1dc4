"""Record each minute which customers' data was within the freshness promise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from portal.connections.models import Connection
from portal.sync.models import FreshnessHour, FreshnessKind, FreshnessTotal
from portal.sync.service_level.measurement import MaskKey, measure_minutes
from portal.sync.service_level.periods import (
    MinuteMasks,
    Period,
    truncate_to_hour,
    truncate_to_minute,
)

# After a longer standstill only its end is recorded.
MAX_PERIOD = timedelta(days=7)
# Of a long standstill, so that the task ends long before its timeout; the next call goes on.
MAX_PERIOD_PER_CALL = timedelta(days=1)
# A clock that is set back by less only waits until it has caught up.
CLOCK_TOLERANCE = timedelta(minutes=2)
ROWS_PER_STATEMENT = 5000

HourKey = tuple[MaskKey, datetime]


def record_minutes() -> None:
    """Record the minutes since the last call, with the same queries for any number of customers."""
    until = truncate_to_minute(timezone.now())
    with transaction.atomic():
        totals = _lock_totals(until)
        recorded_until = min(total.recorded_until for total in totals)
        if until < recorded_until - CLOCK_TOLERANCE:
            _delete_minutes_after(until)
            FreshnessTotal.objects.update(recorded_until=until)
        elif until > recorded_until:
            start = max(recorded_until, until - MAX_PERIOD)
            period = Period(start, min(until, start + MAX_PERIOD_PER_CALL))
            measured = measure_minutes(Connection.objects.all(), period)
            _store_minutes(period, measured)
            _add_to_totals(totals, measured, period.end)


def measure_unrecorded_minutes(
    connections: QuerySet[Connection], until: datetime
) -> tuple[Period, dict[MaskKey, MinuteMasks]]:
    """Measure what a recorder that stands still has not recorded yet."""
    recorded_until = get_recorded_until() or until
    period = Period(max(recorded_until, until - MAX_PERIOD), until)
    return period, measure_minutes(connections, period)


def get_recorded_until() -> datetime | None:
    """Return the end of the last recorded minute; None before the first call of the recorder."""
    times = FreshnessTotal.objects.order_by("recorded_until")
    return times.values_list("recorded_until", flat=True).first()


def _lock_totals(until: datetime) -> list[FreshnessTotal]:
    totals = list(FreshnessTotal.objects.select_for_update().order_by("kind"))
    if len(totals) < len(FreshnessKind):
        new = (FreshnessTotal(kind=kind, recorded_until=until) for kind in FreshnessKind)
        FreshnessTotal.objects.bulk_create(new, ignore_conflicts=True)
        totals = list(FreshnessTotal.objects.select_for_update().order_by("kind"))
    return totals


def _store_minutes(period: Period, measured: Mapping[MaskKey, MinuteMasks]) -> None:
    new_masks = {
        (key, hour): hour_masks
        for key, masks in measured.items()
        for hour, hour_masks in period.split_hours(masks)
    }
    recorded = _load_hours(FreshnessHour.objects.filter(hour__gte=truncate_to_hour(period.start)))
    merged = {}
    for key, masks in new_masks.items():
        old = recorded.get(key, MinuteMasks())
        merged[key] = MinuteMasks(old.counted | masks.counted, old.within | masks.within)
    _upsert_hours(merged)


def _add_to_totals(
    totals: Iterable[FreshnessTotal], measured: Mapping[MaskKey, MinuteMasks], until: datetime
) -> None:
    for total in totals:
        masks = [masks for (_, kind), masks in measured.items() if kind == total.kind]
        total.minutes_within += sum(mask.within.bit_count() for mask in masks)
        total.minutes_outside += sum(mask.outside.bit_count() for mask in masks)
        total.recorded_until = until
    FreshnessTotal.objects.bulk_update(
        totals, ["minutes_within", "minutes_outside", "recorded_until"]
    )


def _delete_minutes_after(until: datetime) -> None:
    """Forget what was recorded while the clock was ahead."""
    hour = truncate_to_hour(until)
    past_minutes = (1 << until.minute) - 1
    recorded = _load_hours(FreshnessHour.objects.filter(hour=hour))
    FreshnessHour.objects.filter(hour__gte=hour).delete()
    _upsert_hours(
        {
            key: MinuteMasks(masks.counted & past_minutes, masks.within & past_minutes)
            for key, masks in recorded.items()
            if masks.counted & past_minutes
        }
    )


# -- rows ------------------------------------------------------------------------------------------
def _load_hours(rows: QuerySet[FreshnessHour]) -> dict[HourKey, MinuteMasks]:
    columns = rows.order_by().values_list(
        "connection_id", "kind", "hour", "counted_mask", "within_mask"
    )
    return {
        ((connection_id, FreshnessKind(kind)), hour): MinuteMasks(counted, within)
        for connection_id, kind, hour, counted, within in columns
    }


def _upsert_hours(hours: Mapping[HourKey, MinuteMasks]) -> None:
    FreshnessHour.objects.bulk_create(
        (
            FreshnessHour(
                connection_id=connection_id,
                kind=kind,
                hour=hour,
                counted_mask=masks.counted,
                within_mask=masks.within,
                minutes_counted=masks.counted.bit_count(),
                minutes_within=masks.within.bit_count(),
            )
            for ((connection_id, kind), hour), masks in hours.items()
        ),
        batch_size=ROWS_PER_STATEMENT,
        update_conflicts=True,
        unique_fields=["connection", "kind", "hour"],
        update_fields=["counted_mask", "within_mask", "minutes_counted", "minutes_within"],
    )
