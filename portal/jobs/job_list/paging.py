"""Keyset pagination."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import F, Model, Q, QuerySet
from django.utils.dateparse import parse_datetime

MAX_COUNTED = 1000


@dataclass(frozen=True)
class SortOrder:
    """Sort by a column, then by primary key. Nulls are last in both directions."""

    key: str  # in the URL
    column: str
    kind: type = str
    descending: bool = False
    nullable: bool = False

    def get_ordering(self, *, backwards: bool = False) -> list[Any]:
        column = F(self.column)
        if self.descending != backwards:
            with_nulls = column.desc(
                nulls_first=backwards or None, nulls_last=not backwards or None
            )
            plain = column.desc()
        else:
            with_nulls = column.asc(nulls_first=backwards or None, nulls_last=not backwards or None)
            plain = column.asc()
        return [with_nulls if self.nullable else plain, "-pk" if backwards else "pk"]

    def rows_after(self, value: Any, pk: int, *, backwards: bool = False) -> Q:
        comparison = "lt" if self.descending != backwards else "gt"
        key_comparison = "lt" if backwards else "gt"
        is_null = Q(**{f"{self.column}__isnull": True})
        if value is None:
            same_value = is_null & Q(**{f"pk__{key_comparison}": pk})
            return same_value | ~is_null if backwards else same_value
        # The first condition is redundant but lets the database start at it in an index.
        condition = Q(**{f"{self.column}__{comparison}e": value}) & (
            Q(**{f"{self.column}__{comparison}": value}) | Q(**{f"pk__{key_comparison}": pk})
        )
        return condition | is_null if self.nullable and not backwards else condition


@dataclass(frozen=True)
class Page:
    rows: list[Any]
    # Cursors of the adjacent pages; empty if there is none.
    after: str = ""
    before: str = ""


def get_page(rows: QuerySet[Any], order: SortOrder, *, after: str, before: str, size: int) -> Page:
    """Return the page after or before a cursor; the first page if the cursor is unreadable."""
    cursor = _decode_cursor(after or before, order)
    backwards = cursor is not None and not after
    ordered_rows = rows.order_by(*order.get_ordering(backwards=backwards))
    if cursor is not None:
        ordered_rows = ordered_rows.filter(order.rows_after(*cursor, backwards=backwards))
    page_rows = list(ordered_rows[: size + 1])
    has_more, page_rows = len(page_rows) > size, page_rows[:size]
    if backwards:
        page_rows.reverse()
    if not page_rows:
        return Page([])
    has_next = backwards or has_more
    has_previous = has_more if backwards else cursor is not None
    return Page(
        page_rows,
        after=_encode_cursor(page_rows[-1], order) if has_next else "",
        before=_encode_cursor(page_rows[0], order) if has_previous else "",
    )


def _encode_cursor(row: Model, order: SortOrder) -> str:
    value = getattr(row, order.column)
    serialized = value.isoformat() if isinstance(value, datetime) else value
    text = json.dumps([serialized, row.pk], ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode_cursor(cursor: str, order: SortOrder) -> tuple[Any, int] | None:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        value, pk = json.loads(text)
        if value is not None:
            value = _parse_cursor_value(value, order.kind)
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None
    if type(pk) is not int or not 0 < pk < 2**63 or (value is None and not order.nullable):
        return None
    return value, pk


def _parse_cursor_value(value: Any, kind: type) -> Any:
    if kind is datetime:
        moment = parse_datetime(value)
        if moment is None or moment.tzinfo is None:
            raise ValueError
        return moment.astimezone(UTC)  # OverflowError outside of years 1 to 9999
    if kind is str and isinstance(value, str):
        value.encode()  # fails on lone surrogates, which databases reject
        return value.replace("\x00", "")
    if kind is int and type(value) is int and 0 <= value < 2**31:
        return value
    raise ValueError
