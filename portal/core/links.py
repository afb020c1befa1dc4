"""Links that open something for whoever holds them. Only their digest is stored."""

from __future__ import annotations

import secrets
from hashlib import sha256


def new_token() -> str:
    """A token that cannot be guessed (256 bits)."""
    return secrets.token_urlsafe(32)


def digest(token: str) -> str:
    """What is stored of a token: it finds the row, and tells nobody the token."""
    return sha256(token.encode()).hexdigest()
