from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from itertools import islice
from typing import Any

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from portal.accounts.access import MemberRequest, admin_only
from portal.accounts.models import Membership
from portal.audit import presentation
from portal.audit.forms import LogForm
from portal.audit.models import Entry
from portal.web.csv_rows import build_csv_response
from portal.web.id_parsing import parse_id

PAGE_SIZE = 50
CHUNK_SIZE = 500
CSV_HEADINGS = ("When (UTC)", "Who", "What", "In words", "From", "Before", "After")


@require_safe
@admin_only
def show_log(request: MemberRequest) -> HttpResponse:
    """Pages go by id, so that new entries don't shift them."""
    form = LogForm(request.GET or {}, request.membership.organization)
    is_valid = form.is_valid()
    queryset = form.get_entries() if is_valid else Entry.objects.none()
    before_id = request.GET.get("before", "")
    if (before := parse_id(before_id)) is not None:
        queryset = queryset.filter(id__lt=before)
    entries = list(queryset[: PAGE_SIZE + 1])
    has_more = len(entries) > PAGE_SIZE
    active_filters = [field.name for field in form.visible_fields() if request.GET.get(field.name)]
    titles = presentation.get_job_titles(request.membership, entries[:PAGE_SIZE])
    context = {
        "form": form,
        "entries": [
            _build_entry_context(entry, form.members, titles) for entry in entries[:PAGE_SIZE]
        ],
        "next_before": str(entries[PAGE_SIZE - 1].pk) if has_more else "",
        "is_later_page": bool(before_id),
        "is_filtered": bool(active_filters),
    }
    return render(request, "audit/log.html", context, status=200 if is_valid else 422)


def _build_entry_context(
    entry: Entry, members: dict[int, str], titles: presentation.JobTitles
) -> dict[str, Any]:
    before, after = (
        presentation.get_visible_values(entry.before, titles),
        presentation.get_visible_values(entry.after, titles),
    )
    return {
        "at": entry.at,
        "actor_name": entry.actor_name,
        "description": entry.description,
        # IP addresses of our own staff aren't shown.
        "ip_address": entry.ip_address if entry.by_id in members else None,
        "before": before,
        "after": after,
        "changes": [
            (name.replace("_", " "), before.get(name), after.get(name))
            for name in dict.fromkeys([*before, *after])
        ],
    }


@require_safe
@admin_only
def export_csv(request: MemberRequest) -> HttpResponseBase:
    form = LogForm(request.GET or {}, request.membership.organization)
    if not form.is_valid():
        context = {"form": form, "entries": [], "is_filtered": True}
        return render(request, "audit/log.html", context, status=422)
    name = f"log-{request.membership.organization.slug}"
    return build_csv_response(name, CSV_HEADINGS, _list_rows(form, request.membership))


def _list_rows(form: LogForm, reader: Membership) -> Iterator[tuple[str, ...]]:
    entries = form.get_entries().iterator(chunk_size=CHUNK_SIZE)
    while chunk := list(islice(entries, CHUNK_SIZE)):
        titles = presentation.get_job_titles(reader, chunk)
        for entry in chunk:
            yield _build_cells(entry, form.members, titles)


def _build_cells(
    entry: Entry, members: dict[int, str], titles: presentation.JobTitles
) -> tuple[str, ...]:
    context = _build_entry_context(entry, members, titles)
    return (
        entry.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"),
        entry.actor_name,
        entry.verb,
        entry.description,
        context["ip_address"] or "",
        _format_pairs(context["before"]),
        _format_pairs(context["after"]),
    )


def _format_pairs(values: dict[str, Any]) -> str:
    return "; ".join(f"{name}: {value}" for name, value in values.items())
