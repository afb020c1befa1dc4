"""Which deliveries wait or are due, and recording their outcome."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, Q, QuerySet
from django.utils import timezone

from portal.connections.models import Connection
from portal.core.database.compiled_queries import compile_once, count_once
from portal.sync import alerts
from portal.webhooks.models import MAX_REASON_LENGTH, Delivery

GIVE_UP_AFTER = timedelta(hours=24)
MAX_TAKES = 3
UNEXPECTED_SENTENCE = "Refreshing it failed unexpectedly. The next sync picks it up."
Outcome = Delivery.Outcome


def expire_deliveries(waiting: QuerySet[Delivery]) -> None:
    old = waiting.filter(received_at__lt=timezone.now() - GIVE_UP_AFTER)
    settle_deliveries(old, Outcome.FAILED, "Greenhouse didn't respond for a day.")


def select_waiting(connection_id: int) -> QuerySet[Delivery]:
    waiting = Delivery.objects.filter(connection=connection_id, outcome=Outcome.WAITING)
    return waiting.order_by("id")


def is_not_deferred(now: datetime) -> Q:
    return Q(retry_at=None) | Q(retry_at__lte=now)


def _query_due(connection_id: int, now: datetime) -> QuerySet[Delivery]:
    due = select_waiting(connection_id).filter(is_not_deferred(now))
    return due.order_by("failure_count", "id")


@compile_once
def find_due(connection_id: int, now: datetime, *, limit: int) -> QuerySet[Delivery]:
    return _query_due(connection_id, now)[:limit]


@count_once
def count_due(connection_id: int, now: datetime) -> QuerySet[Delivery, Any]:
    """1 if there are any."""
    return _query_due(connection_id, now).order_by().values("pk")[:1]


@compile_once
def find_deferred(connection_id: int, now: datetime) -> QuerySet[Delivery]:
    return select_waiting(connection_id).filter(retry_at__gt=now)


def settle_by_pk(pks: list[int], outcome: str, why: str = "") -> int:
    if not pks:
        return 0
    return settle_deliveries(
        Delivery.objects.filter(pk__in=pks, outcome=Outcome.WAITING), outcome, why
    )


def settle_deliveries(waiting: QuerySet[Delivery], outcome: str, why: str = "") -> int:
    # Neither SQLite nor PostgreSQL supports an ordered UPDATE.
    reason = why[:MAX_REASON_LENGTH]
    return waiting.order_by().update(outcome=outcome, reason=reason, processed_at=timezone.now())


def take_deliveries(connection: Connection, pks: list[int]) -> bool:
    """Count that a reading begins; False if workers died over it too often."""
    waiting = Delivery.objects.filter(pk__in=pks, outcome=Outcome.WAITING).order_by()
    less_taken = waiting.filter(take_count__lt=MAX_TAKES)
    taken_count = less_taken.update(take_count=F("take_count") + 1)
    if taken_count == len(pks) or taken_count == waiting.count():
        return True
    settle_deliveries(waiting, Outcome.FAILED, UNEXPECTED_SENTENCE)
    alerts.report_failed_read(connection)
    return False


def release_deliveries(deliveries: QuerySet[Delivery]) -> None:
    waiting = deliveries.filter(outcome=Outcome.WAITING, take_count__gt=0)
    waiting.order_by().update(take_count=0)
