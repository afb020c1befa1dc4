"""`manage.py generate_encryption_key` prints encryption keys."""

from __future__ import annotations

from io import StringIO

from cryptography.fernet import Fernet
from django.core.management import call_command


def test_key_decrypts_what_it_encrypts() -> None:
    out = StringIO()
    call_command("generate_encryption_key", stdout=out)
    key = Fernet(out.getvalue().strip())
    assert key.decrypt(key.encrypt(b"a secret")) == b"a secret"


def test_keys_differ() -> None:
    first, second = StringIO(), StringIO()
    call_command("generate_encryption_key", stdout=first)
    call_command("generate_encryption_key", stdout=second)
    assert first.getvalue() != second.getvalue()
