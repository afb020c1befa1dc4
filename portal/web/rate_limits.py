"""Clients over their limit get 429 before the view runs. Counts POSTs and some GETs per user (per
IP if signed out) and not-found responses per IP, in the cache. Without Redis, or while it is down,
each process counts for itself.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from portal.web.client_ip import get_client_ip
from portal.web.repeated_refusals import note_refusal

NOT_FOUND_STATUSES = {404, 410}


class RateLimitMiddleware:
    """Must come after AuthenticationMiddleware."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        name = _get_view_name(request)
        if name in settings.NOT_FOUND_RATE_LIMITS and response.status_code in NOT_FOUND_STATUSES:
            count_hit(
                f"guess:{name}:{get_client_ip(request)}", settings.NOT_FOUND_RATE_LIMITS[name]
            )
        return response

    def process_view(
        self, request: HttpRequest, view: Any, args: Any, kwargs: Any
    ) -> HttpResponse | None:
        name = _get_view_name(request)
        limits = settings.POST_RATE_LIMITS if request.method == "POST" else settings.GET_RATE_LIMITS
        if name in limits:
            method = "post" if request.method == "POST" else "get"
            seconds_left = count_hit(f"{method}:{name}:{_get_client_key(request)}", limits[name])
            if not seconds_left:
                return None
            note_refusal(request, seconds_left)
            return _render_too_many_requests(request, seconds_left)
        if name in settings.NOT_FOUND_RATE_LIMITS:
            key, (max_hits, seconds) = (
                f"guess:{name}:{get_client_ip(request)}",
                settings.NOT_FOUND_RATE_LIMITS[name],
            )
            if _get_count(key) >= max_hits:
                return _render_too_many_requests(request, _get_seconds_left(key, seconds))
        return None


def count_hit(key: str, limit: tuple[int, int]) -> int:
    """Count one hit; return the seconds to wait if it exceeds `limit` (hits, seconds), else 0."""
    max_hits, seconds = limit
    return _get_seconds_left(key, seconds) if _increment_counter(key, seconds) > max_hits else 0


def _get_view_name(request: HttpRequest) -> str:
    match = request.resolver_match
    return match.view_name if match else ""


def _get_client_key(request: HttpRequest) -> str:
    user = request.user
    return f"user-{user.pk}" if user.is_authenticated else f"at-{get_client_ip(request)}"


def _increment_counter(key: str, seconds: int) -> int:
    for _ in range(2):  # the window may end, or begin, between two commands
        try:
            return int(cache.incr(f"limit:{key}"))
        except ValueError:
            if cache.add(f"limit:{key}", 1, seconds):
                cache.set(f"limit:{key}:ends", time.time() + seconds, seconds)
                return 1
    return 1


def _get_count(key: str) -> int:
    return int(cache.get(f"limit:{key}", 0))


def _get_seconds_left(key: str, seconds: int) -> int:
    """At least 1; the whole window if its end cannot be read."""
    ends_at = cache.get(f"limit:{key}:ends")
    return max(1, math.ceil(ends_at - time.time())) if ends_at else seconds


def _render_too_many_requests(request: HttpRequest, seconds: int) -> HttpResponse:
    response = render(request, "429.html", {"minutes": math.ceil(seconds / 60)}, status=429)
    response["Retry-After"] = str(seconds)
    return response
