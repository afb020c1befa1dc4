"""The audit record, to read. Nobody adds, changes or deletes in it here either."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from portal.audit.models import Entry
from portal.support.admin.base import Watched


@admin.register(Entry)
class EntryAdmin(Watched):
    list_display = ("at", "organization", "who", "words", "address", "verb")
    list_filter = ("organization", "verb")
    search_fields = ("by_words", "words")
    list_select_related = ("organization",)
    fields = (*list_display, "subject", "subject_id", "before", "after", "number", "seal")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Entry]:
        return Entry.objects.with_who().order_by(*self.get_ordering(request))

    @admin.display(description="By", ordering="by_words")
    def who(self, entry: Entry) -> str:
        return entry.who
