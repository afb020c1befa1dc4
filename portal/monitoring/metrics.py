"""Prometheus gauges, read from the database, so they hold for any number of processes."""

from __future__ import annotations

import hmac
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, Sum
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeHistogramMetricFamily,
    GaugeMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from portal.accounts.access import public_view
from portal.applications.models import ApplicationAction
from portal.connections.models import ApiCall, CallPause, Connection
from portal.core import queue, worker_heartbeat
from portal.core.observability import metrics
from portal.core.tenancy.scope import all_organizations
from portal.issues.models import Issue
from portal.notifications.models import Notification
from portal.sync.models import FreshnessKind, FreshnessTotal, SyncRun
from portal.sync.service_level import burn_rate
from portal.sync.service_level.periods import truncate_to_minute

RECENT_WINDOW = timedelta(minutes=5)


@require_safe
@public_view("a machine asks, with METRICS_TOKEN; of people only operators")
@all_organizations("metrics are sums over all customers")
def export_metrics(request: HttpRequest) -> HttpResponse:
    if not (_has_token(request) or request.user.has_perm("support.view_system_health")):
        raise PermissionDenied
    registry = CollectorRegistry()
    registry.register(_PortalCollector())
    return HttpResponse(
        bytes(generate_latest(registry)) + metrics.render_metrics(),
        content_type="text/plain; version=0.0.4; charset=utf-8",
    )


def _has_token(request: HttpRequest) -> bool:
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    return bool(settings.METRICS_TOKEN) and hmac.compare_digest(
        token.encode(), settings.METRICS_TOKEN.encode()
    )


class _PortalCollector(Collector):
    def collect(self) -> Iterator[Metric]:
        statuses = queue.list_lane_statuses()
        yield _build_labeled_gauge(
            "portal_queue_tasks",
            "Tasks that are due and wait",
            "lane",
            [(status.lane.value, status.waiting_count) for status in statuses],
        )
        yield _build_labeled_gauge(
            "portal_queue_oldest_seconds",
            "Since the oldest of them was due",
            "lane",
            [(status.lane.value, status.oldest_age_seconds) for status in statuses],
        )
        worker_status = worker_heartbeat.get_worker_status()
        yield _build_gauge(
            "portal_worker_silent_seconds", "Since a worker was heard", worker_status.silent_seconds
        )
        window_start = timezone.now() - RECENT_WINDOW
        day_ago = timezone.now() - timedelta(days=1)
        yield _build_labeled_gauge(
            "portal_connections",
            "Connections by state",
            "state",
            Connection.objects.order_by().values_list("state").annotate(Count("pk")),
        )
        yield _build_labeled_gauge(
            "portal_open_issues",
            "Open issues by cause",
            "cause",
            Issue.objects.filter(closed_at=None)
            .order_by()
            .values_list("cause")
            .annotate(Count("pk")),
        )
        yield _build_labeled_gauge(
            "portal_greenhouse_requests",
            "Requests to Greenhouse in five minutes, by status (None: no answer)",
            "status",
            ApiCall.objects.filter(at__gte=window_start)
            .order_by()
            .values_list("status")
            .annotate(Count("pk")),
        )
        yield _build_labeled_gauge(
            "portal_greenhouse_pauses",
            "Connections whose calls to Greenhouse are paused, by cause",
            "cause",
            CallPause.objects.filter(until__gt=timezone.now())
            .order_by()
            .values_list("cause")
            .annotate(Count("pk")),
        )
        yield _build_latency_histogram(window_start)
        yield _build_labeled_gauge(
            "portal_actions",
            "Recruiters' actions in a day, by what came of them",
            "status",
            ApplicationAction.objects.filter(queued_at__gte=day_ago)
            .order_by()
            .values_list("status")
            .annotate(Count("pk")),
        )
        yield _build_labeled_gauge(
            "portal_syncs",
            "Syncs in a day, by how they ended",
            "status",
            SyncRun.objects.filter(queued_at__gte=day_ago)
            .order_by()
            .values_list("status")
            .annotate(Count("pk")),
        )
        yield from _build_freshness_metrics()
        unsent = Notification.objects.filter(status=Notification.Status.FAILED).count()
        yield _build_gauge("portal_unsent_notifications", "Notices that could not be sent", unsent)


def _build_freshness_metrics() -> Iterator[Metric]:
    """Sums over all customers; a label per customer would grow without limit."""
    yield _build_gauge(
        "portal_freshness_objective_ratio",
        "Share of the time in which data is to be as new as promised",
        settings.FRESHNESS_OBJECTIVE / 100,
    )
    totals = list(FreshnessTotal.objects.order_by("kind"))
    minutes = CounterMetricFamily(
        "portal_freshness_minutes",
        "Minutes of all customers in which data was as new as promised, or older",
        labels=["kind", "result"],
    )
    for total in totals:
        minutes.add_metric([total.kind, "within"], total.minutes_within)
        minutes.add_metric([total.kind, "outside"], total.minutes_outside)
    yield minutes
    if totals:
        age = timezone.now() - min(total.recorded_until for total in totals)
        yield _build_gauge(
            "portal_freshness_recorded_age_seconds",
            "Since minutes were last recorded",
            max(age.total_seconds(), 0),
        )
    yield _build_burning_gauge()


def _build_burning_gauge() -> Metric:
    burns = burn_rate.find_burns(Connection.objects.all(), truncate_to_minute(timezone.now()))
    counts = Counter((kind, burn.alert.speed) for (_, kind), burn in burns.items())
    metric = GaugeMetricFamily(
        "portal_freshness_burning_customers",
        "Customers whose data is older than promised too often, by burn rate",
        labels=["kind", "speed"],
    )
    for kind in FreshnessKind:
        for alert in burn_rate.ALERTS:
            metric.add_metric([kind, alert.speed], counts[kind, alert.speed])
    return metric


def _build_latency_histogram(since: datetime) -> Metric:
    recent_calls = ApiCall.objects.filter(at__gte=since)
    bounds_by_alias = {
        f"s{index}": upper_bound for index, upper_bound in enumerate(metrics.BUCKET_SECONDS)
    }
    counts = recent_calls.aggregate(
        n=Count("pk"),
        sum=Sum("milliseconds"),
        **{
            name: Count("pk", filter=Q(milliseconds__lte=upper_bound * 1000))
            for name, upper_bound in bounds_by_alias.items()
        },
    )
    metric = GaugeHistogramMetricFamily(
        "portal_greenhouse_request_seconds", "How long Greenhouse took, in five minutes"
    )
    buckets = [
        (str(float(upper_bound)), counts[name]) for name, upper_bound in bounds_by_alias.items()
    ]
    metric.add_metric([], [*buckets, ("+Inf", counts["n"])], (counts["sum"] or 0) / 1000)
    return metric


def _build_gauge(name: str, documentation: str, value: float) -> Metric:
    return GaugeMetricFamily(name, documentation, value=value)


def _build_labeled_gauge(
    name: str, documentation: str, label: str, counts: Iterable[tuple[object, float]]
) -> Metric:
    metric = GaugeMetricFamily(name, documentation, labels=[label])
    for key, count in counts:
        metric.add_metric([str(key)], count)
    return metric
