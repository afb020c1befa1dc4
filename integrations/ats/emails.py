from __future__ import annotations

import string

_ASCII_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def normalize_email(address: str) -> str:
    """Return the address trimmed and with A to Z lowercased, as it is stored and compared.

    Only ASCII: `casefold`, `lower` and SQL's UPPER and LOWER turn ſ (U+017F) and K (U+212A) into
    s and k, which would match one person's address to another's.
    """
    return address.strip().translate(_ASCII_LOWER)
