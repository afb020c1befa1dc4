"""Pages that stay where they are while rows come and go: each begins behind the last row seen."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F, Model, Q, QuerySet
from django.utils.dateparse import parse_datetime

MOST_COUNTED = 1000


@dataclass(frozen=True)
class Order:
    """By a column, then by key. Empty values stand last, whichever the direction."""

    key: str  # as the address says it
    column: str
    kind: type = str
    descending: bool = False
    nullable: bool = False

    def by(self, *, backwards: bool = False) -> list[Any]:
        column = F(self.column)
        if self.descending != backwards:
            first = column.desc(nulls_first=backwards or None, nulls_last=not backwards or None)
            plain = column.desc()
        else:
            first = column.asc(nulls_first=backwards or None, nulls_last=not backwards or None)
            plain = column.asc()
        return [first if self.nullable else plain, "-pk" if backwards else "pk"]

    def behind(self, value: Any, pk: int, *, backwards: bool = False) -> Q:
        """The rows that come behind the one with this value and key."""
        further = "lt" if self.descending != backwards else "gt"
        key_further = "lt" if backwards else "gt"
        empty = Q(**{f"{self.column}__isnull": True})
        if value is None:
            same = empty & Q(**{f"pk__{key_further}": pk})
            return same | ~empty if backwards else same
        # The first condition repeats what the second implies: an index can begin at it.
        found = Q(**{f"{self.column}__{further}e": value}) & (
            Q(**{f"{self.column}__{further}": value}) | Q(**{f"pk__{key_further}": pk})
        )
        return found | empty if self.nullable and not backwards else found


@dataclass(frozen=True)
class Slice:
    """One page. `after` and `before` are the places of its neighbours, "" where there is none."""

    rows: list[Any]
    after: str = ""
    before: str = ""


def page(rows: QuerySet[Any], order: Order, *, after: str, before: str, size: int) -> Slice:
    """The page behind the place `after`, or before the place `before`. Unreadable: the first."""
    backwards = bool(before) and not after
    place = _place(before if backwards else after, order)
    found = rows.order_by(*order.by(backwards=backwards))
    if place is not None:
        found = found.filter(order.behind(*place, backwards=backwards))
    listed = list(found[: size + 1])
    more, listed = len(listed) > size, listed[:size]
    if backwards and place is not None:
        listed.reverse()
    if not listed:
        return Slice([])
    more_behind = True if backwards and place is not None else more
    more_before = more if backwards and place is not None else place is not None
    return Slice(
        listed,
        after=_told(listed[-1], order) if more_behind else "",
        before=_told(listed[0], order) if more_before else "",
    )


def _told(row: Model, order: Order) -> str:
    value = getattr(row, order.column)
    said = value.isoformat() if isinstance(value, datetime) else value
    text = json.dumps([said, row.pk], ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _place(told: str, order: Order) -> tuple[Any, int] | None:
    """What an address says of a place; None when that makes no sense for this order."""
    try:
        text = base64.urlsafe_b64decode(told + "=" * (-len(told) % 4)).decode()
        value, pk = json.loads(text)
        if order.kind is datetime and value is not None:
            value = parse_datetime(value)
    except (ValueError, binascii.Error, TypeError):
        return None
    fits = isinstance(value, order.kind) or (value is None and order.nullable)
    if not fits or type(pk) is not int or not 0 < pk < 2**63:
        return None
    if isinstance(value, int) and not 0 <= value < 2**31:
        return None
    if isinstance(value, datetime) and value.tzinfo is None:
        return None
    return (value.replace("\x00", "") if isinstance(value, str) else value), pk
