"""The library silently returns ciphertext that no key decrypts; here it becomes an
`UndecryptableValue`, so that it is never sent anywhere as a credential.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from cryptography.fernet import InvalidToken
from django.conf import settings
from encrypted_model_fields.fields import EncryptedTextField, decrypt_str


class SecretUnreadable(Exception):
    """No configured key decrypts the stored value: it must be entered again."""


class UndecryptableValue:
    """A value that no key decrypts; keeps the ciphertext in case the key returns."""

    def __init__(self, ciphertext: str) -> None:
        self.ciphertext = ciphertext

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "<Unreadable>"


class SecretField(EncryptedTextField):
    """Text encrypted in the database; reads as `str` or `UndecryptableValue`."""

    def from_db_value(self, value: str | None, *args: object) -> str | UndecryptableValue | None:
        if not value:
            return value
        try:
            return str(decrypt_str(value))
        except (InvalidToken, UnicodeEncodeError):
            return UndecryptableValue(value)

    def to_python(self, value: Any) -> Any:
        return value

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        if isinstance(value, UndecryptableValue):
            return value.ciphertext
        return super().get_db_prep_save(value, connection) if value else value


def reveal_secret(value: str | UndecryptableValue | None) -> str:
    """Return the plain value. Raises SecretUnreadable."""
    if isinstance(value, UndecryptableValue):
        raise SecretUnreadable
    return value or ""


def fingerprint_secrets(*values: str) -> str:
    """Twelve hex digits that distinguish secrets without revealing them."""
    joined = "\x1f".join(values).encode()
    return hmac.new(settings.SECRET_KEY.encode(), joined, hashlib.sha256).hexdigest()[:12]
