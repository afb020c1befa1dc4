"""Who asks too often is told to wait, before anything is done for them.

LIMITS counts POSTs of a person (of an address, where nobody has signed in), GUESSES the answers
that say "no such" to an address. Counted in the cache: with Redis for all processes together,
without it in each of them. Who cannot be counted is let through: Redis that is down ends no work.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from redis import RedisError

from portal.core.client_ip import client_ip

logger = logging.getLogger(__name__)

NO_SUCH = {404, 410}


class Limits:
    """Middleware: needs the person, so it stands behind authentication."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        name = _name(request)
        if name in settings.GUESSES and response.status_code in NO_SUCH:
            count_hit(f"guess:{name}:{client_ip(request)}", settings.GUESSES[name])
        return response

    def process_view(
        self, request: HttpRequest, view: Any, args: Any, kwargs: Any
    ) -> HttpResponse | None:
        name = _name(request)
        if name in settings.LIMITS and request.method == "POST":
            wait = count_hit(f"post:{name}:{_whose(request)}", settings.LIMITS[name])
            return _wait(request, wait) if wait else None
        if name in settings.GUESSES:
            key, (most, seconds) = f"guess:{name}:{client_ip(request)}", settings.GUESSES[name]
            if _count_of(key) >= most:
                return _wait(request, _seconds_left(key, seconds))
        return None


def count_hit(key: str, limit: tuple[int, int]) -> int:
    """Count one hit; gives the seconds to wait when it is over the limit, else 0.

    `limit` is (hits, seconds). The window begins with its first hit.
    """
    most, seconds = limit
    return _seconds_left(key, seconds) if _increment(key, seconds) > most else 0


def _name(request: HttpRequest) -> str:
    match = request.resolver_match
    return match.view_name if match else ""


def _whose(request: HttpRequest) -> str:
    user = request.user
    return f"user-{user.pk}" if user.is_authenticated else f"at-{client_ip(request)}"


def _increment(key: str, seconds: int) -> int:
    try:
        if cache.add(f"limit:{key}", 1, seconds):
            cache.set(f"limit:{key}:ends", time.time() + seconds, seconds)
            return 1
        return int(cache.incr(f"limit:{key}"))
    except ValueError:  # the window ended between the two commands
        return 1
    except (RedisError, OSError):
        logger.warning("The cache does not answer: nobody is counted")
        return 0


def _count_of(key: str) -> int:
    try:
        return int(cache.get(f"limit:{key}", 0))
    except (RedisError, OSError):
        return 0


def _seconds_left(key: str, seconds: int) -> int:
    """Until the window ends, at least 1; the whole window where that cannot be read."""
    try:
        ends = cache.get(f"limit:{key}:ends")
    except (RedisError, OSError):
        ends = None
    return max(1, math.ceil(ends - time.time())) if ends else seconds


def _wait(request: HttpRequest, seconds: int) -> HttpResponse:
    response = render(request, "429.html", {"minutes": math.ceil(seconds / 60)}, status=429)
    response["Retry-After"] = str(seconds)
    return response
