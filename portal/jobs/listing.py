"""What the list of requisitions shows of what its address asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.urls import reverse

from portal.accounts.models import Membership
from portal.entitlements.rules import Rights, visible_jobs
from portal.jobs import keeping
from portal.jobs.choices import choices, options
from portal.jobs.narrowing import AGES, LEAST, Narrowing, narrowed
from portal.jobs.paging import MOST_COUNTED, page
from portal.jobs.rows import Row, rows
from portal.jobs.search import candidates_found, named_applications
from portal.mirror.models import Job, StageName

PER_PAGE = 25
SORTS = {
    "name": "Title, A to Z",
    "-name": "Title, Z to A",
    "waiting": "Waiting longest",
    "-active": "Most applications",
    "active": "Fewest applications",
    "opened": "Open longest",
    "-opened": "Opened last",
}
# A row needs no more of a job, nor does the place of a page.
_COLUMNS = (
    *("name", "status", "requisition_id", "confidential", "department__name"),
    *("opened_at", "active_applications", "waiting_since"),
)


@dataclass(frozen=True)
class Asked:
    """A list that somebody asked for: who, by which rights, narrowed to what, from which place."""

    member: Membership
    held: Rights
    to: Narrowing
    after: str = ""
    before: str = ""

    @property
    def from_the_top(self) -> bool:
        """Whether it is the list as it opens: pinned ones stand above it."""
        return not (self.to.narrow or self.to.closed or self.after or self.before)

    def jobs(self) -> QuerySet[Job]:
        """All that fit, in no order."""
        seen = visible_jobs(self.member, held=self.held, closed=self.to.closed)
        found = self.held.match
        return narrowed(seen, self.to, here=found.connection, me=found.user, named=self.named)

    def named(self) -> QuerySet[Any]:
        return named_applications(self.member, self.held, closed=self.to.closed)


def listed(asked: Asked) -> dict[str, Any]:
    """One page of rows, with what stands above and below it."""
    member, held, to = asked.member, asked.held, asked.to
    jobs = asked.jobs()
    found = page(_slim(jobs), to.order, after=asked.after, before=asked.before, size=PER_PAGE)
    pins = keeping.pins(member)
    on_top = _pinned(asked, pins) if asked.from_the_top else []
    made = {
        row.job.pk: row
        for row in rows([*found.rows, *on_top], member, held, pinned=frozenset(pins))
    }
    shown = [made[job.pk] for job in found.rows]
    _tell_apart(shown, asked)
    return {
        "rows": shown,
        "pinned": [made[job.pk] for job in on_top],
        "total": jobs.order_by()[: MOST_COUNTED + 1].count(),
        "most": MOST_COUNTED,
        "next_url": _address(to, "after", found.after),
        "previous_url": _address(to, "before", found.before),
    }


def _slim(jobs: QuerySet[Job]) -> QuerySet[Job]:
    return jobs.select_related("department").only(*_COLUMNS)


def _pinned(asked: Asked, pins: list[int]) -> list[Job]:
    """Those that may still be seen, in the order in which they were pinned."""
    if not pins:
        return []
    seen = visible_jobs(asked.member, held=asked.held).filter(pk__in=pins)
    return sorted(_slim(seen), key=lambda job: pins.index(job.pk))


def _tell_apart(shown: list[Row], asked: Asked) -> None:
    """With what the reader looked for, in the rows that are there for it."""
    to, here = asked.to, asked.held.match.connection
    if to.words:
        found = candidates_found([row.job.pk for row in shown], to.words, asked.named(), here)
        for row in shown:
            row.found = found.get(row.job.pk, ())
    if to.stage is not None and shown:
        stage = StageName.objects.filter(connection=here, pk=to.stage).first()
        for row in shown:
            row.in_stage = row.waiting_in(stage.name) if stage else None


def _address(to: Narrowing, direction: str, place: str) -> str:
    if not place:
        return ""
    query = f"{to.query}&" if to.query else ""
    return f"{reverse('jobs:list')}?{query}{direction}={place}"


def orders(to: Narrowing) -> dict[str, Any]:
    """What the list can be ordered by."""
    return {"sorts": options(SORTS.items(), to.order.key)}


def filters(asked: Asked) -> dict[str, Any]:
    """What the list can be filtered by. Hundreds of names: read when somebody wants to filter."""
    to = asked.to
    offered = choices(asked.member, asked.held, to)
    return {
        "choices": offered,
        "departments": options(offered.departments, to.department),
        "offices": options(offered.offices, to.office),
        "recruiters": options(offered.recruiters, to.recruiter),
        "stages": options(offered.stages, to.stage),
        "leasts": options(LEAST.items(), to.least),
        "ages": options(AGES.items(), to.age),
    }
