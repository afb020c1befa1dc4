"""When two email addresses are the same one."""

from __future__ import annotations

import string

_ASCII_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def normalize_email(address: str) -> str:
    """The form in which addresses are stored and compared: trimmed, A to Z in lower case.

    Only ASCII letters: `casefold`, `lower` and the database's UPPER and LOWER turn ſ (U+017F) or
    K (U+212A) into s and k, and one person's address into another's.
    """
    return address.strip().translate(_ASCII_LOWER)
