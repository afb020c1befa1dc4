"""What middleware needs to answer a repeated request before its session is loaded."""

from __future__ import annotations

import math
import time
from hashlib import sha256

from django.conf import settings
from django.http import HttpRequest
from django.urls import Resolver404, ResolverMatch, resolve


def build_session_key(request: HttpRequest, kind: str | None) -> str:
    """Return a cache key for requests of this kind in the session; empty without a session."""
    session = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    return sha256(f"{kind} {session}".encode()).hexdigest() if session else ""


def resolve_early(request: HttpRequest) -> ResolverMatch | None:
    try:
        request.resolver_match = resolve(request.path_info)  # the log names the route
    except Resolver404:
        return None
    return request.resolver_match


def count_seconds_until(ends_at: float) -> int:
    """Whole seconds until then (epoch seconds), rounded up; 0 if it is over."""
    return max(0, math.ceil(ends_at - time.time()))
