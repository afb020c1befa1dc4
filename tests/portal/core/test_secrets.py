"""Encryption of secrets at rest."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet, MultiFernet
from django.db import connection as database
from encrypted_model_fields import fields as encrypted

from portal.connections.models import Credential
from portal.core.secrets.secret_field import (
    SecretUnreadable,
    UndecryptableValue,
    fingerprint_secrets,
    reveal_secret,
)
from tests.factories import ConnectionFactory

pytestmark = pytest.mark.django_db

SECRET = "a-secret-worth-keeping-1234"


@pytest.fixture
def credential() -> Credential:
    return Credential.objects.create(
        connection=ConnectionFactory(), kind="harvest_key", secret=SECRET, last_four="1234",
        fingerprint="0" * 12,
    )  # fmt: skip


def _read_ciphertext() -> str:
    with database.cursor() as cursor:
        cursor.execute("SELECT secret FROM connections_credential")
        return str(cursor.fetchone()[0])


def test_secret_stored_encrypted(credential: Credential) -> None:
    assert SECRET not in _read_ciphertext()
    assert Credential.objects.get().get_secrets() == {"api_key": SECRET}


def test_unreadable_secret_raises_instead_of_leaking(
    credential: Credential, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encrypted, "CRYPTER", MultiFernet([Fernet(Fernet.generate_key())]))
    credential_without_key = Credential.objects.get()
    assert isinstance(credential_without_key.secret, UndecryptableValue)
    with pytest.raises(SecretUnreadable):
        credential_without_key.get_secrets()


def test_unreadable_secret_survives_save(
    credential: Credential, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _read_ciphertext()
    with monkeypatch.context() as patched:
        patched.setattr(encrypted, "CRYPTER", MultiFernet([Fernet(Fernet.generate_key())]))
        Credential.objects.get().save()
    assert _read_ciphertext() == before
    assert Credential.objects.get().get_secrets() == {"api_key": SECRET}


def test_older_key_still_decrypts(credential: Credential, monkeypatch: pytest.MonkeyPatch) -> None:
    rotated = MultiFernet([Fernet(Fernet.generate_key()), *encrypted.CRYPTER._fernets])
    monkeypatch.setattr(encrypted, "CRYPTER", rotated)
    assert Credential.objects.get().get_secrets() == {"api_key": SECRET}


def test_unreadable_secret_is_falsy_and_hidden() -> None:
    unreadable = UndecryptableValue("ciphertext")
    assert not unreadable
    assert repr(unreadable) == "<Unreadable>"


@pytest.mark.parametrize("empty", ["", None])
def test_empty_secret_stays_empty(credential: Credential, empty: str | None) -> None:
    credential.secret = ""  # type: ignore[assignment]
    credential.save()
    assert _read_ciphertext() == ""
    assert Credential.objects.get().secret == ""
    assert reveal_secret(empty) == ""


def test_fingerprint_tells_secrets_apart(settings) -> None:
    first = fingerprint_secrets("id", "secret")
    assert len(first) == 12
    assert first == fingerprint_secrets("id", "secret")
    assert (
        len({first, fingerprint_secrets("ids", "ecret"), fingerprint_secrets("secret", "id")}) == 3
    )
    settings.SECRET_KEY = "another"
    assert fingerprint_secrets("id", "secret") != first, "it cannot be computed without our key"
