"""Bar charts of a customer's page, drawn as SVG by `admin/support/_bar_chart.html`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from django.db.models import Count, Min, Q
from django.db.models.functions import TruncDate, TruncHour
from django.utils import timezone

from portal.connections import rate_limits
from portal.connections.models import ApiCall, Connection
from portal.support.customers import request_counts
from portal.sync.models import SyncRun
from portal.web.bar_chart import BarChart, Row, Series

DAYS = 14
HOURS = 24


def build_charts(connection: Connection) -> list[BarChart]:
    return [_build_sync_chart(connection), _build_request_chart(connection)]


def _build_sync_chart(connection: Connection) -> BarChart:
    today = timezone.now().astimezone(UTC).date()
    days = [today - timedelta(days=age) for age in reversed(range(DAYS))]
    first = datetime(days[0].year, days[0].month, days[0].day, tzinfo=UTC)
    counts = (
        SyncRun.objects.filter(connection=connection, finished_at__gte=first)
        .exclude(scope=SyncRun.Scope.PEOPLE)  # too frequent to read
        .order_by()
        .annotate(day=TruncDate("finished_at", tzinfo=UTC))
        .values_list("day")
        .annotate(
            completed=Count("pk", filter=Q(status__in=SyncRun.COMPLETED)),
            failed=Count("pk", filter=Q(status=SyncRun.Status.FAILED)),
        )
    )
    by_day = {day: (completed, failed) for day, completed, failed in counts}
    return BarChart(
        key="syncs",
        title=f"Syncs per day, last {DAYS} days",
        column_title="Day",
        series=(Series("Completed", "good"), Series("Failed", "bad")),
        rows=[(f"{day:%-d %b}", by_day.get(day, (0, 0)), ()) for day in days],
    )


def _build_request_chart(connection: Connection) -> BarChart:
    this_hour = timezone.now().astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    hours = [this_hour - timedelta(hours=age) for age in reversed(range(HOURS))]
    went_wrong = request_counts.REFUSED | request_counts.FAILED
    counts = (
        ApiCall.objects.filter(connection=connection, at__gte=hours[0])
        .order_by()
        .annotate(hour=TruncHour("at", tzinfo=UTC))
        .values_list("hour")
        .annotate(
            total=Count("pk"),
            limited=Count("pk", filter=request_counts.RATE_LIMITED),
            failed=Count("pk", filter=went_wrong),
            lowest=Min("remaining"),
        )
    )
    by_hour = {
        hour: ((total - limited - failed, limited, failed), lowest)
        for hour, total, limited, failed, lowest in counts
    }
    return BarChart(
        key="requests",
        title=f"Requests to Greenhouse per hour, last {HOURS} hours (UTC)",
        column_title="Hour",
        series=(
            Series("Answered", "good"),
            Series("Rate-limited", "warn"),
            Series("Refused or failed", "bad"),
        ),
        rows=_build_hour_rows(hours, by_hour),
        extra_titles=("Lowest number left before the rate limit",),
        limit=rate_limits.get_hourly_limit(connection.credential)
        if connection.credential
        else None,
    )


def _build_hour_rows(
    hours: Sequence[datetime], by_hour: dict[datetime, tuple[tuple[int, int, int], int | None]]
) -> list[Row]:
    rows: list[Row] = []
    for hour in hours:
        values, lowest = by_hour.get(hour, ((0, 0, 0), None))
        rows.append((f"{hour:%H:00}", values, ("–" if lowest is None else lowest,)))
    return rows
