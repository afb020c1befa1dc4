"""Secrets at rest."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet, MultiFernet
from django.db import connection as database
from encrypted_model_fields import fields as encrypted

from portal.connections.models import Credential
from portal.core.secrets import SecretUnreadable, Unreadable, fingerprint, revealed
from tests.factories import ConnectionFactory

pytestmark = pytest.mark.django_db

SECRET = "a-secret-worth-keeping-1234"


@pytest.fixture
def credential() -> Credential:
    return Credential.objects.create(
        connection=ConnectionFactory(), kind="harvest_key", secret=SECRET, last_four="1234",
        fingerprint="0" * 12,
    )  # fmt: skip


def _stored() -> str:
    with database.cursor() as cursor:
        cursor.execute("SELECT secret FROM connections_credential")
        return str(cursor.fetchone()[0])


def test_a_secret_is_encrypted_in_the_database_and_opens_again(credential: Credential) -> None:
    assert SECRET not in _stored()
    assert Credential.objects.get().secrets() == {"api_key": SECRET}


def test_a_value_that_no_key_opens_is_never_handed_out_as_it_is(
    credential: Credential, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encrypted, "CRYPTER", MultiFernet([Fernet(Fernet.generate_key())]))
    lost = Credential.objects.get()
    assert isinstance(lost.secret, Unreadable)
    with pytest.raises(SecretUnreadable):
        lost.secrets()


def test_saving_a_row_with_an_unreadable_secret_leaves_the_ciphertext_as_it_was(
    credential: Credential, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _stored()
    with monkeypatch.context() as lost_key:
        lost_key.setattr(encrypted, "CRYPTER", MultiFernet([Fernet(Fernet.generate_key())]))
        Credential.objects.get().save()
    assert _stored() == before
    assert Credential.objects.get().secrets() == {"api_key": SECRET}


def test_a_second_key_opens_what_the_first_one_closed(
    credential: Credential, monkeypatch: pytest.MonkeyPatch
) -> None:
    rotated = MultiFernet([Fernet(Fernet.generate_key()), *encrypted.CRYPTER._fernets])
    monkeypatch.setattr(encrypted, "CRYPTER", rotated)
    assert Credential.objects.get().secrets() == {"api_key": SECRET}


def test_unreadable_secret_is_falsy_and_hidden() -> None:
    unreadable = Unreadable("ciphertext")
    assert not unreadable
    assert repr(unreadable) == "<Unreadable>"


@pytest.mark.parametrize("empty", ["", None])
def test_empty_secret_stays_empty(credential: Credential, empty: str | None) -> None:
    credential.secret = ""
    credential.save()
    assert _stored() == ""
    assert Credential.objects.get().secret == ""
    assert revealed(empty) == ""


def test_fingerprint_tells_secrets_apart(settings) -> None:
    first = fingerprint("id", "secret")
    assert len(first) == 12
    assert first == fingerprint("id", "secret")
    assert len({first, fingerprint("ids", "ecret"), fingerprint("secret", "id")}) == 3
    settings.SECRET_KEY = "another"
    assert fingerprint("id", "secret") != first, "it cannot be computed without our key"
