"""Search, filters and sort order of a requisition's applications, parsed from the page's URL."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from urllib.parse import urlencode

from django.db.models.functions import Coalesce, Lower
from django.http import QueryDict

from portal.jobs.job_list.filters import DUE_OPTIONS
from portal.web.id_parsing import parse_id
from portal.web.list_urls import parse_search
from portal.web.sort_order import SortOrder
from portal.web.text_sanitizer import replace_unsafe_characters

ACTIVE = "active"
NEEDS_DECISION = "needs_decision"
STATUS_LABELS = {
    ACTIVE: "Active",
    NEEDS_DECISION: "Needs decision",
    "rejected": "Rejected",
    "hired": "Hired",
    "": "All",
}
DUE_UNKNOWN = "unknown"
DUE_LABELS = {key: label for key, (label, _) in DUE_OPTIONS.items()} | {DUE_UNKNOWN: "Unknown"}
MIN_DAYS_OPTIONS = {days: f"{days} days" for days in (3, 7, 14, 30, 60, 90)}
SOURCE_LABEL = Coalesce("source__name", "source_name")
DEFAULT_SORT = "-activity"
_SORT_COLUMNS: dict[str, tuple[Any, bool]] = {  # whether it may be null
    "activity": ("last_activity_at", True),
    "name": ("candidate__search_name", True),
    "applied": ("applied_at", True),
    "stage": ("stage__order", True),
    "source": (Lower(SOURCE_LABEL), False),
    "status": ("status", False),
}
SORT_ORDERS = {
    f"{sign}{key}": SortOrder(f"{sign}{key}", column, descending=bool(sign), nullable=nullable)
    for key, (column, nullable) in _SORT_COLUMNS.items()
    for sign in ("", "-")
} | {
    # The longest time in a stage began first.
    "-days": SortOrder("-days", "entered_stage_at", nullable=True),
    "days": SortOrder("days", "entered_stage_at", descending=True, nullable=True),
    # Due times are in the order in which the waits began (portal.jobs.answers.promise).
    "due": SortOrder("due", "decision_needed_at", nullable=True),
}
VISIT_PARAM_LENGTHS = {"page": 40, "visit": 40, "first": 2000}
FILTER_PARAMS = frozenset(
    (
        "q",
        "status",
        "stage",
        "source",
        "days",
        "due",
        "applied_from",
        "applied_to",
        "custom",
        "answer",
    )
) | {"sort"}
_MAX_VALUES = 20  # of a parameter that may occur several times
_MAX_TEXT_LENGTH = 300
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)

Answer = tuple[str, str]  # question and answer


@dataclass(frozen=True)
class ApplicationFilters:
    """`custom` are pairs of our key of a custom field and Greenhouse's ID of an option."""

    status: str = ACTIVE
    search: str = ""
    stage: int | None = None
    source: str = ""
    min_days: int | None = None  # in the stage
    due: str = ""  # when the answer is due
    applied_from: date | None = None
    applied_to: date | None = None
    custom: tuple[tuple[int, int], ...] = ()
    answers: tuple[Answer, ...] = ()
    order: SortOrder = SORT_ORDERS[DEFAULT_SORT]

    @property
    def params(self) -> list[tuple[str, str]]:
        """The canonical query parameters. `status` is always among them, since its default
        depends on the requisition.
        """
        single = {
            "q": self.search,
            "stage": self.stage,
            "source": self.source,
            "days": self.min_days,
            "due": self.due,
            "applied_from": self.applied_from,
            "applied_to": self.applied_to,
            "sort": self.order.key if self.order.key != DEFAULT_SORT else "",
        }
        return [
            ("status", self.status),
            *((name, str(value)) for name, value in single.items() if value),
            *(("custom", f"{field}-{option}") for field, option in self.custom),
            *(("answer", format_answer(answer)) for answer in self.answers),
        ]

    @property
    def query(self) -> str:
        return urlencode(self.params)

    @property
    def filter_count(self) -> int:
        """How many of the toolbar's filters are set, without search and status."""
        single = (self.stage, self.source, self.min_days, self.due)
        applied = (self.applied_from, self.applied_to)
        return sum(map(bool, single + applied)) + len(self.custom) + len(self.answers)

    @property
    def has_reversed_dates(self) -> bool:
        return bool(self.applied_from and self.applied_to and self.applied_from > self.applied_to)

    @property
    def stage_param(self) -> str:
        return str(self.stage or "")

    def is_default(self, default_status: str) -> bool:
        return self == ApplicationFilters(status=default_status)


