"""Comparing email addresses as mail systems do."""

from __future__ import annotations

import string
import unicodedata

_ASCII_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_IDEOGRAPHIC_FULL_STOP = "\u3002"  # IDNA reads it as a dot, compatibility normalization does not


def normalize_email(address: str) -> str:
    """Return the address as it is stored and compared: trimmed, A to Z lowercased, and with an
    internationalized domain as punycode.

    Nothing else is folded: `casefold`, `lower` and SQL's UPPER and LOWER turn ſ (U+017F) and
    K (U+212A) into s and k, which would match one person's address to another's.
    """
    stripped = address.strip()
    if stripped.isascii():
        return stripped.lower()
    normalized = stripped.translate(_ASCII_LOWER)
    local_part, separator, domain = normalized.rpartition("@")
    return f"{local_part}{separator}{normalize_domain(domain)}"


def normalize_domain(domain: str) -> str:
    """Return the domain with A to Z lowercased and internationalized labels as punycode."""
    labels = domain.strip().translate(_ASCII_LOWER).split(".")
    return ".".join(_encode_label(label) for label in labels)


def is_lookalike_email(address: str) -> bool:
    """Whether somebody may read the address as another one: it changes under compatibility
    normalization (NFKC), or has invisible characters. Nobody is identified by such an address.
    """
    text = address.strip()
    if text.isascii() and text.isprintable():
        return False
    return (
        unicodedata.normalize("NFKC", text) != text
        or _IDEOGRAPHIC_FULL_STOP in text
        or not text.isprintable()
    )


def _encode_label(label: str) -> str:
    # Look-alikes stay as they are: `lower` would fold some of them into ASCII.
    if label.isascii() or is_lookalike_email(label):
        return label
    # Unlike IDNA 2003, which Python has built in, IDNA 2008 does not turn ß into ss.
    return f"xn--{label.lower().encode('punycode').decode()}"
