"""Who asks too often is told to wait, before anything is done for them.

LIMITS counts POSTs of a person (of an address, where nobody has signed in), GUESSES the answers
that say "no such" to an address. Counted in the cache: with Redis for all processes together,
without it in each of them. Who cannot be counted is let through: Redis that is down ends no work.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from redis import RedisError

from portal.core.client_ip import client_ip

logger = logging.getLogger(__name__)

NO_SUCH = {401, 404, 410}


class Limits:
    """Middleware: needs the person, so it stands behind authentication."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        name = _name(request)
        if name in settings.GUESSES and response.status_code in NO_SUCH:
            _count(f"guess:{name}:{client_ip(request)}", settings.GUESSES[name][1])
        return response

    def process_view(
        self, request: HttpRequest, view: Any, args: Any, kwargs: Any
    ) -> HttpResponse | None:
        name = _name(request)
        if name in settings.LIMITS and request.method == "POST":
            most, seconds = settings.LIMITS[name]
            if _count(f"post:{name}:{_whose(request)}", seconds) > most:
                return _wait(request, seconds)
        if name in settings.GUESSES:
            most, seconds = settings.GUESSES[name]
            if _counted(f"guess:{name}:{client_ip(request)}") >= most:
                return _wait(request, seconds)
        return None


def _name(request: HttpRequest) -> str:
    match = request.resolver_match
    return match.view_name if match else ""


def _whose(request: HttpRequest) -> str:
    user = request.user
    return f"user-{user.pk}" if user.is_authenticated else f"at-{client_ip(request)}"


def _count(what: str, seconds: int) -> int:
    """Count once more; gives how often within the present span."""
    key = f"limit:{what}"
    try:
        if cache.add(key, 1, seconds):
            return 1
        return int(cache.incr(key))
    except ValueError:  # its time was over this very moment
        return 1
    except (RedisError, OSError):
        logger.warning("The cache does not answer: nobody is counted")
        return 0


def _counted(what: str) -> int:
    try:
        return int(cache.get(f"limit:{what}", 0))
    except (RedisError, OSError):
        return 0


def _wait(request: HttpRequest, seconds: int) -> HttpResponse:
    response = render(request, "429.html", {"minutes": max(1, seconds // 60)}, status=429)
    response["Retry-After"] = str(seconds)
    return response
