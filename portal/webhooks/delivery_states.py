"""Which deliveries wait or are due, and recording their outcome."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone

from portal.connections.models import Connection
from portal.webhooks.models import Delivery

GIVE_UP_AFTER = timedelta(hours=24)
Outcome = Delivery.Outcome


def expire_deliveries(waiting: QuerySet[Delivery]) -> None:
    old = waiting.filter(received_at__lt=timezone.now() - GIVE_UP_AFTER)
    settle_deliveries(old, Outcome.FAILED, "Greenhouse did not answer for a day.")


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
    return waiting.order_by().update(outcome=outcome, reason=why[:300], processed_at=timezone.now())
