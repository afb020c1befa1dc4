"""The log of an organization, for its admins: to read, and to take along."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC
from itertools import islice
from typing import Any

from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from portal.accounts.access import MemberRequest, admin_only
from portal.accounts.models import Membership
from portal.audit import shown
from portal.audit.forms import LogForm, in_words
from portal.audit.models import Entry

PAGE = 50
AT_ONCE = 500  # lines of the file


@require_safe
@admin_only
def log(request: MemberRequest) -> HttpResponse:
    """Who did what, newest first. Pages go by id, so that new entries do not shift them."""
    form = LogForm(request.GET or {}, request.membership.organization)
    valid = form.is_valid()
    found = form.entries() if valid else Entry.objects.none()
    before = request.GET.get("before", "")
    if before.isdecimal():
        found = found.filter(id__lt=int(before[:18]))
    entries = list(found[: PAGE + 1])
    more = len(entries) > PAGE
    narrowed = [name for name in form.fields if request.GET.get(name)]
    names = shown.names_for(request.membership, entries[:PAGE])
    context = {
        "form": form,
        "entries": [_shown(entry, form.members, names) for entry in entries[:PAGE]],
        "next_before": str(entries[PAGE - 1].pk) if more else "",
        "later": bool(before),
        "narrowed": bool(narrowed),
    }
    return render(request, "audit/log.html", context, status=200 if valid else 422)


def _shown(entry: Entry, members: dict[int, str], names: shown.Names) -> dict[str, Any]:
    """An entry for the page. Where our own staff sat is nobody else's business."""
    before, after = shown.values(entry.before, names), shown.values(entry.after, names)
    return {
        "at": entry.at,
        "who": entry.who,
        "what": in_words(entry.verb),
        "words": entry.words,
        "address": entry.address if entry.by_id in members else None,
        "before": before,
        "after": after,
        "changes": [
            (name.replace("_", " "), before.get(name), after.get(name))
            for name in dict.fromkeys([*before, *after])
        ],
    }


@require_safe
@admin_only
def export(request: MemberRequest) -> HttpResponseBase:
    """The same entries as a table for a spreadsheet, sent as they are read."""
    form = LogForm(request.GET or {}, request.membership.organization)
    if not form.is_valid():
        context = {"form": form, "entries": [], "narrowed": True}
        return render(request, "audit/log.html", context, status=422)
    answer = StreamingHttpResponse(
        _lines(form, request.membership), content_type="text/csv; charset=utf-8"
    )
    name = f"log-{request.membership.organization.slug}-{timezone.now():%Y-%m-%d}.csv"
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


class _Echo:
    def write(self, text: str) -> str:
        return text


def _lines(form: LogForm, reader: Membership) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield "\ufeff" + str(
        writer.writerow(("When (UTC)", "Who", "What", "In words", "From", "Before", "After"))
    )
    waiting = form.entries().iterator(chunk_size=AT_ONCE)
    while chunk := list(islice(waiting, AT_ONCE)):
        names = shown.names_for(reader, chunk)
        for entry in chunk:
            yield str(writer.writerow(map(safe_cell, _cells(entry, form.members, names))))


def _cells(entry: Entry, members: dict[int, str], names: shown.Names) -> tuple[str, ...]:
    told = _shown(entry, members, names)
    return (
        entry.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"),
        entry.who,
        entry.verb,
        entry.words,
        told["address"] or "",
        _pairs(told["before"]),
        _pairs(told["after"]),
    )


def _pairs(values: dict[str, Any]) -> str:
    return "; ".join(f"{name}: {value}" for name, value in values.items())


def safe_cell(text: str) -> str:
    """A cell that no spreadsheet takes for a formula (OWASP: CSV injection)."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else text