def parse_filters(query: QueryDict, default_status: str = ACTIVE) -> ApplicationFilters:
    """Parse a query string, ignoring values that make no sense: URLs may be old or made up."""
    status = query.get("status", default_status)
    min_days, due = parse_id(query.get("days", "")), query.get("due", "")
    return ApplicationFilters(
        status=status if status in STATUS_LABELS else default_status,
        search=parse_search(query),
        stage=parse_id(query.get("stage", "")),
        source=_clean_text(query.get("source", "")),
        min_days=min_days if min_days in MIN_DAYS_OPTIONS else None,
        due=due if due in DUE_LABELS else "",
        applied_from=_parse_date(query.get("applied_from", "")),
        applied_to=_parse_date(query.get("applied_to", "")),
        custom=_parse_custom(query.getlist("custom")),
        answers=_parse_answers(query.getlist("answer")),
        order=SORT_ORDERS.get(query.get("sort", ""), SORT_ORDERS[DEFAULT_SORT]),
    )


def shows_status_column(status: str) -> bool:
    """A list of one status does not repeat it in each row."""
    return status not in STATUS_LABELS or not status


def drop_search(filters: ApplicationFilters) -> ApplicationFilters:
    """Search terms may be a candidate's name, which would outlast its erasure if stored."""
    return replace(filters, search="")


def get_list_params(query: QueryDict) -> list[tuple[str, str]]:
    """The list's own query parameters, dropping all others."""
    if application := query.get("application"):
        return [("application", application[:40])]
    params = [] if FILTER_PARAMS.isdisjoint(query) else parse_filters(query).params
    visit = [
        (name, query.get(name, "")[:length])
        for name, length in VISIT_PARAM_LENGTHS.items()
        if name in query
    ]
    return [*params, *visit]


def encode_list_params(query: QueryDict) -> str:
    return urlencode(get_list_params(query))


def format_answer(answer: Answer) -> str:
    return json.dumps(answer, ensure_ascii=False)


def _clean_text(text: str) -> str:
    return text.replace("\x00", "").strip()[:_MAX_TEXT_LENGTH]


def _parse_date(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        return None


def _parse_custom(values: Iterable[str]) -> tuple[tuple[int, int], ...]:
    """The last option of each field counts."""
    options_by_field = {}
    for value in list(values)[:_MAX_VALUES]:
        field, _, option = value.partition("-")
        field_id, option_id = parse_id(field), parse_id(option)
        if field_id is not None and option_id is not None:
            options_by_field[field_id] = option_id
    return tuple(sorted(options_by_field.items()))


def _parse_answers(values: Iterable[str]) -> tuple[Answer, ...]:
    """The last answer to each question counts."""
    parsed = (_parse_answer(value) for value in list(values)[:_MAX_VALUES])
    return tuple(sorted(dict(answer for answer in parsed if answer).items()))


def _parse_answer(value: str) -> Answer | None:
    try:
        pair = json.loads(value) if len(value) < 4 * _MAX_TEXT_LENGTH else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(p, str) for p in pair):
        return None
    question, answer = pair
    # JSON can escape what the middleware replaces.
    is_safe = all(text and text == replace_unsafe_characters(text) for text in pair)
    return (question, answer) if is_safe else None
