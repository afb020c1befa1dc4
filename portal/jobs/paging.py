"""Pages that stay where they are while rows come and go: each begins behind the last row seen."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime
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
    place = _place(after or before, order)
    backwards = place is not None and not after
    found = rows.order_by(*order.by(backwards=backwards))
    if place is not None:
        found = found.filter(order.behind(*place, backwards=backwards))
    listed = list(found[: size + 1])
    more, listed = len(listed) > size, listed[:size]
    if backwards:
        listed.reverse()
    if not listed:
        return Slice([])
    more_behind = backwards or more
    more_before = more if backwards else place is not None
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
        if value is not None:
            value = _read(value, order.kind)
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None
    if type(pk) is not int or not 0 < pk < 2**63 or (value is None and not order.nullable):
        return None
    return value, pk


def _read(value: Any, kind: type) -> Any:
    """A value of this kind as the databases take it. Raises ValueError, or as the parts do."""
    if kind is datetime:
        moment = parse_datetime(value)
        if moment is None or moment.tzinfo is None:
            raise ValueError
        return moment.astimezone(UTC)  # one of another zone may lie outside of all years
    if kind is str and isinstance(value, str):
        value.encode()  # half a character cannot be asked for
        return value.replace("\x00", "")
    if kind is int and type(value) is int and 0 <= value < 2**31:
        return value
    raise ValueError
