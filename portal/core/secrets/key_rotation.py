"""Re-encryption of all stored secrets with the newest key; values are never shown or logged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from cryptography.fernet import Fernet, InvalidToken
from django.apps import apps
from django.conf import settings
from django.db import models
from django.db.models.functions import Cast
from encrypted_model_fields import fields as encrypted

from portal.core.secrets.secret_field import SecretField, UndecryptableValue
from portal.core.tenancy.scope import all_organizations

BATCH_SIZE = 200


class SecretStore(Protocol):
    """A place where secrets are encrypted; `label` names it to the operator."""

    label: str

    def list_rows(self, after: int, limit: int) -> list[tuple[int, str]]:
        """The next (pk, ciphertext) rows after pk `after`; "" stands for no secret."""

    def replace_ciphertext(self, pk: int, old: str, new: str) -> None:
        """Compare-and-swap the ciphertext."""


class _FieldSecretStore:
    def __init__(self, model: type[models.Model], name: str) -> None:
        self.label = f"{model._meta.label}.{name}"
        self._model, self._name = model, name

    def list_rows(self, after: int, limit: int) -> list[tuple[int, str]]:
        queryset = self._with_ciphertext().filter(pk__gt=after).order_by("pk")
        return [(pk, text or "") for pk, text in queryset.values_list("pk", "ciphertext")[:limit]]

    def replace_ciphertext(self, pk: int, old: str, new: str) -> None:
        # An `UndecryptableValue` is written as it is, without encryption.
        self._with_ciphertext().filter(pk=pk, ciphertext=old).update(
            **{self._name: UndecryptableValue(new)}
        )

    def _with_ciphertext(self) -> models.QuerySet[models.Model]:
        return self._model._base_manager.annotate(ciphertext=Cast(self._name, models.TextField()))


_registered_stores: list[SecretStore] = []


def register_secret_store(store: SecretStore) -> None:
    """Register secrets that are not in a `SecretField`."""
    _registered_stores.append(store)


def iterate_secret_stores() -> Iterator[SecretStore]:
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            if isinstance(field, SecretField):
                yield _FieldSecretStore(model, field.name)
    yield from _registered_stores


@dataclass
class KeyUsage:
    label: str
    newest: int = 0
    older: int = 0
    unreadable: int = 0

    @property
    def total(self) -> int:
        return self.newest + self.older + self.unreadable

    def __str__(self) -> str:
        return (
            f"{self.label}: {self.newest} under the newest key, "
            f"{self.older} under an older one, {self.unreadable} that no key opens"
        )


@all_organizations("keys are shared by all customers")
def count_key_usage() -> list[KeyUsage]:
    return [_count_store(store) for store in iterate_secret_stores()]


def reencrypt_store(store: SecretStore) -> Iterator[KeyUsage]:
    """Yields the counts after each batch. Safe to interrupt and repeat."""
    usage = KeyUsage(store.label)
    for rows in _iterate_batches(store):
        for pk, ciphertext in rows:
            if _uses_newest_key(ciphertext):
                usage.newest += 1
            else:
                _reencrypt_secret(store, usage, pk, ciphertext)
        yield usage


def _count_store(store: SecretStore) -> KeyUsage:
    usage = KeyUsage(store.label)
    for rows in _iterate_batches(store):
        for _, ciphertext in rows:
            if _uses_newest_key(ciphertext):
                usage.newest += 1
            elif _can_decrypt(ciphertext):
                usage.older += 1
            else:
                usage.unreadable += 1
    return usage


def _iterate_batches(store: SecretStore) -> Iterator[list[tuple[int, str]]]:
    after = 0
    while rows := store.list_rows(after, BATCH_SIZE):
        yield [row for row in rows if row[1]]
        after = rows[-1][0]


def _reencrypt_secret(store: SecretStore, usage: KeyUsage, pk: int, ciphertext: str) -> None:
    try:
        reencrypted = encrypted.CRYPTER.rotate(ciphertext.encode()).decode()
    except (InvalidToken, UnicodeEncodeError):
        usage.unreadable += 1
        return
    store.replace_ciphertext(pk, ciphertext, reencrypted)
    usage.newest += 1


def _uses_newest_key(ciphertext: str) -> bool:
    try:
        Fernet(settings.FIELD_ENCRYPTION_KEY[0]).decrypt(ciphertext.encode())
    except (InvalidToken, UnicodeEncodeError):
        return False
    return True


def _can_decrypt(ciphertext: str) -> bool:
    try:
        encrypted.CRYPTER.decrypt(ciphertext.encode())
    except (InvalidToken, UnicodeEncodeError):
        return False
    return True
