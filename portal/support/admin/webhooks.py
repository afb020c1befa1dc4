"""Web hooks: which came, what became of them, which kinds are heard. Ids only, no secret."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest

from portal.support.admin.base import Watched
from portal.support.admin.customers import of_customer
from portal.webhooks.models import Address, Delivery, Heartbeat


class Action(admin.SimpleListFilter):
    """The kinds that were ever heard: few rows tell them, where deliveries are many."""

    title = "action"
    parameter_name = "action"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        heard = Heartbeat.objects.order_by("action").values_list("action", flat=True).distinct()
        return [(action, action) for action in heard]

    def queryset(self, request: HttpRequest, found: QuerySet[Any]) -> QuerySet[Any]:
        return found.filter(action=self.value()) if self.value() else found


@admin.register(Address)
class AddressAdmin(Watched):
    """Each customer's address, without what would let somebody deliver to it."""

    list_display = (
        "connection",
        "heard_at",
        "waiting",
        "failures",
        "not_before",
        "refused",
        "refused_at",
        "tested_at",
        "test_read_at",
    )
    search_fields = ("connection__organization__name",)
    list_select_related = ("connection__organization",)
    fields = (
        *list_display,
        "last_four",
        "made_by",
        "made_at",
        "changed_at",
        "former_until",
        "reading_at",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Address]:
        waiting = Delivery.objects.filter(
            connection=OuterRef("connection"), outcome=Delivery.Outcome.WAITING
        )
        counted = waiting.order_by().values("connection").annotate(n=Count("pk")).values("n")
        found: QuerySet[Address] = super().get_queryset(request)
        return found.annotate(number_waiting=Coalesce(Subquery(counted), 0))

    @admin.display(description="Waiting", ordering="number_waiting")
    def waiting(self, address: Any) -> int:
        return int(address.number_waiting)


@admin.register(Delivery)
class DeliveryAdmin(Watched):
    """What was delivered: the kind of event and the ids it names, never what it says of anybody."""

    list_display = (
        "received_at",
        "connection",
        "action",
        "times",
        "outcome",
        "why",
        "settled_at",
    )
    list_filter = (of_customer("connection__organization"), "outcome", Action)
    search_fields = ("=event_id",)
    list_select_related = ("connection__organization",)
    fields = (*list_display, "not_before", "failures", "event_id", "subject", "names", "gone")


@admin.register(Heartbeat)
class HeartbeatAdmin(Watched):
    """When each kind of event was last heard; one that fell silent has an issue."""

    list_display = ("connection", "action", "first_at", "last_at", "times", "by_former_secret")
    list_filter = (of_customer("connection__organization"), Action)
    list_select_related = ("connection__organization",)
    fields = list_display
