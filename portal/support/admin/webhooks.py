"""Webhook admins: IDs only, no secrets."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest

from portal.support.admin.base import ReadOnlyAdmin
from portal.support.admin.customer_filter import build_customer_filter
from portal.webhooks.models import Delivery, Endpoint, Heartbeat


class ActionFilter(admin.SimpleListFilter):
    title = "action"
    parameter_name = "action"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        # Heartbeats have few rows, deliveries many.
        actions = Heartbeat.objects.order_by("action").values_list("action", flat=True).distinct()
        return [(action, action) for action in actions]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(action=self.value()) if self.value() else queryset


@admin.register(Endpoint)
class EndpointAdmin(ReadOnlyAdmin):
    list_display = (
        "connection",
        "last_delivery_at",
        "waiting_count",
        "unreadable_count",
        "failure_count",
        "retry_at",
        "rejected_count",
        "last_rejected_at",
        "tested_at",
        "test_processed_at",
    )
    sortable_by = (
        "last_delivery_at",
        "waiting_count",
        "unreadable_count",
        "failure_count",
        "rejected_count",
        "last_rejected_at",
        "tested_at",
    )
    search_fields = ("connection__organization__name",)
    list_select_related = ("connection__organization",)
    fields = (
        *list_display,
        "last_four",
        "created_by",
        "created_at",
        "changed_at",
        "previous_secret_expires_at",
        "heartbeat_at",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Endpoint]:
        queryset: QuerySet[Endpoint] = super().get_queryset(request)
        return queryset.annotate(
            number_waiting=_count_deliveries(Delivery.Outcome.WAITING),
            number_unreadable=_count_deliveries(Delivery.Outcome.UNREADABLE),
        )

    @admin.display(description="Waiting", ordering="number_waiting")
    def waiting_count(self, endpoint: Any) -> int:
        return int(endpoint.number_waiting)

    @admin.display(description="Unreadable", ordering="number_unreadable")
    def unreadable_count(self, endpoint: Any) -> int:
        return int(endpoint.number_unreadable)


def _count_deliveries(outcome: str) -> Coalesce:
    deliveries = Delivery.objects.filter(connection=OuterRef("connection"), outcome=outcome)
    counted = deliveries.order_by().values("connection").annotate(n=Count("pk")).values("n")
    return Coalesce(Subquery(counted), 0)


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    list_display = (
        "received_at",
        "connection",
        "action",
        "delivery_count",
        "outcome",
        "reason",
        "processed_at",
    )
    sortable_by = ("received_at", "action", "delivery_count", "outcome", "processed_at")
    list_filter = (build_customer_filter("connection__organization"), "outcome", ActionFilter)
    search_fields = ("=event_id",)
    list_select_related = ("connection__organization",)
    fields = (
        *list_display,
        "retry_at",
        "failure_count",
        "event_id",
        "subject",
        "record_ids",
        "is_deletion",
    )


@admin.register(Heartbeat)
class HeartbeatAdmin(ReadOnlyAdmin):
    list_display = (
        "connection",
        "action",
        "first_at",
        "last_at",
        "delivery_count",
        "used_previous_secret",
    )
    sortable_by = ("action", "first_at", "last_at", "delivery_count")
    list_filter = (build_customer_filter("connection__organization"), ActionFilter)
    list_select_related = ("connection__organization",)
    fields = list_display
