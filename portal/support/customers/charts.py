"""Bar charts of a customer's page, drawn as SVG by `admin/support/_bar_chart.html`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Count, Min, Q
from django.db.models.functions import TruncDate, TruncHour
from django.utils import timezone

from portal.connections import rate_limits
from portal.connections.models import ApiCall, Connection
from portal.support.customers import request_counts
from portal.sync.models import SyncRun

DAYS = 14
HOURS = 24
WIDTH, HEIGHT = 600, 100  # of the plot, in SVG units
_GAP = 0.2  # share of a column
_MAX_HEADROOM = 3  # a limit beyond this multiple of the highest bar would flatten the bars


@dataclass(frozen=True)
class Series:
    label: str
    tone: str


Row = tuple[str, tuple[int, ...], tuple[Any, ...]]  # a label, the series' values, extra cells


@dataclass(frozen=True)
class Bar:
    tone: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class BarChart:
    """Stacked bars, a column for each of `rows`."""

    key: str
    title: str
    column_title: str
    series: tuple[Series, ...]
    rows: list[Row]
    extra_titles: tuple[str, ...] = ()
    limit: int | None = None

    @property
    def limit_y(self) -> float | None:
        """Where the line of the limit is; None if it lies far above all bars."""
        if self.limit is None or self.limit > self.highest * _MAX_HEADROOM:
            return None
        return round(HEIGHT - HEIGHT * self.limit / self._scale, 2)

    @property
    def _scale(self) -> int:
        is_in_sight = self.limit is not None and self.limit <= self.highest * _MAX_HEADROOM
        return max(self.highest, self.limit or 0) if is_in_sight else self.highest

    @property
    def highest(self) -> int:
        return max((sum(values) for _, values, _ in self.rows), default=0)

    @property
    def summary(self) -> str:
        totals = [
            sum(values[index] for _, values, _ in self.rows) for index in range(len(self.series))
        ]
        return ", ".join(
            f"{total:,} {series.label.lower()}"
            for total, series in zip(totals, self.series, strict=True)
        )

    @property
    def bars(self) -> list[Bar]:
        column_width, scale = WIDTH / max(1, len(self.rows)), self._scale
        bars = []
        for index, (_, values, _) in enumerate(self.rows):
            top = float(HEIGHT)
            for series, value in zip(self.series, values, strict=True):
                if not value:
                    continue
                height = HEIGHT * value / scale
                top -= height
                x = column_width * (index + _GAP / 2)
                bars.append(
                    Bar(
                        series.tone,
                        *(round(n, 2) for n in (x, top, column_width * (1 - _GAP), height)),
                    )
                )
        return bars


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
