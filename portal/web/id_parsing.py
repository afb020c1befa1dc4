from __future__ import annotations


def parse_id(text: str) -> int | None:
    """Parse an ID of at most 64 bits; `int` would accept signs and digits of other scripts, too."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
