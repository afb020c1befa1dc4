from __future__ import annotations

import json
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from integrations.ats.emails import normalize_email
from portal.accounts import erased_users
from portal.audit import presentation, verbs
from portal.audit.forms import format_verb
from portal.audit.models import Entry
from portal.support.admin.base import LogAdmin
from portal.support.admin.customer_filter import build_customer_filter
from portal.web.id_parsing import parse_id


class VerbFilter(admin.SimpleListFilter):
    """Lists the chosen customer's verbs; listing everybody's would read all entries."""

    title = "verb"
    parameter_name = "verb"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        customer = parse_id(request.GET.get("customer", ""))
        used_verbs = verbs.list_used_verbs(customer) if customer is not None else []
        return [(verb, format_verb(verb)) for verb in used_verbs]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Entry]) -> QuerySet[Entry]:
        return queryset.filter(verb=self.value()) if self.value() else queryset


@admin.register(Entry)
class EntryAdmin(LogAdmin):
    list_display = ("at", "organization", "actor_name", "description", "ip_address", "verb")
    sortable_by = ("at", "organization", "verb")
    list_filter = (
        build_customer_filter("organization", no_customer_label="No customer (staff only)"),
        VerbFilter,
    )
    search_fields = ("actor_label", "description", "=verb")
    list_select_related = ("organization",)
    fields = (
        *list_display,
        "subject",
        "subject_id",
        "values_before",
        "values_after",
        "number",
        "seal",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Entry]:
        return Entry.objects.with_redaction().order_by(*self.get_ordering(request))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Entry], search_term: str
    ) -> tuple[QuerySet[Entry], bool]:
        """Entries of erased people cannot be found by their former name or address."""
        matches, may_have_duplicates = super().get_search_results(request, queryset, search_term)
        if search_term:
            matches = matches.filter(erased=False, about_erased=False)
            matches = matches.exclude(pk__in=_list_entries_naming_erased(matches))
        return matches, may_have_duplicates

    @admin.display(description="By")
    def actor_name(self, entry: Entry) -> str:
        return entry.actor_name

    @admin.display(description="Before")
    def values_before(self, entry: Entry) -> str:
        return _format_json(entry.before)

    @admin.display(description="After")
    def values_after(self, entry: Entry) -> str:
        return _format_json(entry.after)


def _list_entries_naming_erased(entries: QuerySet[Entry]) -> list[int]:
    """Entries that name an address which is shown as erased: a part of it would find them."""
    texts = entries.filter(description__contains="@").order_by()
    rows = list(texts.values_list("pk", "at", "description"))
    emails_by_entry = {pk: erased_users.find_emails(text) for pk, _, text in rows}
    erased_emails = erased_users.find_erased_emails(set().union(*emails_by_entry.values()))
    return [
        pk
        for pk, at, _ in rows
        for email in emails_by_entry[pk]
        if (erased_at := erased_emails.get(normalize_email(email))) and at <= erased_at
    ]


def _format_json(values: dict[str, Any] | None) -> str:
    return (
        "-"
        if values is None
        else json.dumps(presentation.get_visible_values(values), ensure_ascii=False)
    )
