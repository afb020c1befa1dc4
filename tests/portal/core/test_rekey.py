"""Moving secrets to a new key, and noticing keys that do not fit."""

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
from portal.core import rekey
from tests.factories import ConnectionFactory, OrganizationFactory

pytestmark = pytest.mark.django_db

Keys = Callable[..., None]


@pytest.fixture
def keys(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Keys:
    """Have the portal run with these keys, newest first, as after a restart."""

    def configured(*some: str) -> None:
        settings.FIELD_ENCRYPTION_KEY = list(some)
        monkeypatch.setattr(encrypted, "CRYPTER", MultiFernet([Fernet(key) for key in some]))

    return configured


def _key() -> str:
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


def _stored() -> list[str]:
    with database.cursor() as cursor:
        cursor.execute("SELECT secret FROM connections_credential ORDER BY id")
        return [row[0] for row in cursor.fetchall()]


def _kept() -> rekey.Kept:
    return next(k for k in rekey.all_kept() if k.label == "connections.Credential.secret")


def _said(**options: bool) -> str:
    out = StringIO()
    call_command("reencrypt", stdout=out, **options)
    return out.getvalue()


def test_afterwards_the_newest_key_alone_opens_everything(keys: Keys) -> None:
    old, new = _key(), _key()
    keys(old)
    for number in range(3):
        _credential(number)
    keys(new, old)
    assert "Only the newest key is needed." in _said()
    keys(new)
    assert [c.secrets()["client_secret"] for c in Credential.objects.order_by("id")] == [
        f"secret-{number}" for number in range(3)
    ]
    assert [c.secrets()["client_id"] for c in Credential.objects.order_by("id")] == [
        f"client-{number}" for number in range(3)
    ]


def test_a_dry_run_tells_and_changes_nothing(keys: Keys) -> None:
    old, new = _key(), _key()
    keys(old)
    _credential(1)
    before = _stored()
    keys(new, old)
    said = _said(dry_run=True)
    assert "0 under the newest key, 1 under an older one" in said
    assert "Older keys are still needed." in said
    assert _stored() == before


def test_stopped_half_way_it_goes_on_where_it_was(
    keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rekey, "BATCH", 2)
    old, new = _key(), _key()
    keys(old)
    for number in range(5):
        _credential(number)
    keys(new, old)
    next(rekey.move(_kept()))  # the first two, then the power fails
    halfway = _stored()
    _said()
    finished = _stored()
    assert finished[:2] == halfway[:2]
    assert all(a != b for a, b in zip(finished[2:], halfway[2:], strict=True))
    keys(new)
    assert [c.secrets()["client_secret"] for c in Credential.objects.order_by("id")] == [
        f"secret-{number}" for number in range(5)
    ]


def test_what_is_entered_meanwhile_is_left_alone(keys: Keys) -> None:
    old, new = _key(), _key()
    keys(old)
    credential = _credential(1)
    keys(new, old)
    [(pk, read)] = _kept().rows(0, 1)
    Credential.objects.filter(pk=credential.pk).update(secret="entered-just-now")
    _kept().replace(pk, read, encrypted.CRYPTER.rotate(read.encode()).decode())
    assert Credential.objects.get().secrets()["client_secret"] == "entered-just-now"


def test_what_no_key_opens_is_counted_and_kept_for_a_key_that_returns(keys: Keys) -> None:
    lost, new = _key(), _key()
    keys(lost)
    _credential(1)
    before = _stored()
    keys(new)
    said = _said()
    assert "1 that no key opens" in said
    assert "entered again" in said
    assert "secret-1" not in said
    assert _stored() == before


def _checked() -> list[str]:
    return [message.id or "" for message in run_checks(tags=["database"], databases=["default"])]


def test_the_portal_does_not_start_with_a_key_that_opens_nothing(keys: Keys) -> None:
    keys(_key())
    _credential(1)
    assert _checked() == []
    keys(_key())
    assert _checked() == ["portal.E001"]


def test_a_secret_here_and_there_that_no_key_opens_is_a_warning(keys: Keys) -> None:
    lost, new = _key(), _key()
    keys(lost)
    _credential(1)
    keys(new)
    _credential(2)
    assert _checked() == ["portal.W001"]
