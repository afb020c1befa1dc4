from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import F
from django.db.models.expressions import Combinable, Func


@dataclass(frozen=True)
class SortOrder:
    """Sort by a column, then by primary key. Nulls are last in both directions."""

    key: str  # in the URL
    column: str | Func
    descending: bool = False
    nullable: bool = False

    def get_ordering(self) -> list[Combinable | str]:
        column: Any = F(self.column) if isinstance(self.column, str) else self.column
        nulls_last = self.nullable or None
        ordering = (
            column.desc(nulls_last=nulls_last)
            if self.descending
            else column.asc(nulls_last=nulls_last)
        )
        return [ordering, "pk"]
