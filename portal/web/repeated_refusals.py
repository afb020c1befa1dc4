"""Clients over a rate limit often go on: for a few seconds, a session's further requests to the
same view get 429 without a query or a page of their own.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import lru_cache

from django.core.cache.backends.locmem import LocMemCache
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from portal.web.early_answers import build_session_key, count_seconds_until, resolve_early

MEMORY_SECONDS = 5
# By session and method: the view, and the end of the refusal in epoch seconds.
_refusals = LocMemCache("refusals", {})


class RepeatedRefusalMiddleware:
    """Must come before SessionMiddleware."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if seconds := _get_seconds_left(request):
            return _build_response(seconds)
        return self.get_response(request)


def note_refusal(request: HttpRequest, seconds: int) -> None:
    if request.resolver_match and (key := build_session_key(request, request.method)):
        _refusals.set(
            key, (request.resolver_match.view_name, time.time() + seconds), MEMORY_SECONDS
        )


def _build_response(seconds: int) -> HttpResponse:
    response = HttpResponse(_render_page(math.ceil(seconds / 60)), status=429)
    response["Retry-After"], response["Cache-Control"] = str(seconds), "no-store"
    return response


@lru_cache(maxsize=100)
def _render_page(minutes: int) -> str:
    return render_to_string("429.html", {"minutes": minutes})


def _get_seconds_left(request: HttpRequest) -> int:
    key = build_session_key(request, request.method)
    refusal: tuple[str, float] | None = _refusals.get(key) if key else None
    if refusal is None:
        return 0
    view_name, ends_at = refusal
    match = resolve_early(request)
    is_repeated = match is not None and match.view_name == view_name
    return count_seconds_until(ends_at) if is_repeated else 0
