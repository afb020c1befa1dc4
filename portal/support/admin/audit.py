"""The audit record, to read. Nobody adds, changes or deletes in it here either."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from portal.accounts import former
from portal.audit import shown, verbs
from portal.audit.forms import in_words
from portal.audit.models import Entry
from portal.core.keys import as_key
from portal.support.admin.base import Log
from portal.support.admin.customers import of_customer


class Verb(admin.SimpleListFilter):
    """The verbs of the customer that is chosen: for those of all, all entries would be read."""

    title = "verb"
    parameter_name = "verb"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        customer = as_key(request.GET.get("customer", ""))
        known = verbs.used(customer) if customer is not None else []
        return [(verb, in_words(verb)) for verb in known]

    def queryset(self, request: HttpRequest, found: QuerySet[Entry]) -> QuerySet[Entry]:
        return found.filter(verb=self.value()) if self.value() else found


@admin.register(Entry)
class EntryAdmin(Log):
    list_display = ("at", "organization", "who", "words", "address", "verb")
    list_filter = (of_customer("organization", nobody="No customer: our own staff"), Verb)
    search_fields = ("by_words", "words", "=verb")
    list_select_related = ("organization",)
    fields = (*list_display, "subject", "subject_id", "was", "became", "number", "seal")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Entry]:
        return Entry.objects.with_who().order_by(*self.get_ordering(request))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Entry], search_term: str
    ) -> tuple[QuerySet[Entry], bool]:
        """Nobody who was erased is found by what they were called, or by their address."""
        found, twice = super().get_search_results(request, queryset, search_term)
        if search_term:
            found = found.filter(erased=False, about_erased=False)
        for at in former.erased(search_term.split()).values():
            found = found.filter(at__gt=at)
        return found, twice

    @admin.display(description="By", ordering="by_words")
    def who(self, entry: Entry) -> str:
        return entry.who

    @admin.display(description="Before")
    def was(self, entry: Entry) -> str:
        return _as_json(entry.before)

    @admin.display(description="After")
    def became(self, entry: Entry) -> str:
        return _as_json(entry.after)


def _as_json(told: dict[str, Any] | None) -> str:
    return "-" if told is None else json.dumps(shown.values(told), ensure_ascii=False)
