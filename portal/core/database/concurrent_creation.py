from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from django.db import IntegrityError, models, transaction

Row = TypeVar("Row", bound=models.Model)


def create_or_join(create: Callable[[], Row], existing: models.QuerySet[Row]) -> tuple[Row, bool]:
    """Return a new row (True), or the one that another process created first. Raises
    IntegrityError if `create` violates anything else.
    """
    try:
        with transaction.atomic():
            return create(), True
    except IntegrityError:
        row = existing.first()
        if row is None:
            raise
        return row, False
