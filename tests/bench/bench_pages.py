"""What the pages of requisitions cost, as multiples of an empty Django page in the same run.

    DATABASE_URL=postgres://root@127.0.0.1:5432/bench python -m tests.bench.bench_pages
    … --jobs 100000 --applications 1000000 --rounds 30 --report artifacts/bench_pages.md

Creates a database named like the one in DATABASE_URL with `_pages` appended, and fills it with
COPY: a small organization with 2,000 jobs, a large one, and 50 others. Each page is requested
through the whole of Django, signed in, in this process. Exits with 1 where a bar is missed: the
list's p50 at most 25 empty pages and, at the large size, at most 1.2 times what it is at the small
one; its p95 at most a third of the Django admin's list of the same rows. That is a plain ModelAdmin
with as many rows a page as ours, our filters as far as they are fields of a job, and nothing tuned.
Shown beside it: the same with the few filters of our admin's list of requisitions, and that list
itself, which estimates its count.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import psycopg

from tests.bench.common import (
    ROOT,
    Figures,
    make_parser,
    own_database,
    parse_arguments,
    portal_environment,
    set_up_django,
)

SIZES = {
    "jobs": (100_000, 400),
    "applications": (1_000_000, 1_200),
    "small_jobs": (2_000, 200),
    "small_applications": (20_000, 600),
    "others": (50, 2),
    "rounds": (30, 2),
}
MEMBER_PAGES = (
    "list",
    "filtered",
    "by what waits",
    "search",
    "search for a person",
    "requisition",
    "search as one types",
)
ADMIN_PAGES = ("plain admin list", "plain admin list, few filters", "our admin list")
PAGES = [
    "empty",
    *(
        f"{page}, {who}, {size}"
        for size in ("small", "large")
        for who in ("sam", "remy")
        for page in MEMBER_PAGES
    ),
    *ADMIN_PAGES,
]
BARS = {
    "list p50 in empty pages": 25,
    "list p50 against small": 1.2,
    "list p95 against plain admin": 1 / 3,
}
FIGURES = [*(f"{page}, {part} ms" for page in PAGES for part in ("p50", "p95")), *BARS]
NOW = datetime(2026, 11, 1, tzinfo=UTC)
WORDS = (
    *("Nurse", "Porter", "Cook", "Surgeon", "Driver", "Analyst"),
    *("Engineer", "Designer", "Buyer", "Planner", "Tester", "Clerk"),
)
LEVELS = (
    *("Junior", "Senior", "Lead", "Night", "Ward"),
    *("Field", "Home", "Group", "Chief", "Staff"),
)
STAGES = ("Application review", "Phone", "On site", "Offer")


def main() -> int:
    options = _options()
    with own_database("pages", options, needs_postgres=True, keep=options.again) as url:
        environment = portal_environment(url) | {"REDIS_URL": "none", "CONN_MAX_AGE": "600"}
        set_up_django(environment)
        if not options.again:
            _fill_all(url, options)
        return Report(options).run()


def _options() -> argparse.Namespace:
    parser = make_parser(__doc__, SIZES)
    parser.add_argument("--again", action="store_true", help="measure what was filled before")
    parser.add_argument("--report", type=Path, default=ROOT / "artifacts" / "bench_pages.md")
    return parse_arguments(parser, SIZES)


def _fill_all(made: str, options: argparse.Namespace) -> None:
    indexes = _without_indexes(made)
    _fill(made, "small", options.small_jobs, options.small_applications)
    _fill(made, "large", options.jobs, options.applications)
    for n in range(options.others):
        _fill(made, f"other-{n}", options.small_jobs // 10, options.small_applications // 10)
    with psycopg.connect(made, autocommit=True) as server:
        server.execute("SET maintenance_work_mem = '512MB'")
        for index in indexes:
            server.execute(index)
    _settle(made)


def _without_indexes(made: str) -> list[str]:
    """Drops the mirror's indexes that keep nothing unique; gives back how to make them again.

    Made at the end they take seconds; kept while a million rows come in, the trigrams take hours.
    """
    with psycopg.connect(made, autocommit=True) as server:
        found = server.execute(
            "SELECT indexname, indexdef FROM pg_indexes"
            " WHERE tablename LIKE 'mirror_%' AND indexdef NOT LIKE 'CREATE UNIQUE%'"
        ).fetchall()
        for name, _ in found:
            server.execute(f'DROP INDEX "{name}"')
    return [made_by for _, made_by in found]


def _load_organization(slug: str) -> dict[str, Any]:
    from portal.accounts.models import Membership
    from portal.mirror.models import Job, SyncRun

    SyncRun.objects.update(finished_at=datetime.now(UTC), started_at=datetime.now(UTC))
    people = Membership.objects.filter(organization__slug=slug).select_related("user")
    jobs = Job.objects.filter(connection__organization__slug=slug)
    return {
        "members": {m.user.email.split("@")[0]: m for m in people},
        "first_job": jobs.order_by("pk").values_list("pk", flat=True)[0],
        "connection": jobs.values_list("connection", flat=True)[0],
    }


# -- filling ---------------------------------------------------------------------------------------


def _copy(cursor: Any, table: str, columns: str, rows: Iterable[tuple[Any, ...]]) -> None:
    """What `columns` leaves out is as the model has it by default."""
    named = [name.strip().strip('"') for name in columns.split(",")]
    other = _defaults(table, named)
    whole = ", ".join(f'"{name}"' for name in (*named, *other))
    rest = tuple(other.values())
    with cursor.copy(f"COPY {table} ({whole}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row + rest)


def _defaults(table: str, named: list[str]) -> dict[str, Any]:
    from django.apps import apps

    models = {model._meta.db_table: model for model in apps.get_models(include_auto_created=True)}
    fields = models[table]._meta.concrete_fields
    left = [f for f in fields if f.column not in named and not f.primary_key and not f.null]
    found = {f.column: f.get_default() for f in left}
    return {name: json.dumps(v) if isinstance(v, dict | list) else v for name, v in found.items()}


MIRRORED = "id, connection_id, remote_id, gone_at, first_seen_at, changed_at"


def _fill(url: str, slug: str, jobs: int, applications: int) -> None:
    """An organization of this size, with a Site Admin, Sam, and a Job Admin, Remy."""
    from portal.accounts.models import Membership, Organization, User
    from portal.connections.models import Connection
    from portal.mirror.models import AtsUser, AtsUserEmail, SyncRun

    organization = Organization.objects.create(name=slug, slug=slug)
    connection = Connection.objects.create(organization=organization, state="live")
    SyncRun.objects.create(
        connection=connection, status="done", started_at=NOW, finished_at=datetime.now(UTC)
    )
    chance = random.Random(slug)
    admin = AtsUser.objects.create(
        connection=connection, remote_id=1, name="Sam Okafor", site_admin=True
    )
    granted = AtsUser.objects.create(connection=connection, remote_id=2, name="Remy Laurent")
    for user, name in ((admin, "sam"), (granted, "remy")):
        address = f"{name}@{slug}.example"
        AtsUserEmail.objects.create(user=user, address=address, primary=True)
        person = User.objects.create(email=address, name=user.name, email_confirmed_at=NOW)
        Membership.objects.create(user=person, organization=organization)
    with psycopg.connect(url) as server, server.cursor() as cursor:
        # What is copied fits together by how it is made; checking each key would take hours.
        cursor.execute("SET session_replication_role = replica")
        first = _first(cursor)
        _copy_all(cursor, connection.pk, first, jobs, applications, granted.pk, chance)


def _first(cursor: Any) -> int:
    cursor.execute("SELECT coalesce(max(id), 1000000) + 1 FROM mirror_job")
    return int(cursor.fetchone()[0])


def _copy_all(
    cursor: Any,
    connection: int,
    first: int,
    jobs: int,
    applications: int,
    granted: int,
    chance: random.Random,
) -> None:
    def mirrored(pk: int) -> tuple[Any, ...]:
        return (pk, connection, pk, None, NOW, NOW)

    base = first * 20  # keys of what hangs on jobs: no two organizations share one
    departments = [base + n for n in range(40)]
    offices = [base + n for n in range(30)]
    people = [base + n for n in range(400)]
    _copy(
        cursor,
        "mirror_department",
        f"{MIRRORED}, name",
        ((*mirrored(d), f"Department {d}") for d in departments),
    )
    _copy(
        cursor,
        "mirror_office",
        f"{MIRRORED}, name, location",
        ((*mirrored(o), f"Office {o}", "") for o in offices),
    )
    _copy(
        cursor,
        "mirror_atsuser",
        f"{MIRRORED}, name, primary_email, site_admin, deactivated",
        (
            (*mirrored(p), f"Person {p:x} {chance.choice(WORDS)}son", "", False, False)
            for p in people
        ),
    )
    span = range(first, first + jobs)
    _copy(
        cursor,
        "mirror_job",
        f"{MIRRORED}, name, status, requisition_id, confidential, opened_at, department_id,"
        " active_applications",
        (
            (
                *mirrored(job),
                f"{chance.choice(LEVELS)} {chance.choice(WORDS)} {job}",
                "closed" if job % 5 == 0 else "open",
                f"REQ-{job}",
                job % 50 == 0,
                NOW - timedelta(hours=chance.randrange(9000)),
                chance.choice(departments),
                0,
            )
            for job in span
        ),
    )
    _copy(
        cursor,
        "mirror_job_offices",
        "job_id, office_id",
        ((job, chance.choice(offices)) for job in span),
    )
    _copy(
        cursor,
        "mirror_teammember",
        "job_id, user_id, role",
        (
            (job, chance.choice(people), role)
            for job in span
            for role in ("recruiter", "hiring_manager")
        ),
    )
    _copy(
        cursor,
        "mirror_opening",
        f"{MIRRORED}, job_id, opening_id, is_open",
        ((*mirrored(job), job, "", True) for job in span),
    )
    _copy(
        cursor,
        "mirror_jobgrant",
        f"{MIRRORED}, user_id, job_id, job_admin",
        ((*mirrored(job), granted, job, True) for job in span if job % 97 == 1),
    )
    _copy(
        cursor,
        "mirror_stage",
        f'{MIRRORED}, job_id, name, "order", active',
        (
            (*mirrored(job * 4 + n), job, name, n, True)
            for job in span
            for n, name in enumerate(STAGES)
        ),
    )
    each = applications // jobs
    numbers = range(first * 10, first * 10 + jobs * each)
    _copy(
        cursor,
        "mirror_candidate",
        f"{MIRRORED}, first_name, last_name, company, title, private",
        ((*mirrored(n), "Cara", f"Candidate{n}", "", "", n % 40 == 0) for n in numbers),
    )
    _copy(
        cursor,
        "mirror_application",
        f"{MIRRORED}, job_id, candidate_id, stage_id, stage_name, status, prospect, applied_at,"
        " last_activity_at, source_name, answers",
        (
            (
                *mirrored(n),
                job,
                n,
                job * 4 + chance.randrange(4),
                "",
                chance.choice(("active", "active", "rejected")),
                False,
                NOW - timedelta(hours=chance.randrange(2000)),
                NOW - timedelta(hours=chance.randrange(1000)),
                "",
                "[]",
            )
            for n in numbers
            for job in (first + (n - first * 10) // each,)
        ),
    )


def _settle(url: str) -> None:
    from portal.connections.models import Connection
    from portal.jobs import tally

    with psycopg.connect(url, autocommit=True) as server:
        server.execute("ANALYZE")
    began = time.monotonic()
    for connection in Connection.objects.all():
        tally.count(connection)
    sys.stderr.write(f"counted in {time.monotonic() - began:.0f} s\n")
    with psycopg.connect(url, autocommit=True) as server:
        server.execute("VACUUM ANALYZE")


# -- measuring -------------------------------------------------------------------------------------


class Report:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.organizations = {slug: _load_organization(slug) for slug in ("small", "large")}
        self.figures = Figures(FIGURES)
        self.lines: list[str] = []
        self.missed: list[str] = []

    def run(self) -> int:
        from django.http import HttpResponse
        from django.urls import path

        import portal.urls
        from portal.accounts.access import public

        portal.urls.urlpatterns += [
            path("__empty/", public("an empty page")(lambda r: HttpResponse(""))),
            *(path(f"__{name}/", site.urls) for name, site in self._admins()),
        ]
        pages = dict(self._pages())
        times: dict[str, list[float]] = {name: [] for name in pages}
        for ask in pages.values():
            ask()
        for _ in range(self.options.rounds):  # turn by turn: what slows the machine slows them all
            for name, ask in pages.items():
                began = time.perf_counter()
                ask()
                times[name].append(time.perf_counter() - began)
        empty = statistics.median(times["empty"])
        self._say(f"small: {self.options.small_jobs:,} jobs; large: {self.options.jobs:,} jobs\n")
        self._say("| page | p50 ms | p95 ms | p50 in empty pages | p95 in empty pages |")
        self._say("| --- | --- | --- | --- | --- |")
        for name, taken in times.items():
            p50, p95 = statistics.median(taken), _p95(taken)
            in_ms, in_pages = (1000 * p50, 1000 * p95), (p50 / empty, p95 / empty)
            self.figures.record(f"{name}, p50 ms", in_ms[0])
            self.figures.record(f"{name}, p95 ms", in_ms[1])
            cells = " | ".join(f"{number:.1f}" for number in (*in_ms, *in_pages))
            self._say(f"| {name} | {cells} |")
        self._judge(times, empty)
        self._plans()
        self.options.report.parent.mkdir(exist_ok=True)
        self.options.report.write_text("\n".join(self.lines) + "\n")
        return self.figures.finish(self.options, missed=bool(self.missed))

    def _admins(self) -> Iterator[tuple[str, Any]]:
        from portal.support.admin.mirror import JobAdmin

        connection = self.organizations["large"]["connection"]
        ours = ("status", "confidential", "department", "offices")
        yield "plain", _plain_admin(connection, ours)
        yield "few", _plain_admin(connection, JobAdmin.list_filter)

    def _pages(self) -> Iterator[tuple[str, Callable[[], None]]]:
        from django.test import Client

        from portal.accounts.models import User

        for size, made in self.organizations.items():
            for who in ("sam", "remy"):
                client = Client()
                client.force_login(made["members"][who].user)
                if size == "small" and who == "sam":
                    yield "empty", _asking(client, "/__empty/")
                job = next(
                    n for n in count(made["first_job"]) if n % 97 == 1 and n % 5
                )  # both see it
                office = made["first_job"] * 20 + 3
                for name, address in {
                    "list": "/requisitions/",
                    "filtered": f"/requisitions/?department={office}&office={office}&age=30",
                    "by what waits": "/requisitions/?waiting=1&sort=waiting",
                    "search": "/requisitions/?q=senior+nurse",
                    "search for a person": "/requisitions/?q=porterson",
                    "requisition": f"/requisitions/{job}/",
                }.items():
                    yield f"{name}, {who}, {size}", _asking(client, address)
                part = {"HTTP_HX_REQUEST": "true", "HTTP_HX_TRIGGER": "job-search"}
                yield (
                    f"search as one types, {who}, {size}",
                    _asking(client, "/requisitions/?q=nurs", **part),
                )
        staff, _ = User.objects.get_or_create(
            email="ola@portal.example", defaults={"is_staff": True, "is_superuser": True}
        )
        client = Client()
        client.force_login(staff)
        yield "plain admin list", _asking(client, "/__plain/mirror/job/")
        yield "plain admin list, few filters", _asking(client, "/__few/mirror/job/")
        yield "our admin list", _asking(client, "/admin/mirror/job/")

    def _judge(self, times: dict[str, list[float]], empty: float) -> None:
        small, large = times["list, sam, small"], times["list, sam, large"]
        p50 = statistics.median(large)
        self._say("")
        self._compare("list p50 in empty pages", p50 / empty)
        self._compare("list p50 against small", p50 / statistics.median(small))
        admin = _p95(times["plain admin list"])
        self._compare("list p95 against plain admin", _p95(large) / admin)

    def _compare(self, name: str, value: float) -> None:
        self.figures.record(name, value)
        kept = value <= BARS[name]
        self._say(
            f"- {name}: {value:.2f}, at most {BARS[name]:.2f}: {'kept' if kept else 'MISSED'}"
        )
        if not kept:
            self.missed.append(name)

    def _plans(self) -> None:
        """The plan of each slow query of the large list, as PostgreSQL carried it out."""
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        for name, ask in self._pages():
            slow = name.startswith(("list", "search, ", "filtered", "by what"))
            if not (slow and name.endswith("large")):
                continue
            with CaptureQueriesContext(connection) as made:
                ask()
            found = [
                q["sql"] for q in made if q["sql"].startswith("SELECT") and "mirror_" in q["sql"]
            ]
            self._say(f"\n## {name}: {len(made)} queries")
            for sql in found:
                with connection.cursor() as cursor:
                    cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) {sql}")
                    plan = [row[0] for row in cursor.fetchall()]
                took = float(plan[-1].split()[2])
                if took > 2:
                    self._say(f"\n```\n{sql[:2000]}\n\n" + "\n".join(plan) + "\n```")

    def _say(self, line: str) -> None:
        self.lines.append(line)
        if not line.startswith(("\n#", "\n`")):
            sys.stdout.write(f"{line}\n")


def _plain_admin(connection: int, filters: Any) -> Any:
    """Django's own admin over a connection's jobs, with nothing tuned.

    A filter by something related offers what stands on these jobs, as ours does.
    """
    from django.contrib import admin

    from portal.jobs.listing import PER_PAGE
    from portal.mirror.models import Job
    from portal.support.admin.mirror import JobAdmin

    class Plain(admin.ModelAdmin[Any]):
        # Fields, as a plain admin has them: those of JobAdmin are methods of its own.
        list_display = (
            "name",
            "requisition_id",
            "connection",
            "status",
            "confidential",
            "gone_at",
        )
        list_filter = tuple(
            (name, admin.RelatedOnlyFieldListFilter) if name in {"department", "offices"} else name
            for name in filters
        )
        search_fields = JobAdmin.search_fields
        list_select_related = JobAdmin.list_select_related
        list_per_page = PER_PAGE
        change_list_template = "admin/change_list.html"  # Django's own

        def get_queryset(self, request: Any) -> Any:
            return super().get_queryset(request).filter(connection=connection)

    site = admin.AdminSite(name="plain")
    site.register(Job, Plain)
    return site


def _asking(client: Any, address: str, **headers: str) -> Callable[[], None]:
    def ask() -> None:
        answer = client.get(address, **headers)
        assert answer.status_code == 200, (address, answer.status_code)

    return ask


def _p95(taken: list[float]) -> float:
    return statistics.quantiles(taken, n=20)[-1]


if __name__ == "__main__":
    sys.exit(main())
