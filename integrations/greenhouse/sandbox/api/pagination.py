"""Pagination: v1 by page number, v3 by an opaque cursor with only ``next``."""

from __future__ import annotations

import base64
import hashlib
import hmac
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec

from integrations.greenhouse.sandbox.http_server.messages import HttpError, encode_json

MAX_PER_PAGE = 500
DEFAULT_PER_PAGE = 100


def v1_validation_error(field: str, message: str) -> HttpError:
    return HttpError(
        422,
        {"message": "Validation error", "errors": [{"message": message, "field": field}]},
    )


def v3_validation_error(*errors: str | dict[str, str]) -> HttpError:
    """Build v3's validation error; its items are strings or objects (documented)."""
    return HttpError(422, {"message": "Unprocessable Content", "errors": list(errors)})


def parse_v1_page_params(query: Mapping[str, str]) -> tuple[int, int]:
    """Return ``per_page`` and ``page``. The error for bad values is inferred."""
    bounds = []
    for name, default, maximum in (
        ("per_page", DEFAULT_PER_PAGE, MAX_PER_PAGE),
        ("page", 1, 10**9),
    ):
        text = query.get(name) or str(default)
        if not text.isdecimal() or not 1 <= int(text) <= maximum:
            raise v1_validation_error(name, f"Must be between 1 and {maximum}.")
        bounds.append(int(text))
    return bounds[0], bounds[1]


def paginate_v1(
    ids: Sequence[int], query: Mapping[str, str], url: str, *, next_only: bool = False
) -> tuple[Sequence[int], dict[str, str]]:
    """Return a page of IDs and its ``Link`` header.

    Documented: ``skip_count=true`` omits ``last``; some endpoints have only ``next``. A single page
    has ``last`` without ``next`` (observed in a recording).
    """
    per_page, page = parse_v1_page_params(query)
    pages = max(1, -(-len(ids) // per_page))
    links = []
    if page < pages:
        links.append(("next", page + 1))
    if not next_only:
        if page > 1:
            links.append(("prev", page - 1))
        if query.get("skip_count") != "true":
            links.append(("last", pages))
    link_values = [
        f'<{url}?{urlencode({**query, "page": number, "per_page": per_page})}>; rel="{rel}"'
        for rel, number in links
    ]
    headers = {"Link": ",".join(link_values)} if link_values else {}
    return ids[(page - 1) * per_page : page * per_page], headers


def parse_v3_per_page(query: Mapping[str, str]) -> int:
    """Return ``per_page``. Only the text of "greater than" is documented."""
    text = query.get("per_page") or str(DEFAULT_PER_PAGE)
    if not text.lstrip("-").isdecimal():
        raise v3_validation_error({"per_page": f"`{text}` is not an integer"})
    number = int(text)
    if number > MAX_PER_PAGE:
        raise v3_validation_error(
            {"per_page": f"`{number}` number is greater than: {MAX_PER_PAGE}"}
        )
    if number < 1:
        raise v3_validation_error({"per_page": f"`{number}` number is less than: 1"})
    return number


def paginate_v3(ids: Sequence[int], before: int | None, per_page: int) -> tuple[list[int], bool]:
    """Return a page of IDs, newest first, and whether more follow; ``ids`` ascend."""
    end = len(ids) if before is None else bisect_left(ids, before)
    start = max(0, end - per_page)
    return list(reversed(ids[start:end])), start > 0


class CursorSigner:
    """Creates and reads signed, expiring cursors, each bound to one list of one account."""

    def __init__(self, secret: bytes, lifetime: int) -> None:
        self._secret = secret
        self._lifetime = lifetime

    def create_cursor(self, position: Mapping[str, Any], now: float) -> str:
        body = encode_json({**position, "at": int(now)})
        return base64.urlsafe_b64encode(self._compute_signature(body) + body).decode().rstrip("=")

    def read(self, text: str, now: float) -> dict[str, Any] | None:
        """Return the position; None for a foreign, malformed or expired cursor."""
        try:
            raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            signature, body = raw[:12], raw[12:]
            position: dict[str, Any] = msgspec.json.decode(body)
        except (ValueError, msgspec.DecodeError):
            return None
        if not hmac.compare_digest(signature, self._compute_signature(body)):
            return None
        return None if now - position["at"] > self._lifetime else position

    def _compute_signature(self, body: bytes) -> bytes:
        return hmac.new(self._secret, body, hashlib.sha256).digest()[:12]
