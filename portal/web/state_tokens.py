"""Parts that poll: each names the state it shows, and is sent again only once that has changed."""

from __future__ import annotations

from hashlib import blake2s

from django.http import HttpRequest

SHOWN_PARAM = "shown"


def build_state_token(*parts: object) -> str:
    return blake2s(repr(parts).encode(), digest_size=6).hexdigest()


def is_state_shown(request: HttpRequest, token: str) -> bool:
    """Whether the browser already shows this state; the response is then a 204."""
    return request.GET.get(SHOWN_PARAM) == token
