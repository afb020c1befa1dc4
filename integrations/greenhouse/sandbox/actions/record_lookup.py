"""Find the records that a mutation names: users by ID or by the local part of their email."""

from __future__ import annotations

from typing import Any, TypeVar

from integrations.greenhouse.sandbox.dataset.dataset import Dataset
from integrations.greenhouse.sandbox.dataset.records import Record, User
from integrations.greenhouse.sandbox.dataset.tables import Table

R = TypeVar("R", bound=Record)


class RecordNotFound(LookupError):
    def __str__(self) -> str:
        return f"There is no {self.args[0]}."


def get_record(table: Table[R], number: Any) -> R:
    row = table.get(number)
    if row is None:
        raise RecordNotFound(f"{table.kind} {number}")
    return row


def find_user(dataset: Dataset, user: int | str) -> User:
    if isinstance(user, int):
        return get_record(dataset.users, user)
    try:
        return dataset.find_user(user)
    except KeyError:
        raise RecordNotFound(f"user {user}") from None
