"""Keys and ids as people type, paste and share them."""

from __future__ import annotations


def as_key(text: str) -> int | None:
    """The key that this text is, None where it is none.

    `int` would take more (signs, digits of other scripts), and the databases take less: 64 bits.
    """
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
