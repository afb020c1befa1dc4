"""What is shown of an entry's `before` and `after`. Earlier versions wrote titles and search terms,
which are hidden here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.http import QueryDict

from portal.accounts.models import Membership
from portal.audit.models import Entry
from portal.core.hooks import Hook

JOB_KEY = "job"  # a Greenhouse job ID
_HIDDEN_KEYS = {"job_name"}

JobTitles = Mapping[int, str]
# Called with the reader and Greenhouse job IDs; returns the titles this reader may see.
job_title_lookup: Hook[[Membership, set[int]], JobTitles] = Hook()


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
    """Drop the search terms, which may be a candidate's name, and what a candidate answered."""
    params = QueryDict(query, mutable=True)
    labels = {"q": "search_terms", "answer": "answers"}
    redacted = {label: "not shown" for name, label in labels.items() if params.pop(name, None)}
    return {"query": params.urlencode()} | redacted


def get_job_titles(reader: Membership, entries: Iterable[Entry]) -> JobTitles:
    """Titles of the requisitions in these entries that the reader may see."""
    values = [
        state.get(JOB_KEY) for entry in entries for state in (entry.before, entry.after) if state
    ]
    job_ids = {job_id for job_id in values if type(job_id) is int}
    titles = job_title_lookup.run(reader, job_ids) if job_ids else []
    return titles[0] if titles else {}
