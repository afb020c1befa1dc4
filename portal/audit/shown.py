"""What an entry shows of its `before` and `after`.

Entries are sealed, so what an earlier version wrote into them is hidden here, wherever they are
read: titles of requisitions, which not every reader may see, and words that somebody looked for,
which may be a candidate's name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.http import QueryDict

from portal.accounts.models import Membership
from portal.audit.models import Entry

JOB = "job"  # a requisition, by Greenhouse's id
_HIDDEN = {"job_name"}

Names = Mapping[int, str]
_naming: list[Callable[[Membership, set[int]], Names]] = []


def name_jobs_by(naming: Callable[[Membership, set[int]], Names]) -> None:
    """Have titles of requisitions told by `naming`: for the room that knows who may see which."""
    _naming[:] = [naming]


def values(told: Mapping[str, Any] | None, names: Names | None = None) -> dict[str, Any]:
    """What is shown of `before` or `after`; a requisition with its title where `names` has it."""
    shown: dict[str, Any] = {}
    for key, value in (told or {}).items():
        if key == "query" and isinstance(value, str):
            shown |= searched(value)
        elif key == JOB and type(value) is int:
            named = (names or {}).get(value)
            shown[key] = f"{named} ({value})" if named else str(value)
        elif key not in _HIDDEN:
            shown[key] = value
    return shown


def searched(query: str) -> dict[str, Any]:
    """What is told of a list that somebody asked for by this address: of words, that there were."""
    asked = QueryDict(query, mutable=True)
    words = asked.pop("q", None)
    return {"query": asked.urlencode()} | ({"words": "looked for"} if words else {})


def names_for(reader: Membership, entries: Iterable[Entry]) -> Names:
    """The titles of the requisitions in these entries: of those alone that the reader may see."""
    told = [one.get(JOB) for entry in entries for one in (entry.before, entry.after) if one]
    jobs = {job for job in told if type(job) is int}
    return _naming[0](reader, jobs) if jobs and _naming else {}
