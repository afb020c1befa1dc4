"""What the pages of requisitions cost, as multiples of an empty Django page in the same run.

    DATABASE_URL=postgres://root@127.0.0.1:5432/bench python -m tests.bench.bench_pages
    … --jobs 100000 --applications 1000000 --rounds 30 --report artifacts/bench_pages.md

Creates a database named like the one in DATABASE_URL with `_pages` appended, and fills it with
COPY: a small organization with 2,000 jobs, a large one, and 50 others. Each page is requested
through the whole of Django, signed in, in this process. Exits with 1 where a bar is missed: the
list's p50 at most 12 empty pages and, at the large size, at most 1.2 times what it is at the small
one; the slowest page's p50, searched or filtered, at most 40 empty pages; the palette's p95, for
the slowest query, at most 40 empty pages; an applicants' search, filters of a requisition and the
queue over all requisitions, p50, at most 12 empty pages; the list's p95 at most a fifth of the
Django admin's list of the same rows. That is a plain ModelAdmin with as many rows a page as ours,
our filters as far as they are fields of a job, and nothing tuned. Shown beside it: the same with
the few filters of our admin's list of requisitions, and that list itself, which estimates its
count.
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
PALETTE_PAGES = {
    "palette, two letters": "nu",
    "palette, title": "senior nurse",
    "palette, first name": "mari",
    "palette, whole name": "lindquist maria",
    "palette, part of a family name": "quist",
    "palette, ID": "REQ-{job}",
    "palette, nothing found": "zzyzx",
}
CLOCK_PAGES = {
    "by what is due": "/requisitions/?sort=due",
    "overdue": "/requisitions/?due=overdue&sort=due",
    "figures of the list": "/requisitions/answers/summary/",
    "time to answer": "/requisitions/answers/",
    "time to answer, 90 days": "/requisitions/answers/?period=90",
    "time to answer, own": "/requisitions/answers/?mine=1",
    "what is due first, of a requisition": "/requisitions/{job}/?sort=due&due=overdue",
}
NEW_PAGES = {  # of the requisition's applications, and the queues over all requisitions
    "applicants' search": "/requisitions/{job}/?q=mari",
    "filters of a requisition": "/requisitions/{job}/?status=active&stage={stage}&sort=-applied",
    "filters of a requisition, open": "/requisitions/{job}/?filters=1",
    "queue over all requisitions": "/review/",
}
# They add up the tallies of all requisitions: measured, but no bar is theirs.
SUM_PAGES = [name for name, address in CLOCK_PAGES.items() if "/answers/" in address]
MEMBER_PAGES = (
    "list",
    "filtered",
    "by what waits",
    *CLOCK_PAGES,
    "search",
    "search for a person",
    "requisition",
    "search as one types",
    *NEW_PAGES,
    *PALETTE_PAGES,
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
    "list p50 in empty pages": 12,
    "list p50 against small": 1.2,
    "slowest list p50 in empty pages": 40,
    "list p95 against plain admin": 0.2,
    "palette p95 in empty pages": 40,
    "slowest of search, filters and queue p50 in empty pages": 12,
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
# 40 first and 900 last names, so that names are as common as people's are.
FIRST_NAMES = (
    *("Ada", "Ben", "Chloe", "Dinesh", "Elena", "Farid", "Greta", "Hugo", "Ines", "Jamal"),
    *("Kira", "Liam", "Maria", "Nils", "Olga", "Pedro", "Quinn", "Rosa", "Samir", "Tara"),
    *("Uwe", "Vera", "Wanda", "Xavier", "Yara", "Zeno", "Amina", "Boris", "Clara", "David"),
    *("Emil", "Fiona", "Goran", "Hanna", "Ivan", "Julia", "Karim", "Lucia", "Mateo", "Nadia"),
)
LAST_NAMES = tuple(
    start + ending
    for start in (
        *("Ander", "Bell", "Castil", "Drum", "Eber", "Fitz", "Gold", "Hart", "Ing", "Jensen"),
        *("Kowal", "Lind", "Mont", "Nor", "Okon", "Pet", "Quil", "Ross", "Sander", "Thor"),
        *("Ul", "Van", "Wester", "Xan", "York", "Zim", "Achter", "Bren", "Cold", "Dahl"),
    )
    for ending in (
        *("a", "berg", "by", "cott", "dale", "den", "er", "ez", "field", "ford"),
        *("gard", "ham", "hill", "ing", "ka", "ley", "man", "mann", "more", "nik"),
        *("o", "quist", "row", "sen", "ski", "son", "stein", "ton", "wick", "worth"),
    )
)
STAGES = ("Application review", "Phone", "On site", "Offer")


def main() -> int:
    options = _parse_options()
    with own_database("pages", options, needs_postgres=True, keep=options.again) as url:
        environment = portal_environment(url) | {"REDIS_URL": "none", "CONN_MAX_AGE": "600"}
        set_up_django(environment)
        if not options.again:
            _fill_all(url, options)
        return Report(options).run()


def _parse_options() -> argparse.Namespace:
    parser = make_parser(__doc__, SIZES)
    parser.add_argument("--again", action="store_true", help="measure what was filled before")
    parser.add_argument("--report", type=Path, default=ROOT / "artifacts" / "bench_pages.md")
    return parse_arguments(parser, SIZES)


def _fill_all(database_url: str, options: argparse.Namespace) -> None:
    indexes = _drop_indexes(database_url)
    _fill_organization(database_url, "small", options.small_jobs, options.small_applications)
    _fill_organization(database_url, "large", options.jobs, options.applications)
    for n in range(options.others):
        _fill_organization(
            database_url, f"other-{n}", options.small_jobs // 10, options.small_applications // 10
        )
    with psycopg.connect(database_url, autocommit=True) as server:
        server.execute("SET maintenance_work_mem = '512MB'")
        for index in indexes:
            server.execute(index)
    _vacuum_tables(database_url)


def _drop_indexes(database_url: str) -> list[str]:
    """Drops the mirror's indexes that keep nothing unique; gives back how to make them again.

    Made at the end they take seconds; kept while a million rows come in, the trigrams take hours.
    """
    with psycopg.connect(database_url, autocommit=True) as server:
        indexes = server.execute(
            "SELECT indexname, indexdef FROM pg_indexes"
            " WHERE tablename LIKE 'sync_%' AND indexdef NOT LIKE 'CREATE UNIQUE%'"
        ).fetchall()
        for name, _ in indexes:
            server.execute(f'DROP INDEX "{name}"')
    return [definition for _, definition in indexes]


def _load_organization(slug: str) -> dict[str, Any]:
    from portal.accounts.models import Membership
    from portal.sync.models import Job, SyncRun

    SyncRun.objects.update(finished_at=datetime.now(UTC), started_at=datetime.now(UTC))
    people = Membership.objects.filter(organization__slug=slug).select_related("user")
    jobs = Job.objects.filter(connection__organization__slug=slug)
    return {
        "members": {m.user.email.split("@")[0]: m for m in people},
        "first_job": jobs.order_by("pk").values_list("pk", flat=True)[0],
        "connection": jobs.values_list("connection", flat=True)[0],
    }


# -- filling ---------------------------------------------------------------------------------------


def _copy_rows(cursor: Any, table: str, columns: str, rows: Iterable[tuple[Any, ...]]) -> None:
    """What `columns` leaves out is as the model has it by default."""
    given_columns = [name.strip().strip('"') for name in columns.split(",")]
    defaults = _get_defaults(table, given_columns)
    all_columns = ", ".join(f'"{name}"' for name in (*given_columns, *defaults))
    default_values = tuple(defaults.values())
    with cursor.copy(f"COPY {table} ({all_columns}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row + default_values)


def _get_defaults(table: str, given_columns: list[str]) -> dict[str, Any]:
    from django.apps import apps

    models = {model._meta.db_table: model for model in apps.get_models(include_auto_created=True)}
    fields = models[table]._meta.concrete_fields
    missing_fields = [
        f for f in fields if f.column not in given_columns and not f.primary_key and not f.null
    ]
    defaults = {f.column: f.get_default() for f in missing_fields}
    return {
        name: json.dumps(v) if isinstance(v, dict | list) else v for name, v in defaults.items()
    }


MIRRORED = "id, connection_id, remote_id, gone_at, first_seen_at, changed_at"


def _fill_organization(url: str, slug: str, jobs: int, applications: int) -> None:
    """An organization of this size, with a Site Admin, Sam, and a Job Admin, Remy."""
    from portal.accounts.models import Membership, Organization, User
    from portal.connections.models import Connection
    from portal.sync.models import AtsUser, AtsUserEmail, SyncRun

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
        first = _get_first_ids(cursor)
        _copy_all(cursor, connection.pk, first, jobs, applications, granted.pk, chance)


def _get_first_ids(cursor: Any) -> int:
    cursor.execute("SELECT coalesce(max(id), 1000000) + 1 FROM sync_job")
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
    _copy_rows(
        cursor,
        "sync_department",
        f"{MIRRORED}, name",
        ((*mirrored(d), f"Department {d}") for d in departments),
    )
    _copy_rows(
        cursor,
        "sync_office",
        f"{MIRRORED}, name, search_name",
        ((*mirrored(o), f"Office {o}", f"office {o}") for o in offices),
    )
    _copy_rows(
        cursor,
        "sync_atsuser",
        f"{MIRRORED}, name, search_name, primary_email, site_admin, deactivated",
        (
            (*mirrored(p), name, name.lower(), "", False, False)
            for p in people
            for name in (f"Person {p:x} {chance.choice(WORDS)}son",)
        ),
    )
    span = range(first, first + jobs)
    _copy_rows(
        cursor,
        "sync_job",
        f"{MIRRORED}, name, search_name, status, requisition_id, confidential, opened_at,"
        " department_id, active_applications",
        (
            (
                *mirrored(job),
                title,
                title.lower(),
                "closed" if job % 5 == 0 else "open",
                f"REQ-{job}",
                job % 50 == 0,
                NOW - timedelta(hours=chance.randrange(9000)),
                chance.choice(departments),
                0,
            )
            for job in span
            for title in (f"{chance.choice(LEVELS)} {chance.choice(WORDS)} {job}",)
        ),
    )
    _copy_rows(
        cursor,
        "sync_job_offices",
        "job_id, office_id",
        ((job, chance.choice(offices)) for job in span),
    )
    _copy_rows(
        cursor,
        "sync_teammember",
        "job_id, user_id, role",
        (
            (job, chance.choice(people), role)
            for job in span
            for role in ("recruiter", "hiring_manager")
        ),
    )
    _copy_rows(
        cursor,
        "sync_opening",
        f"{MIRRORED}, job_id, opening_id, is_open",
        ((*mirrored(job), job, "", True) for job in span),
    )
    _copy_rows(
        cursor,
        "sync_jobgrant",
        f"{MIRRORED}, user_id, job_id, job_admin",
        ((*mirrored(job), granted, job, True) for job in span if job % 97 == 1),
    )
    _copy_rows(
        cursor,
        "sync_stage",
        f'{MIRRORED}, job_id, name, "order", active',
        (
            (*mirrored(job * 4 + n), job, name, n, True)
            for job in span
            for n, name in enumerate(STAGES)
        ),
    )
    each = applications // jobs
    numbers = range(first * 10, first * 10 + jobs * each)
    _copy_rows(
        cursor,
        "sync_candidate",
        f"{MIRRORED}, first_name, last_name, search_name, company, title, private",
        (
            (*mirrored(n), first, last, f"{first} {last}".lower(), "", "", n % 40 == 0)
            for n in numbers
            for first, last in ((chance.choice(FIRST_NAMES), chance.choice(LAST_NAMES)),)
        ),
    )
    _copy_rows(
        cursor,
        "sync_application",
        f"{MIRRORED}, job_id, candidate_id, stage_id, stage_name, status, prospect, applied_at,"
        " last_activity_at, source_name, answers, needs_decision, decision_needed_at, answered_at,"
        " answer_needed_at",
        (
            (
                *mirrored(n),
                job,
                n,
                job * 4 + chance.randrange(4),
                "",
                status,
                False,
                NOW - timedelta(hours=chance.randrange(2000)),
                NOW - timedelta(hours=chance.randrange(1000)),
                "",
                "[]",
                *_build_clock(status, chance),
            )
            for n in numbers
            for job in (first + (n - first * 10) // each,)
            for status in (chance.choice(("active", "active", "rejected")),)
        ),
    )


def _build_clock(status: str, chance: random.Random) -> tuple[Any, ...]:
    """Half of the active ones need a decision; those rejected lately were answered."""
    now = datetime.now(UTC)
    since = now - timedelta(hours=chance.randrange(1000))
    if status != "active":
        answered_at = now - timedelta(hours=chance.randrange(2000))
        return False, None, answered_at, answered_at - timedelta(hours=chance.randrange(300))
    needs_decision = chance.random() < 0.5
    return needs_decision, since if needs_decision else None, None, None


def _vacuum_tables(url: str) -> None:
    from portal.connections.models import Connection
    from portal.jobs.job_list import stage_counts

    with psycopg.connect(url, autocommit=True) as server:
        server.execute("ANALYZE")
    began = time.monotonic()
    for connection in Connection.objects.all():
        stage_counts.update_counts(connection)
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
        from django.conf import settings
        from django.http import HttpResponse
        from django.urls import path

        import portal.urls
        from portal.accounts.access import public_view

        settings.GET_RATE_LIMITS = {}

        portal.urls.urlpatterns += [
            path("__empty/", public_view("an empty page")(lambda r: HttpResponse(""))),
            *(path(f"__{name}/", site.urls) for name, site in self._build_admins()),
        ]
        pages = dict(self._list_pages())
        times: dict[str, list[float]] = {name: [] for name in pages}
        for ask in pages.values():
            ask()
        for _ in range(self.options.rounds):  # turn by turn: what slows the machine slows them all
            for name, ask in pages.items():
                began = time.perf_counter()
                ask()
                times[name].append(time.perf_counter() - began)
        empty = statistics.median(times["empty"])
        self._print_line(
            f"small: {self.options.small_jobs:,} jobs; large: {self.options.jobs:,} jobs\n"
        )
        self._print_line("| page | p50 ms | p95 ms | p50 in empty pages | p95 in empty pages |")
        self._print_line("| --- | --- | --- | --- | --- |")
        for name, taken in times.items():
            p50, p95 = statistics.median(taken), _get_p95(taken)
            in_ms, in_pages = (1000 * p50, 1000 * p95), (p50 / empty, p95 / empty)
            self.figures.record(f"{name}, p50 ms", in_ms[0])
            self.figures.record(f"{name}, p95 ms", in_ms[1])
            cells = " | ".join(f"{number:.1f}" for number in (*in_ms, *in_pages))
            self._print_line(f"| {name} | {cells} |")
        self._check_bars(times, empty)
        self._print_plans()
        self.options.report.parent.mkdir(exist_ok=True)
        self.options.report.write_text("\n".join(self.lines) + "\n")
        return self.figures.finish(self.options, missed=bool(self.missed))

    def _build_admins(self) -> Iterator[tuple[str, Any]]:
        from portal.support.admin.sync import JobAdmin

        connection = self.organizations["large"]["connection"]
        ours = ("status", "confidential", "department", "offices")
        yield "plain", _build_plain_admin(connection, ours)
        yield "few", _build_plain_admin(connection, JobAdmin.list_filter)

    def _list_pages(self) -> Iterator[tuple[str, Callable[[], None]]]:
        from django.test import Client

        from portal.accounts.models import User

        for size, made in self.organizations.items():
            for who in ("sam", "remy"):
                client = Client()
                client.force_login(made["members"][who].user)
                if size == "small" and who == "sam":
                    yield "empty", _build_request(client, "/__empty/")
                job = next(
                    n for n in count(made["first_job"]) if n % 97 == 1 and n % 5
                )  # both see it
                office = made["first_job"] * 20 + 3
                for name, address in {
                    "list": "/requisitions/",
                    "filtered": f"/requisitions/?department={office}&office={office}&age=30",
                    "by what waits": "/requisitions/?with_active=1&sort=waiting",
                    "search": "/requisitions/?q=senior+nurse",
                    "search for a person": "/requisitions/?q=porterson",
                    "requisition": f"/requisitions/{job}/",
                }.items():
                    yield f"{name}, {who}, {size}", _build_request(client, address)
                for name, address in CLOCK_PAGES.items():
                    request = _build_request(
                        client, address.format(job=job), HTTP_HX_REQUEST="true"
                    )
                    yield f"{name}, {who}, {size}", request
                for name, address in NEW_PAGES.items():
                    # Stages are numbered from four times their job's number, see `_copy_all`.
                    request = _build_request(client, address.format(job=job, stage=job * 4))
                    yield f"{name}, {who}, {size}", request
                part = {"HTTP_HX_REQUEST": "true", "HTTP_HX_TRIGGER": "job-search"}
                yield (
                    f"search as one types, {who}, {size}",
                    _build_request(client, "/requisitions/?q=nurs", **part),
                )
                for name, query in PALETTE_PAGES.items():
                    query = query.format(job=job)
                    request = _build_request(client, f"/search/?q={query}", HTTP_HX_REQUEST="true")
                    yield f"{name}, {who}, {size}", request
        staff, _ = User.objects.get_or_create(
            email="ola@portal.example", defaults={"is_staff": True, "is_superuser": True}
        )
        client = Client()
        client.force_login(staff)
        yield "plain admin list", _build_request(client, "/__plain/sync/job/")
        yield "plain admin list, few filters", _build_request(client, "/__few/sync/job/")
        yield "our admin list", _build_request(client, "/admin/sync/job/")

    def _check_bars(self, times: dict[str, list[float]], empty: float) -> None:
        small, large = times["list, sam, small"], times["list, sam, large"]
        p50 = statistics.median(large)
        self._print_line("")
        self._check_bar("list p50 in empty pages", p50 / empty)
        self._check_bar("list p50 against small", p50 / statistics.median(small))
        slowest = max(
            statistics.median(times[f"{page}, {who}, large"])
            for page in MEMBER_PAGES
            if page not in SUM_PAGES
            for who in ("sam", "remy")
        )
        self._check_bar("slowest list p50 in empty pages", slowest / empty)
        admin = _get_p95(times["plain admin list"])
        self._check_bar("list p95 against plain admin", _get_p95(large) / admin)
        slowest = max(
            _get_p95(taken) for name, taken in times.items() if name.startswith("palette")
        )
        self._check_bar("palette p95 in empty pages", slowest / empty)
        slowest = max(
            statistics.median(times[f"{page}, {who}, large"])
            for page in NEW_PAGES
            for who in ("sam", "remy")
        )
        self._check_bar("slowest of search, filters and queue p50 in empty pages", slowest / empty)

    def _check_bar(self, name: str, value: float) -> None:
        self.figures.record(name, value)
        is_met = value <= BARS[name]
        self._print_line(
            f"- {name}: {value:.2f}, at most {BARS[name]:.2f}: {'kept' if is_met else 'MISSED'}"
        )
        if not is_met:
            self.missed.append(name)

    def _print_plans(self) -> None:
        """The plan of each slow query of the large list, as PostgreSQL carried it out."""
        from django.db import connection
        from django.test.utils import CaptureQueriesContext, override_settings

        for name, ask in self._list_pages():
            starts = ("list", "search, ", "filtered", "by what", "palette", *CLOCK_PAGES)
            slow = name.startswith(starts)
            if not (slow and name.endswith("large")):
                continue
            # Prepared ones have no text with values.
            with (
                override_settings(PREPARED_STATEMENTS=False),
                CaptureQueriesContext(connection) as queries,
            ):
                ask()
            statements = [
                q["sql"] for q in queries if q["sql"].startswith("SELECT") and "sync_" in q["sql"]
            ]
            self._print_line(f"\n## {name}: {len(queries)} queries")
            for sql in statements:
                with connection.cursor() as cursor:
                    cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) {sql}")
                    plan = [row[0] for row in cursor.fetchall()]
                milliseconds = float(plan[-1].split()[2])
                if milliseconds > 2:
                    self._print_line(f"\n```\n{sql[:2000]}\n\n" + "\n".join(plan) + "\n```")

    def _print_line(self, line: str) -> None:
        self.lines.append(line)
        if not line.startswith(("\n#", "\n`")):
            sys.stdout.write(f"{line}\n")


def _build_plain_admin(connection: int, filters: Any) -> Any:
    """Django's own admin over a connection's jobs, with nothing tuned.

    A filter by something related offers what stands on these jobs, as ours does.
    """
    from django.contrib import admin

    from portal.core.tenancy.scope import enter_all_organizations
    from portal.jobs.job_list.list_page import PAGE_SIZE
    from portal.support.admin.sync import JobAdmin
    from portal.sync.models import Job

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
        list_per_page = PAGE_SIZE
        change_list_template = "admin/change_list.html"  # Django's own

        def get_queryset(self, request: Any) -> Any:
            return super().get_queryset(request).filter(connection=connection)

    class Site(admin.AdminSite):
        def admin_view(self, view: Any, cacheable: bool = False) -> Any:
            def view_all(request: Any, *args: Any, **kwargs: Any) -> Any:
                enter_all_organizations("as our admin")
                return view(request, *args, **kwargs)

            return super().admin_view(view_all, cacheable)

    site = Site(name="plain")
    site.register(Job, Plain)
    return site


def _build_request(client: Any, address: str, **headers: str) -> Callable[[], None]:
    def ask() -> None:
        answer = client.get(address, **headers)
        assert answer.status_code == 200, (address, answer.status_code)

    return ask


def _get_p95(taken: list[float]) -> float:
    return statistics.quantiles(taken, n=20)[-1]


if __name__ == "__main__":
    sys.exit(main())
