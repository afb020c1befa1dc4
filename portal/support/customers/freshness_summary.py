"""A customer's freshness promise, in the words of the customer's page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from math import floor

from django.conf import settings

from portal.connections.models import Connection
from portal.sync.models import FreshnessKind
from portal.sync.service_level.burn_rate import Burn, BurnSpeed
from portal.sync.service_level.report import KindReport, PromiseWindow, build_report

_FULL_DAY_MINUTES = 24 * 60
_PILLS = {BurnSpeed.FAST: ("bad", "Critical"), BurnSpeed.SLOW: ("warn", "Warning")}


@dataclass(frozen=True)
class FreshnessRow:
    label: str
    promised_minutes: int
    shares: tuple[str, ...]  # one per window
    outside: str  # in the longest window
    last_hour_outside: datetime | None


@dataclass(frozen=True)
class FreshnessSummary:
    tone: str
    label: str
    sentence: str
    objective: str
    days: tuple[int, ...]  # of the windows
    rows: tuple[FreshnessRow, ...]


def build_summary(connection: Connection) -> FreshnessSummary:
    reports = build_report(connection)
    tone, label = _rate(reports)
    return FreshnessSummary(
        tone,
        label,
        _build_sentence(reports),
        objective=f"{settings.FRESHNESS_OBJECTIVE:g}%",
        days=tuple(window.days for window in reports[0].windows),
        rows=tuple(_build_row(report) for report in reports),
    )


def format_share(share: float | None) -> str:
    """Rounded down: 100% only if no minute was outside."""
    if share is None:
        return "–"
    tenths = floor(round(share * 1000, 6))
    return "100%" if tenths == 1000 else f"{tenths / 10:.1f}%"


def _rate(reports: list[KindReport]) -> tuple[str, str]:
    """Return the tone and label of the summary's pill."""
    speeds = {report.burn.alert.speed for report in reports if report.burn}
    for speed in BurnSpeed:  # the faster first
        if speed in speeds:
            return _PILLS[speed]
    shares = [report.longest.share for report in reports if report.longest.share is not None]
    if not shares:
        return "off", "Not started"
    if min(shares) * 100 < settings.FRESHNESS_OBJECTIVE:
        return "warn", "Below objective"
    return "good", "OK"


def _build_sentence(reports: list[KindReport]) -> str:
    measured = [report.longest for report in reports if report.longest.minutes_counted]
    if not measured:
        return "Nothing measured yet. Measuring starts when the first sync is complete."
    burns = [_describe_burn(report.kind, report.burn) for report in reports if report.burn]
    worst = min(measured, key=lambda window: window.share or 0)
    outside = (
        f", {_format_duration(worst.minutes_outside)} outside" if worst.minutes_outside else ""
    )
    share = f"Within promise: {format_share(worst.share)} of {_describe_window(worst)}{outside}."
    return " ".join([*burns, share])


def _describe_burn(kind: FreshnessKind, burn: Burn) -> str:
    window = burn.alert.window_label
    if burn.minutes_outside < burn.alert.long_minutes:
        during = f"for {_format_duration(burn.minutes_outside)} of {window}"
    else:
        during = f"throughout {window}"
    return f"{kind.label} were older than promised {during}."


def _describe_window(window: PromiseWindow) -> str:
    if window.minutes_counted >= (window.days - 1) * _FULL_DAY_MINUTES:
        return f"the last {window.days} days"
    return f"{_format_duration(window.minutes_counted)} measured in the last {window.days} days"


def _build_row(report: KindReport) -> FreshnessRow:
    minutes_outside = report.longest.minutes_outside
    return FreshnessRow(
        report.kind.label,
        report.promised_minutes,
        shares=tuple(format_share(window.share) for window in report.windows),
        outside=_format_duration(minutes_outside) if minutes_outside else "–",
        last_hour_outside=report.last_hour_outside,
    )


def _format_duration(minutes: int) -> str:
    days, hours = minutes // _FULL_DAY_MINUTES, minutes // 60
    if days >= 2:
        parts = [(days, "days"), (hours % 24, "h")]
    else:
        parts = [(hours, "h"), (minutes % 60, "min")]
    return " ".join(f"{number}\N{NO-BREAK SPACE}{unit}" for number, unit in parts if number)
