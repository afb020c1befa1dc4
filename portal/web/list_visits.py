"""Paging that neither skips nor repeats rows while the list changes.

A visit remembers which rows each page showed. A page that was shown keeps its rows; the next page
starts with the first rows, in the list's order now, that no page of the visit has shown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.core import signing
from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.crypto import get_random_string

from portal.accounts.models import Membership
from portal.core.database import read_only
from portal.core.shared_state import get_shared_store
from portal.web.id_parsing import parse_id
from portal.web.rate_limits import count_hit
from portal.web.state_tokens import SHOWN_PARAM

MAX_ROWS = 20_000  # of a visit, about 160 KB; filters lead to the rows after them
VISIT_SECONDS = 24 * 60 * 60
VISIT_PARAMS = ("page", "visit", "first")  # in the URL of a page
KEY_LENGTH = 12
_KEY_PATTERN = re.compile(rf"[A-Za-z0-9]{{{KEY_LENGTH}}}", re.ASCII)
Pages = list[list[int]]


@dataclass(frozen=True)
class PagedList:
    """`ordered` is what the list contains; `shown` finds rows again that have left it since. Both
    contain only rows that the member may see, with all that the page shows of them.
    """

    name: str  # identifies the list and its filters
    ordered: QuerySet[Any]
    shown: QuerySet[Any]
    size: int
    # Return as many of the first of `ordered`, faster than it can.
    load_first: Callable[[int], Sequence[Any]] | None = None
    count: int | None = None  # of `ordered`, if it is known


@dataclass(frozen=True)
class VisitPage:
    object_list: list[Any]
    number: int
    count: int  # of all rows: shown in this visit, or still to come
    start_index: int
    hidden_count: int = 0  # shown before, but no longer visible to the member
    is_cut_off: bool = False  # rows after MAX_ROWS are on no page
    is_new: bool = False  # nothing of the list was shown before, so `count` is of its rows now
    list_params: dict[str, str] = field(default_factory=dict)
    # Like `list_params`, also for a first page that is not stored: its rows stay where they are.
    return_params: dict[str, str] = field(default_factory=dict)
    url: str = ""  # shows the same rows again
    next_url: str = ""
    previous_url: str = ""

    def __iter__(self) -> Iterator[Any]:
        return iter(self.object_list)

    def __len__(self) -> int:
        return len(self.object_list)

    @property
    def summary(self) -> str:
        """For example "1 to 50 of 1,240"."""
        if not self.count:
            return ""
        end_index = self.start_index + len(self) + self.hidden_count - 1
        summary = f"{self.start_index:,} to {end_index:,} of {self.count:,}"
        return f"{summary}. To see the rest, filter the list." if self.is_cut_off else summary

    @property
    def has_other_pages(self) -> bool:
        return bool(self.next_url or self.previous_url)


class ListVisit:
    """The pages that a member has seen of a list, found by the `visit` in the URL.

    The first page is not stored. Its link to the second carries it, signed, so that opening a list
    writes nothing, and the link works for others and once the stored visit has expired.
    """

    def __init__(
        self, paged_list: PagedList, query: QueryDict, member: Membership, *, prefix: str = ""
    ) -> None:
        self._list = paged_list
        self._query = query
        self._names = {name: f"{prefix}{name}" for name in VISIT_PARAMS}
        self._scope = f"list:{member.organization_id}:{paged_list.name}"
        key = self._get_param("visit")
        self._key = key if _KEY_PATTERN.fullmatch(key) else get_random_string(KEY_LENGTH)
        digest = signing.Signer(salt=self._scope).signature(self._key)
        self._store_key = f"list:{member.pk}:{digest}"
        number = parse_id(self._get_param("page")) or 1
        self._max_pages = MAX_ROWS // paged_list.size
        self._number = min(max(1, number), self._max_pages)
        self._rebuild_key = f"list-rebuild:{member.pk}"
        self._is_new = key != self._key
        self._is_stored = False
        self._has_rest: bool | None = None  # None: not known yet
        self._new_rows: dict[int, Any] = {}  # of a page that no request has shown before

    def load_page(self, *, count_rows: bool = True) -> VisitPage:
        earlier_pages = self._load_pages()
        pages = self._add_pages(earlier_pages, self._number)
        number = min(self._number, len(pages)) or 1
        page_ids = pages[number - 1] if pages else []
        shown_ids = [pk for page in pages for pk in page]
        if self._has_rest is None and not count_rows:
            self._has_rest = self._exclude(shown_ids).exists()
        is_new = not earlier_pages
        rest_count = 0
        if count_rows and self._has_rest is not False:
            rest_count = self._count_rest(shown_ids, is_new=is_new)
        has_rest = rest_count > 0 if count_rows else bool(self._has_rest)
        is_last_allowed = number == self._max_pages
        has_next = number < len(pages) or (has_rest and not is_last_allowed)
        rows = self._load_rows(page_ids)
        visible_rows = [rows[pk] for pk in page_ids if pk in rows]
        return VisitPage(
            visible_rows,
            number,
            count=len(shown_ids) + rest_count,
            start_index=sum(map(len, pages[: number - 1])) + 1,
            hidden_count=len(page_ids) - len(visible_rows),
            is_cut_off=has_rest and is_last_allowed,
            is_new=is_new,
            list_params=self._build_params(number),
            return_params=self._build_return_params(number, pages),
            url=self._build_url(number, pages) if number > 1 or self._is_stored else "",
            next_url=self._build_url(number + 1, pages) if has_next else "",
            previous_url=self._build_url(number - 1, pages) if number > 1 else "",
        )

    def _get_param(self, name: str) -> str:
        return self._query.get(self._names[name], "")

    def _load_pages(self) -> Pages:
        if self._is_new:
            return []
        pages = self._update_store(lambda stored: stored)
        self._is_stored = bool(pages)
        return pages or self._read_first_page()

    def _read_first_page(self) -> Pages:
        try:
            page = signing.loads(self._get_param("first"), salt=self._scope)
        except (signing.BadSignature, ValueError):
            return []
        return [page[: self._list.size]]

    def _add_pages(self, pages: Pages, number: int) -> Pages:
        """Several at once if the visit is not known or has expired; only so often, as each stores
        as much as a visit may hold.
        """
        size = self._list.size
        missing_count = number - len(pages)
        if missing_count <= 0:
            return pages
        if missing_count > 1 and count_hit(self._rebuild_key, settings.LIST_REBUILDS):
            missing_count, number = 1, len(pages) + 1
        shown_ids = [pk for page in pages for pk in page]
        wanted = missing_count * size
        # One more tells whether there are any after them.
        if missing_count == 1:
            rows = self._load_rest(shown_ids, wanted + 1)
            ids = [row.pk for row in rows]
            self._new_rows = {row.pk: row for row in rows}
        else:
            rest = self._exclude(shown_ids)
            ids = list(rest.values_list("pk", flat=True)[: wanted + 1])
        self._has_rest, ids = len(ids) > wanted, ids[:wanted]
        pages = pages + [ids[start : start + size] for start in range(0, len(ids), size)]
        return self._store_pages(pages) if number > 1 else pages

    def _load_rows(self, ids: list[int]) -> dict[int, Any]:
        if self._new_rows.keys() >= set(ids):
            return self._new_rows
        return self._list.shown.in_bulk(ids)

    def _store_pages(self, pages: Pages) -> Pages:
        """Pages that another request has stored in the meantime win."""
        if read_only.is_read_only() or not pages:
            return pages
        self._is_stored, self._has_rest = True, None  # pages of another request may differ
        return self._update_store(lambda stored: stored if len(stored) >= len(pages) else pages)

    def _update_store(self, change: Any) -> Pages:
        def change_value(value: bytes | None) -> tuple[bytes | None, Pages]:
            stored: Pages = json.loads(value) if value else []
            pages: Pages = change(stored)
            return (value if pages == stored else json.dumps(pages).encode()), pages

        return get_shared_store().update(self._store_key, change_value, ttl=VISIT_SECONDS)

    def _load_rest(self, shown_ids: list[int], limit: int) -> Sequence[Any]:
        if self._list.load_first is not None and not shown_ids:
            return self._list.load_first(limit)
        return list(self._exclude(shown_ids)[:limit])

    def _count_rest(self, shown_ids: list[int], *, is_new: bool) -> int:
        if is_new and self._has_rest and self._list.count is not None:
            return max(self._list.count - len(shown_ids), 1)
        return self._exclude(shown_ids).order_by().count()

    def _exclude(self, shown_ids: list[int]) -> QuerySet[Any]:
        ordered = self._list.ordered
        return ordered.exclude(pk__in=shown_ids) if shown_ids else ordered

    def _build_params(self, number: int) -> dict[str, str]:
        if number == 1 and not self._is_stored:
            return {}
        return {self._names["page"]: str(number), self._names["visit"]: self._key}

    def _build_return_params(self, number: int, pages: Pages) -> dict[str, str]:
        params = {self._names["page"]: str(number), self._names["visit"]: self._key}
        if not self._is_stored and pages:
            params[self._names["first"]] = signing.dumps(pages[0], salt=self._scope, compress=True)
        return params

    def _build_url(self, number: int, pages: Pages) -> str:
        query = self._query.copy()
        for name in (*self._names.values(), "return_to", SHOWN_PARAM):
            query.pop(name, None)
        query.update(self._build_return_params(number, pages))
        return f"?{query.urlencode()}"
