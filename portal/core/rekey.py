"""Which key closed each stored secret, and moving all of them to the newest key.

Both look at every `SecretField` of every model, so that a new one is never forgotten. The values
themselves are never shown, logged or kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cryptography.fernet import Fernet, InvalidToken
from django.apps import apps
from django.conf import settings
from django.db import models
from django.db.models.functions import Cast
from encrypted_model_fields import fields as encrypted

from portal.core.secrets import SecretField, Unreadable

BATCH = 200


@dataclass
class Tally:
    """How the secrets of one field stand."""

    model: type[models.Model]
    field: str
    newest: int = 0
    older: int = 0
    unreadable: int = 0

    @property
    def all(self) -> int:
        return self.newest + self.older + self.unreadable

    def __str__(self) -> str:
        return (
            f"{self.model._meta.label}.{self.field}: {self.newest} under the newest key, "
            f"{self.older} under an older one, {self.unreadable} that no key opens"
        )


def secret_fields() -> Iterator[tuple[type[models.Model], str]]:
    """Every model and name of a field that keeps secrets."""
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            if isinstance(field, SecretField):
                yield model, field.name


def tally() -> list[Tally]:
    """How each field's secrets stand, without changing any."""
    return [_look_at(Tally(model, field)) for model, field in secret_fields()]


def move(model: type[models.Model], field: str) -> Iterator[Tally]:
    """Re-encrypt this field's secrets to the newest key; gives the tally after each batch.

    Safe to stop at any moment and to start again: what is under the newest key is passed over, and
    a value that somebody replaces meanwhile is left as they entered it.
    """
    counted = Tally(model, field)
    after = 0
    while rows := _rows(model, field, after):
        for pk, ciphertext in rows:
            if _is_newest(ciphertext):
                counted.newest += 1
            else:
                _close_anew(counted, pk, ciphertext)
        after = rows[-1][0]
        yield counted


def _look_at(counted: Tally) -> Tally:
    after = 0
    while rows := _rows(counted.model, counted.field, after):
        for _, ciphertext in rows:
            if _is_newest(ciphertext):
                counted.newest += 1
            elif _opens(ciphertext):
                counted.older += 1
            else:
                counted.unreadable += 1
        after = rows[-1][0]
    return counted


def _close_anew(counted: Tally, pk: int, ciphertext: str) -> None:
    try:
        closed = encrypted.CRYPTER.rotate(ciphertext.encode()).decode()
    except (InvalidToken, UnicodeEncodeError):
        counted.unreadable += 1
        return
    same = _raw(counted.model, counted.field).filter(pk=pk, ciphertext=ciphertext)
    # `Unreadable` is how a ciphertext is written as it is.
    same.update(**{counted.field: Unreadable(closed)})
    counted.newest += 1


def _rows(model: type[models.Model], field: str, after: int) -> list[tuple[int, str]]:
    kept = _raw(model, field).filter(pk__gt=after).exclude(ciphertext="").exclude(ciphertext=None)
    return list(kept.order_by("pk").values_list("pk", "ciphertext")[:BATCH])


def _raw(model: type[models.Model], field: str) -> models.QuerySet[models.Model]:
    return model._base_manager.annotate(ciphertext=Cast(field, models.TextField()))


def _is_newest(ciphertext: str) -> bool:
    try:
        Fernet(settings.FIELD_ENCRYPTION_KEY[0]).decrypt(ciphertext.encode())
    except (InvalidToken, UnicodeEncodeError):
        return False
    return True


def _opens(ciphertext: str) -> bool:
    try:
        encrypted.CRYPTER.decrypt(ciphertext.encode())
    except (InvalidToken, UnicodeEncodeError):
        return False
    return True
