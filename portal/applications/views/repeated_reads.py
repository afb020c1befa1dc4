"""While Greenhouse is slow, pages ask for the same details again and again: for a few seconds, a
session's further requests get the same answer without a query.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from django.core.cache.backends.locmem import LocMemCache
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string

from integrations.ats.errors import SLOW_SENTENCE
from portal.applications.views.read_failure import ReadFailure
from portal.web.early_answers import build_session_key, count_seconds_until, resolve_early

MEMORY_SECONDS = 5
_outages = LocMemCache("slow-greenhouse", {})  # by session: the end in epoch seconds
View = TypeVar("View", bound=Callable[..., HttpResponseBase])


class RepeatedReadMiddleware:
    """Must come before SessionMiddleware. Only HTMX is answered, since a page has more to say."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        seconds = _get_seconds_left(request)
        if not seconds or not _is_repeatable(request):
            return self.get_response(request)
        context = {"request": request, "failure": ReadFailure(SLOW_SENTENCE, seconds)}
        response = HttpResponse(render_to_string("applications/_read_failure.html", context))
        response["Cache-Control"] = "no-store"
        return response


def answers_repeated_reads(view: View) -> View:
    """For a view whose HTMX response is `_read_failure.html` while Greenhouse is slow."""
    view.answers_repeated_reads = True  # type: ignore[attr-defined]
    return view


def note_slow_read(request: HttpRequest, retry_seconds: int) -> None:
    if key := _get_key(request):
        seconds = min(retry_seconds, MEMORY_SECONDS)
        _outages.set(key, time.time() + seconds, seconds)


def _get_key(request: HttpRequest) -> str:
    return build_session_key(request, request.headers.get("X-Page-Organization"))


def _get_seconds_left(request: HttpRequest) -> int:
    if request.method != "GET" or "HX-Request" not in request.headers:
        return 0
    ends_at: Any = _outages.get(_get_key(request))
    return count_seconds_until(ends_at) if ends_at else 0


def _is_repeatable(request: HttpRequest) -> bool:
    match = resolve_early(request)
    return match is not None and getattr(match.func, "answers_repeated_reads", False)
