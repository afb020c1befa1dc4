"""Secrets at rest: django-encrypted-model-fields behind a small guard.

The library hands a value that no key opens back as its ciphertext, silently. Here it becomes an
`Unreadable`, a state of its own, so that ciphertext can never be sent anywhere as a credential.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from cryptography.fernet import InvalidToken
from django.conf import settings
from encrypted_model_fields.fields import EncryptedTextField, decrypt_str


class SecretUnreadable(Exception):
    """The stored value cannot be opened with any configured key: it must be entered again."""


class Unreadable:
    """Stands in place of a value that no key opens. Keeps the ciphertext for a key that returns."""

    def __init__(self, ciphertext: str) -> None:
        self.ciphertext = ciphertext

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "<Unreadable>"


class SecretField(EncryptedTextField):
    """A text that is encrypted in the database. Reads as `str` or as `Unreadable`."""

    def from_db_value(self, value: str | None, *args: object) -> str | Unreadable | None:
        if not value:
            return value
        try:
            return str(decrypt_str(value))
        except (InvalidToken, UnicodeEncodeError):
            return Unreadable(value)

    def to_python(self, value: Any) -> Any:
        return value

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        if isinstance(value, Unreadable):
            return value.ciphertext
        return super().get_db_prep_save(value, connection) if value else value


def revealed(value: str | Unreadable | None) -> str:
    """The plain value, for the one moment it is used. Raises SecretUnreadable."""
    if isinstance(value, Unreadable):
        raise SecretUnreadable
    return value or ""


def fingerprint(*values: str) -> str:
    """Twelve hex digits that tell two secrets apart without telling either."""
    joined = "\x1f".join(values).encode()
    return hmac.new(settings.SECRET_KEY.encode(), joined, hashlib.sha256).hexdigest()[:12]
