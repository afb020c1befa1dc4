"""One view, one URL: the whole page, or the part of it that HTMX asked for."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Page
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def summary(page: Page[Any]) -> str:
    """Where a page of a list stands, in words: "1 to 50 of 1,240"."""
    total = page.paginator.count
    return f"{page.start_index():,} to {page.end_index():,} of {total:,}" if total else ""


def page_or_part(
    request: HttpRequest,
    template: str,
    part: str,
    context: dict[str, Any],
    *,
    status: int = 200,
) -> HttpResponse:
    """Render `template`, or only its partial `part` when HTMX asks for a part of the page.

    The view chooses the part; the browser never names it. A history restore gets the whole page.
    """
    wants_part = request.htmx and not request.htmx.history_restore_request  # type: ignore[attr-defined]
    name = f"{template}#{part}" if wants_part else template
    response = render(request, name, context, status=status)
    response["Vary"] = "HX-Request"
    return response
