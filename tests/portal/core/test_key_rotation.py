"""Re-encrypting secrets under a new key, and checks for keys that do not fit."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO

import pytest
from cryptography.fernet import Fernet, MultiFernet
from django.core.checks import run_checks
from django.core.management import call_command
from django.db import connection as database
from encrypted_model_fields import fields as encrypted
from pytest_django import Settings

from portal.connections.models import Credential
from portal.core.secrets import key_rotation
from tests.factories import ConnectionFactory, OrganizationFactory

pytestmark = pytest.mark.django_db

Keys = Callable[..., None]


@pytest.fixture
def keys(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Keys:
    """Configure these keys, newest first, as after a restart."""

    def configure(*values: str) -> None:
        settings.FIELD_ENCRYPTION_KEY = list(values)
        monkeypatch.setattr(encrypted, "CRYPTER", MultiFernet([Fernet(key) for key in values]))

    return configure


def _make_key() -> str:
    return Fernet.generate_key().decode()


def _credential(number: int) -> Credential:
    organization = OrganizationFactory(name=f"Customer {number}")
    return Credential.objects.create(
        connection=ConnectionFactory(organization=organization),
        kind="harvest_oauth",
        client_id=f"client-{number}",
        secret=f"secret-{number}",
        last_four="0000",
        fingerprint="0" * 12,
    )


def _read_ciphertexts() -> list[str]:
    with database.cursor() as cursor:
        cursor.execute("SELECT secret FROM connections_credential ORDER BY id")
        return [row[0] for row in cursor.fetchall()]


def _find_secret_field() -> key_rotation.SecretStore:
    return next(
        k
        for k in key_rotation.iterate_secret_stores()
        if k.label == "connections.Credential.secret"
    )


def _reencrypt(**options: bool) -> str:
    out = StringIO()
    call_command("reencrypt_secrets", stdout=out, **options)
    return out.getvalue()


def test_reencrypt_leaves_only_newest_key_needed(keys: Keys) -> None:
    old, new = _make_key(), _make_key()
    keys(old)
    for number in range(3):
        _credential(number)
    keys(new, old)
    assert "Only the newest key is needed." in _reencrypt()
    keys(new)
    assert [c.get_secrets()["client_secret"] for c in Credential.objects.order_by("id")] == [
        f"secret-{number}" for number in range(3)
    ]
    assert [c.get_secrets()["client_id"] for c in Credential.objects.order_by("id")] == [
        f"client-{number}" for number in range(3)
    ]


def test_reencrypt_dry_run_only_reports(keys: Keys) -> None:
    old, new = _make_key(), _make_key()
    keys(old)
    _credential(1)
    before = _read_ciphertexts()
    keys(new, old)
    output = _reencrypt(dry_run=True)
    assert "0 under the newest key, 1 under an older one" in output
    assert "Older keys are still needed." in output
    assert _read_ciphertexts() == before


def test_reencrypt_resumes_after_interruption(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_rotation, "BATCH_SIZE", 2)
    old, new = _make_key(), _make_key()
    keys(old)
    for number in range(5):
        _credential(number)
    keys(new, old)
    next(
        key_rotation.reencrypt_store(_find_secret_field())
    )  # the first two rows, then it is interrupted
    halfway = _read_ciphertexts()
    _reencrypt()
    finished = _read_ciphertexts()
    assert finished[:2] == halfway[:2]
    assert all(a != b for a, b in zip(finished[2:], halfway[2:], strict=True))
    keys(new)
    assert [c.get_secrets()["client_secret"] for c in Credential.objects.order_by("id")] == [
        f"secret-{number}" for number in range(5)
    ]


def test_reencrypt_keeps_concurrent_change(keys: Keys) -> None:
    old, new = _make_key(), _make_key()
    keys(old)
    credential = _credential(1)
    keys(new, old)
    [(pk, old_ciphertext)] = _find_secret_field().list_rows(0, 1)
    Credential.objects.filter(pk=credential.pk).update(secret="entered-just-now")
    _find_secret_field().replace_ciphertext(
        pk, old_ciphertext, encrypted.CRYPTER.rotate(old_ciphertext.encode()).decode()
    )
    assert Credential.objects.get().get_secrets()["client_secret"] == "entered-just-now"


def test_reencrypt_counts_and_keeps_unreadable_secret(keys: Keys) -> None:
    lost_key, new_key = _make_key(), _make_key()
    keys(lost_key)
    _credential(1)
    before = _read_ciphertexts()
    keys(new_key)
    output = _reencrypt()
    assert "1 that no key opens" in output
    assert "entered again" in output
    assert "secret-1" not in output
    assert _read_ciphertexts() == before


def _run_database_checks() -> list[str]:
    return [message.id or "" for message in run_checks(tags=["database"], databases=["default"])]


def test_check_fails_when_key_opens_nothing(keys: Keys) -> None:
    keys(_make_key())
    _credential(1)
    assert _run_database_checks() == []
    keys(_make_key())
    assert _run_database_checks() == ["portal.E001"]


def test_check_warns_about_single_unreadable_secret(keys: Keys) -> None:
    lost_key, new_key = _make_key(), _make_key()
    keys(lost_key)
    _credential(1)
    keys(new_key)
    _credential(2)
    assert _run_database_checks() == ["portal.W001"]
