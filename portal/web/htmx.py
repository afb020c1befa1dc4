from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseRedirectBase
from django.shortcuts import redirect, render
from django_htmx.http import HttpResponseClientRedirect


def wants_partial(request: HttpRequest) -> bool:
    """Whether HTMX asks for a part of the page; a history restore needs the full page."""
    htmx = request.htmx  # type: ignore[attr-defined]
    return bool(htmx) and not htmx.history_restore_request


def render_page_or_partial(
    request: HttpRequest,
    template: str,
    partial: str,
    context: dict[str, Any],
    *,
    status: int = 200,
) -> HttpResponse:
    """Render `template`, or its partial for HTMX; a history restore gets the full page."""
    name = f"{template}#{partial}" if wants_partial(request) else template
    response = render(request, name, context, status=status)
    response["Vary"] = "HX-Request"
    return response


def redirect_page(request: HttpRequest, to: str) -> HttpResponseRedirectBase:
    """Take the whole page to a URL or URL name, also when HTMX asks for a part of it."""
    response = redirect(to)
    return HttpResponseClientRedirect(response.url) if request.htmx else response  # type: ignore[attr-defined]
