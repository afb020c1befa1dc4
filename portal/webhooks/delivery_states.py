"""Which deliveries wait or are due, and recording their outcome."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import F, Q, QuerySet
from django.utils import timezone

from portal.connections.models import Connection
from portal.sync import alerts
from portal.webhooks.models import MAX_REASON_LENGTH, Delivery

GIVE_UP_AFTER = timedelta(hours=24)
MAX_TAKES = 3
UNEXPECTED_SENTENCE = "Refreshing it failed unexpectedly. The next sync picks it up."
Outcome = Delivery.Outcome


def expire_deliveries(waiting: QuerySet[Delivery]) -> None:
    old = waiting.filter(received_at__lt=timezone.now() - GIVE_UP_AFTER)
    settle_deliveries(old, Outcome.FAILED, "Greenhouse didn't respond for a day.")


def select_waiting(connection: Connection) -> QuerySet[Delivery]:
    return Delivery.objects.filter(connection=connection, outcome=Outcome.WAITING).order_by("id")


def is_not_deferred() -> Q:
    return Q(retry_at=None) | Q(retry_at__lte=timezone.now())


def select_due(connection: Connection) -> QuerySet[Delivery]:
    return select_waiting(connection).filter(is_not_deferred()).order_by("failure_count", "id")


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
    if waiting.filter(take_count__gte=MAX_TAKES).exists():
        settle_deliveries(waiting, Outcome.FAILED, UNEXPECTED_SENTENCE)
        alerts.report_failed_read(connection)
        return False
    waiting.update(take_count=F("take_count") + 1)
    return True


def release_deliveries(deliveries: QuerySet[Delivery]) -> None:
    waiting = deliveries.filter(outcome=Outcome.WAITING, take_count__gt=0)
    waiting.order_by().update(take_count=0)
