from __future__ import annotations

import re
from collections.abc import Iterable

MAX_REDACTED_LENGTH = 200

_REPLACEMENT = "…"
_PATTERNS = (
    re.compile(r"<[^>]{0,500}>"),  # markup of an HTML error page
    re.compile(r"[^\s<>]*@[^\s<>]+"),  # email addresses
    re.compile(r"\beyJ[\w-]+(?:\.[\w-]+)*"),  # JSON web tokens
    re.compile(r"(?i)\b(?:bearer|basic)\s+[\w.~+/=-]{8,}"),
    re.compile(r"(?i)(?<=client_id=)\S+"),
    re.compile(r"(?i)(?<=client_secret=)\S+"),
    re.compile(r"(?i)(?<=token=)\S+"),
    re.compile(r"\b(?=[\w~+/=-]*\d)[\w~+/=-]{20,}"),  # keys and ids: long, with a digit
    re.compile(r"\+?\d[\d\s().-]{5,}\d"),  # long numbers, also with separators
)


def redact_text(text: str, secrets: Iterable[str] = ()) -> str:
    """Return `text` redacted, on one line, with at most 200 characters.

    Names of people remain, as do `secrets` under 4 characters, which would match ordinary words.
    """
    for secret in secrets:
        if len(secret) >= 4:
            text = text.replace(secret, _REPLACEMENT)
    text = text[: MAX_REDACTED_LENGTH * 20].replace("\0", "")  # PostgreSQL rejects NUL
    for pattern in _PATTERNS:
        text = pattern.sub(_REPLACEMENT, text)
    text = " ".join(text.split())
    text = re.sub(f"{_REPLACEMENT}(?:\\s*{_REPLACEMENT})+", _REPLACEMENT, text)
    return (
        text if len(text) <= MAX_REDACTED_LENGTH else text[: MAX_REDACTED_LENGTH - 1] + _REPLACEMENT
    )
