"""Blot out what must not be kept: secrets, tokens, addresses, long numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable

LONGEST = 200

_BLOT = "…"
_PATTERNS = (
    re.compile(r"<[^>]{0,500}>"),  # markup of an HTML error page
    re.compile(r"[^\s<>]*@[^\s<>]+"),  # e-mail addresses, with whatever may stand in one
    re.compile(r"\beyJ[\w-]+(?:\.[\w-]+)*"),  # JSON web tokens
    re.compile(r"(?i)\b(?:bearer|basic)\s+[\w.~+/=-]{8,}"),
    re.compile(r"(?i)(?<=client_id=)\S+"),
    re.compile(r"(?i)(?<=client_secret=)\S+"),
    re.compile(r"(?i)(?<=token=)\S+"),
    re.compile(r"\b(?=[\w~+/=-]*\d)[\w~+/=-]{20,}"),  # keys and ids: long, with a digit in them
    re.compile(r"\+?\d[\d\s().-]{5,}\d"),  # long numbers, also with separators
)


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` on one line, at most 200 characters, without anything that must not be kept.

    `secrets` are values known to be secret; shorter ones than 4 characters are left alone, they
    would blot out ordinary words. Names of people cannot be told from words and stay.
    """
    for secret in secrets:
        if len(secret) >= 4:
            text = text.replace(secret, _BLOT)
    text = text[: LONGEST * 20].replace("\0", "")  # which databases refuse
    for pattern in _PATTERNS:
        text = pattern.sub(_BLOT, text)
    text = " ".join(text.split())
    text = re.sub(f"{_BLOT}(?:\\s*{_BLOT})+", _BLOT, text)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + _BLOT
