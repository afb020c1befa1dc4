"""Which key closed each stored secret, and moving all of them to the newest key.

Every `SecretField` of every model is looked at, so that a new one is never forgotten, and what a
room keeps encrypted elsewhere (`also_look_at`). The values themselves are never shown or logged.
"""

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

from portal.core.secrets import SecretField, Unreadable

BATCH = 200


class Kept(Protocol):
    """A place where secrets lie encrypted. `label` names it to the operator."""

    label: str

    def rows(self, after: int, most: int) -> list[tuple[int, str]]:
        """The next rows behind key `after`: key and ciphertext ("" = it holds none)."""

    def replace(self, pk: int, old: str, new: str) -> None:
        """Write ciphertext `new`, unless it is no longer `old` that stands there."""


class _Field:
    """A `SecretField` of a model."""

    def __init__(self, model: type[models.Model], name: str) -> None:
        self.label = f"{model._meta.label}.{name}"
        self._model, self._name = model, name

    def rows(self, after: int, most: int) -> list[tuple[int, str]]:
        kept = self._raw().filter(pk__gt=after).order_by("pk")
        return [(pk, text or "") for pk, text in kept.values_list("pk", "ciphertext")[:most]]

    def replace(self, pk: int, old: str, new: str) -> None:
        # `Unreadable` is how a ciphertext is written as it is.
        self._raw().filter(pk=pk, ciphertext=old).update(**{self._name: Unreadable(new)})

    def _raw(self) -> models.QuerySet[models.Model]:
        return self._model._base_manager.annotate(ciphertext=Cast(self._name, models.TextField()))


_elsewhere: list[Kept] = []


def also_look_at(kept: Kept) -> None:
    """Tell of secrets that no `SecretField` holds."""
    _elsewhere.append(kept)


def all_kept() -> Iterator[Kept]:
    """Every place where secrets lie."""
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            if isinstance(field, SecretField):
                yield _Field(model, field.name)
    yield from _elsewhere


@dataclass
class Tally:
    """How the secrets of one place stand."""

    label: str
    newest: int = 0
    older: int = 0
    unreadable: int = 0

    @property
    def all(self) -> int:
        return self.newest + self.older + self.unreadable

    def __str__(self) -> str:
        return (
            f"{self.label}: {self.newest} under the newest key, "
            f"{self.older} under an older one, {self.unreadable} that no key opens"
        )


def tally() -> list[Tally]:
    """How each place's secrets stand, without changing any."""
    return [_look_at(kept) for kept in all_kept()]


def move(kept: Kept) -> Iterator[Tally]:
    """Re-encrypt the secrets of one place to the newest key; gives the tally after each batch.

    Safe to stop at any moment and to start again: what is under the newest key is passed over, and
    a value that somebody replaces meanwhile is left as they entered it.
    """
    counted = Tally(kept.label)
    for rows in _batches(kept):
        for pk, ciphertext in rows:
            if _is_newest(ciphertext):
                counted.newest += 1
            else:
                _close_anew(kept, counted, pk, ciphertext)
        yield counted


def _look_at(kept: Kept) -> Tally:
    counted = Tally(kept.label)
    for rows in _batches(kept):
        for _, ciphertext in rows:
            if _is_newest(ciphertext):
                counted.newest += 1
            elif _opens(ciphertext):
                counted.older += 1
            else:
                counted.unreadable += 1
    return counted


def _batches(kept: Kept) -> Iterator[list[tuple[int, str]]]:
    after = 0
    while rows := kept.rows(after, BATCH):
        yield [row for row in rows if row[1]]
        after = rows[-1][0]


def _close_anew(kept: Kept, counted: Tally, pk: int, ciphertext: str) -> None:
    try:
        closed = encrypted.CRYPTER.rotate(ciphertext.encode()).decode()
    except (InvalidToken, UnicodeEncodeError):
        counted.unreadable += 1
        return
    kept.replace(pk, ciphertext, closed)
    counted.newest += 1


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
