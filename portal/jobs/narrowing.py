"""What was asked of the list of requisitions: words, filters and order, all from its address.

An address may be old, shared or made up: what it says that makes no sense is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, QuerySet
from django.http import QueryDict
from django.utils import timezone

from integrations.ats.types import JobStatus
from portal.connections.models import Connection
from portal.core.keys import as_key
from portal.jobs.models import StageTally
from portal.jobs.paging import Order
from portal.jobs.search import matching
from portal.mirror.models import Application, AtsUser, Job, TeamMember

ORDERS = {
    "name": Order("name", "name"),
    "-name": Order("-name", "name", descending=True),
    "opened": Order("opened", "opened_at", datetime, nullable=True),
    "-opened": Order("-opened", "opened_at", datetime, descending=True, nullable=True),
    "active": Order("active", "active_applications", int),
    "-active": Order("-active", "active_applications", int, descending=True),
    "waiting": Order("waiting", "waiting_since", datetime, nullable=True),
}
AGES = {"30": "30 days", "60": "60 days", "90": "90 days", "180": "half a year", "365": "a year"}
LEAST = {2: "2", 5: "5", 10: "10", 25: "25", 50: "50", 100: "100"}  # active applications
_LONGEST = 200


@dataclass(frozen=True)
class Narrowing:
    """`department`, `office`, `recruiter` and `stage` are keys of ours; a stage's is of its name.

    `least`: how many active applications there are at least, in that stage or at all. `query` is
    this, as an address.
    """

    words: str = ""
    department: int | None = None
    office: int | None = None
    recruiter: int | None = None
    stage: int | None = None
    least: int | None = None
    mine: bool = False
    confidential: bool = False
    waiting: bool = False
    closed: bool = False
    age: str = ""
    order: Order = ORDERS["name"]
    query: str = field(default="", compare=False)

    @property
    def filters(self) -> int:
        """How many filters are set, without the words."""
        chosen = (self.department, self.office, self.recruiter, self.stage, self.least, self.age)
        return sum(map(bool, (*chosen, self.mine, self.confidential, self.waiting)))

    @property
    def narrow(self) -> bool:
        return bool(self.words or self.filters)


def asked(query: QueryDict) -> Narrowing:
    """What the address asks for."""
    found = Narrowing(
        words=query.get("q", "").replace("\x00", "").strip()[:_LONGEST],
        department=as_key(query.get("department", "")),
        office=as_key(query.get("office", "")),
        recruiter=as_key(query.get("recruiter", "")),
        stage=as_key(query.get("stage", "")),
        least=least if (least := as_key(query.get("least", ""))) in LEAST else None,
        mine=bool(query.get("mine")),
        confidential=bool(query.get("confidential")),
        waiting=bool(query.get("waiting")),
        closed=query.get("status") == "closed",
        age=age if (age := query.get("age", "")) in AGES else "",
        order=ORDERS.get(query.get("sort", ""), ORDERS["name"]),
    )
    return addressed(found)


def addressed(found: Narrowing) -> Narrowing:
    """The same with its `query`."""
    address = QueryDict(mutable=True)
    plain = {
        "q": found.words,
        "department": found.department,
        "office": found.office,
        "recruiter": found.recruiter,
        "stage": found.stage,
        "least": found.least,
        "mine": "1" if found.mine else "",
        "confidential": "1" if found.confidential else "",
        "waiting": "1" if found.waiting else "",
        "status": "closed" if found.closed else "",
        "age": found.age,
        "sort": found.order.key if found.order.key != "name" else "",
    }
    for name, value in plain.items():
        if value:
            address[name] = str(value)
    object.__setattr__(found, "query", address.urlencode())
    return found


def narrowed(
    jobs: QuerySet[Job],
    to: Narrowing,
    *,
    here: Connection | None,
    me: AtsUser | None,
    named: Callable[[], QuerySet[Application]],
) -> QuerySet[Job]:
    """The jobs that fit. `jobs` holds closed ones only where `to.closed` asks for them.

    `here`: the connection they are of. `me`: who the reader is in Greenhouse. `named` gives the
    applications that the reader may see with the candidate's name; it is asked only where words are
    looked for.
    """
    jobs = jobs.filter(status=JobStatus.CLOSED if to.closed else JobStatus.OPEN)
    if to.words:
        jobs = matching(jobs, to.words, named(), here)
    if to.department is not None:
        jobs = jobs.filter(department_id=to.department)
    if to.office is not None:
        at_office = Job.offices.through._default_manager.filter(
            job_id=OuterRef("pk"), office_id=to.office
        )
        jobs = jobs.filter(Exists(at_office))
    if to.recruiter is not None:
        jobs = jobs.filter(Exists(_places().filter(user_id=to.recruiter, role="recruiter")))
    if to.mine:
        jobs = jobs.filter(Exists(_places().filter(user=me))) if me else jobs.none()
    if to.confidential:
        jobs = jobs.filter(confidential=True)
    if to.age:
        jobs = jobs.filter(opened_at__lt=timezone.now() - timedelta(days=int(to.age)))
    return _by_counts(jobs, to)


def _by_counts(jobs: QuerySet[Job], to: Narrowing) -> QuerySet[Job]:
    """By what `portal.jobs.tally` counts."""
    if to.waiting:
        jobs = jobs.filter(active_applications__gt=0)
    if to.stage is not None:
        in_stage = StageTally.objects.filter(job=OuterRef("pk"), stage_id=to.stage)
        return jobs.filter(Exists(in_stage.filter(active__gte=to.least or 1)))
    if to.least is not None:
        jobs = jobs.filter(active_applications__gte=to.least)
    return jobs


def _places() -> QuerySet[TeamMember]:
    return TeamMember.objects.filter(job=OuterRef("pk"))
