"""How the portal does, in numbers for Prometheus; asked of the database at each scrape.

So the numbers are right however many processes serve and work. How long requests and tasks take is
measured by each process (portal.core.measure).
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, Sum
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeHistogramMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from portal.accounts.access import public
from portal.applications.models import ApplicationAction
from portal.connections.models import ApiCall, Connection
from portal.core import measure, pulse, queue
from portal.issues.models import Issue
from portal.mirror.models import SyncRun
from portal.notices.models import Notice

WINDOW = timedelta(minutes=5)


@require_safe
@public("a machine asks, with METRICS_TOKEN; of people only operators")
def metrics(request: HttpRequest) -> HttpResponse:
    """Every number, as Prometheus reads them."""
    if not (_has_token(request) or request.user.has_perm("support.operate")):
        raise PermissionDenied
    registry = CollectorRegistry()
    registry.register(_Portal())
    return HttpResponse(
        bytes(generate_latest(registry)) + measure.told(),
        content_type="text/plain; version=0.0.4; charset=utf-8",
    )


def _has_token(request: HttpRequest) -> bool:
    told = request.headers.get("Authorization", "").removeprefix("Bearer ")
    return bool(settings.METRICS_TOKEN) and hmac.compare_digest(
        told.encode(), settings.METRICS_TOKEN.encode()
    )


class _Portal(Collector):
    def collect(self) -> Iterator[Metric]:
        depth = queue.depth()
        yield _one("portal_queue_tasks", "Tasks that wait", -1 if depth is None else depth)
        sign = pulse.look()
        yield _one("portal_worker_silent_seconds", "Since a worker was heard", sign.seconds)
        since = timezone.now() - WINDOW
        day = timezone.now() - timedelta(days=1)
        yield _many(
            "portal_connections",
            "Connections by state",
            "state",
            Connection.objects.order_by().values_list("state").annotate(Count("pk")),
        )
        yield _many(
            "portal_open_issues",
            "Open issues by cause",
            "cause",
            Issue.objects.filter(closed_at=None)
            .order_by()
            .values_list("cause")
            .annotate(Count("pk")),
        )
        yield _many(
            "portal_greenhouse_requests",
            "Requests to Greenhouse in five minutes, by status (None: no answer)",
            "status",
            ApiCall.objects.filter(at__gte=since)
            .order_by()
            .values_list("status")
            .annotate(Count("pk")),
        )
        yield _seconds(since)
        yield _many(
            "portal_actions",
            "Recruiters' actions in a day, by what came of them",
            "status",
            ApplicationAction.objects.filter(queued_at__gte=day)
            .order_by()
            .values_list("status")
            .annotate(Count("pk")),
        )
        yield _many(
            "portal_syncs",
            "Syncs in a day, by how they ended",
            "status",
            SyncRun.objects.filter(queued_at__gte=day)
            .order_by()
            .values_list("status")
            .annotate(Count("pk")),
        )
        unsent = Notice.objects.filter(status=Notice.Status.FAILED).count()
        yield _one("portal_unsent_notices", "Notices that could not be sent", unsent)


def _seconds(since: datetime) -> Metric:
    """How long Greenhouse took lately, in steps that Prometheus can tell percentiles from."""
    lately = ApiCall.objects.filter(at__gte=since)
    steps = {f"s{number}": most for number, most in enumerate(measure.SECONDS)}
    counts = lately.aggregate(
        n=Count("pk"),
        sum=Sum("milliseconds"),
        **{
            name: Count("pk", filter=Q(milliseconds__lte=most * 1000))
            for name, most in steps.items()
        },
    )
    metric = GaugeHistogramMetricFamily(
        "portal_greenhouse_request_seconds", "How long Greenhouse took, in five minutes"
    )
    buckets = [(str(float(most)), counts[name]) for name, most in steps.items()]
    metric.add_metric([], [*buckets, ("+Inf", counts["n"])], (counts["sum"] or 0) / 1000)
    return metric


def _one(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(name, words, value=value)


def _many(name: str, words: str, label: str, counts: Iterable[tuple[object, int]]) -> Metric:
    metric = GaugeMetricFamily(name, words, labels=[label])
    for key, n in counts:
        metric.add_metric([str(key)], n)
    return metric
