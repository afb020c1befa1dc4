"""`manage.py make_key`."""

from __future__ import annotations

from io import StringIO

from cryptography.fernet import Fernet
from django.core.management import call_command


def test_it_prints_a_key_that_opens_what_it_closes() -> None:
    out = StringIO()
    call_command("make_key", stdout=out)
    key = Fernet(out.getvalue().strip())
    assert key.decrypt(key.encrypt(b"a secret")) == b"a secret"


def test_no_two_are_alike() -> None:
    first, second = StringIO(), StringIO()
    call_command("make_key", stdout=first)
    call_command("make_key", stdout=second)
    assert first.getvalue() != second.getvalue()
