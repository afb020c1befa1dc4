"""Pages: v1 by number with ``next``, ``prev``, ``last``; v3 by an opaque cursor, ``next`` only."""

from __future__ import annotations

import base64
import hashlib
import hmac
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec

from .http import Answer, encode

MOST = 500
USUAL = 100


def v1_error(field: str, message: str) -> Answer:
    """Give v1's documented validation error."""
    return Answer(
        422,
        {"message": "Validation error", "errors": [{"message": message, "field": field}]},
    )


def v3_error(*errors: str | dict[str, str]) -> Answer:
    """Give v3's validation error; its items may be texts or objects (documented)."""
    return Answer(422, {"message": "Unprocessable Content", "errors": list(errors)})


def v1_bounds(query: Mapping[str, str]) -> tuple[int, int]:
    """Give ``per_page`` and ``page``. What v1 says to a wrong one is inferred."""
    found = []
    for name, usual, most in (("per_page", USUAL, MOST), ("page", 1, 10**9)):
        text = query.get(name) or str(usual)
        if not text.isdecimal() or not 1 <= int(text) <= most:
            raise v1_error(name, f"Must be between 1 and {most}.")
        found.append(int(text))
    return found[0], found[1]


def v1_page(
    ids: Sequence[int], query: Mapping[str, str], url: str, *, next_only: bool = False
) -> tuple[Sequence[int], dict[str, str]]:
    """Cut a page out and give it with its ``Link`` header.

    Documented: ``skip_count=true`` drops ``last``; some endpoints have only ``next``. A single
    page carries ``last`` without ``next`` (seen in a recording).
    """
    per_page, page = v1_bounds(query)
    pages = max(1, -(-len(ids) // per_page))
    links = []
    if page < pages:
        links.append(("next", page + 1))
    if not next_only:
        if page > 1:
            links.append(("prev", page - 1))
        if query.get("skip_count") != "true":
            links.append(("last", pages))
    told = [
        f'<{url}?{urlencode({**query, "page": number, "per_page": per_page})}>; rel="{rel}"'
        for rel, number in links
    ]
    headers = {"Link": ",".join(told)} if told else {}
    return ids[(page - 1) * per_page : page * per_page], headers


def v3_per_page(query: Mapping[str, str]) -> int:
    """Give ``per_page``; the words for too many are documented, the others follow them."""
    text = query.get("per_page") or str(USUAL)
    if not text.lstrip("-").isdecimal():
        raise v3_error({"per_page": f"`{text}` is not an integer"})
    number = int(text)
    if number > MOST:
        raise v3_error({"per_page": f"`{number}` number is greater than: {MOST}"})
    if number < 1:
        raise v3_error({"per_page": f"`{number}` number is less than: 1"})
    return number


def v3_page(ids: Sequence[int], before: int | None, per_page: int) -> tuple[list[int], bool]:
    """Give the ids of a page, newest first, and whether more follow. ``ids`` are ascending."""
    end = len(ids) if before is None else bisect_left(ids, before)
    start = max(0, end - per_page)
    return list(reversed(ids[start:end])), start > 0


class Cursors:
    """Makes and reads cursors: signed, bound to one list of one account, and short-lived."""

    def __init__(self, secret: bytes, lifetime: int) -> None:
        self._secret = secret
        self._lifetime = lifetime

    def make(self, place: Mapping[str, Any], now: float) -> str:
        """Give the cursor of a place in a list."""
        body = encode({**place, "at": int(now)})
        return base64.urlsafe_b64encode(self._sign(body) + body).decode().rstrip("=")

    def read(self, text: str, now: float) -> dict[str, Any] | None:
        """Give back the place; None for a cursor that is foreign, broken or expired."""
        try:
            raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            sign, body = raw[:12], raw[12:]
            place: dict[str, Any] = msgspec.json.decode(body)
        except (ValueError, msgspec.DecodeError):
            return None
        if not hmac.compare_digest(sign, self._sign(body)):
            return None
        return None if now - place["at"] > self._lifetime else place

    def _sign(self, body: bytes) -> bytes:
        return hmac.new(self._secret, body, hashlib.sha256).digest()[:12]
