"""Keyed hashes that prove what the portal wrote: AUDIT_KEY, or a key derived from it."""

from __future__ import annotations

import hashlib
import hmac

from django.conf import settings

from portal.core.secrets.signatures import is_same_signature


def sign(content: str, purpose: bytes = b"") -> str:
    """With the newest key. Signatures for different purposes don't replace each other."""
    return _sign(content, purpose, settings.AUDIT_KEYS[0])


def is_signed(content: str, signature: str, purpose: bytes = b"") -> bool:
    keys = settings.AUDIT_KEYS
    return any(is_same_signature(_sign(content, purpose, key), signature) for key in keys)


def _sign(content: str, purpose: bytes, key: str) -> str:
    signing_key = key.encode()
    if purpose:
        signing_key = hmac.new(signing_key, purpose, hashlib.sha256).digest()
    return hmac.new(signing_key, content.encode(), hashlib.sha256).hexdigest()
