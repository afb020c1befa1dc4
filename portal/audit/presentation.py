"""What is shown of an entry's `before` and `after`. Earlier versions wrote titles and search terms,
which are hidden here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.http import QueryDict

from portal.accounts.models import Membership
from portal.audit.models import Entry

JOB_KEY = "job"  # a Greenhouse job ID
_HIDDEN_KEYS = {"job_name"}

JobTitles = Mapping[int, str]
_title_lookups: list[Callable[[Membership, set[int]], JobTitles]] = []


def register_title_lookup(lookup: Callable[[Membership, set[int]], JobTitles]) -> None:
    _title_lookups[:] = [lookup]


def get_visible_values(
    values: Mapping[str, Any] | None, titles: JobTitles | None = None
) -> dict[str, Any]:
    visible_values: dict[str, Any] = {}
    for key, value in (values or {}).items():
        if key == "query" and isinstance(value, str):
            visible_values |= redact_search(value)
        elif key == JOB_KEY and type(value) is int:
            title = (titles or {}).get(value)
            visible_values[key] = f"{title} ({value})" if title else str(value)
        elif key not in _HIDDEN_KEYS:
            visible_values[key] = value
    return visible_values


def redact_search(query: str) -> dict[str, Any]:
    """Drop the search terms, which may be a candidate's name."""
    params = QueryDict(query, mutable=True)
    search_terms = params.pop("q", None)
    return {"query": params.urlencode()} | ({"words": "looked for"} if search_terms else {})


def get_job_titles(reader: Membership, entries: Iterable[Entry]) -> JobTitles:
    """Titles of the requisitions in these entries that the reader may see."""
    values = [
        state.get(JOB_KEY) for entry in entries for state in (entry.before, entry.after) if state
    ]
    job_ids = {job_id for job_id in values if type(job_id) is int}
    return _title_lookups[0](reader, job_ids) if job_ids and _title_lookups else {}
