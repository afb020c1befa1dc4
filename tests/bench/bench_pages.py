"""What the pages of requisitions cost, as multiples of an empty Django page in the same run.

    DATABASE_URL=postgres://root@127.0.0.1:5432/bench python tests/bench/bench_pages.py
    … --jobs 100000 --applications 1000000 --rounds 30 --report artifacts/bench_pages.md

Makes a database of its own, named like the one in DATABASE_URL with `_pages` behind it, and fills
it with COPY: one small organization with 2,000 jobs, one large one, and 50 others beside them. Each
page is asked for through the whole of Django, signed in, in this process. Exits with 1 where a bar
is missed: the list's p50 at most 25 empty pages and, at the large size, at most 1.2 times what it
is at 2,000 jobs; its p95 at most a third of the Django admin's list over the same rows. That is a
plain ModelAdmin with as many rows a page as ours, our filters as far as they are fields of a job,
and nothing tuned. Told beside it: the same with the few filters of the desk's list of requisitions,
and that list itself, which counts by estimate.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import psycopg  # noqa: E402

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


def main() -> None:
    options = _options()
    made = _own_database(os.environ["DATABASE_URL"], keep=options.again)
    os.environ.update(DATABASE_URL=made, REDIS_URL="none", CONN_MAX_AGE="600", LOG_LEVEL="ERROR")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    django.setup()
    _as_in_production()
    if not options.again:
        _fill_all(made, options)
    sizes = {"2,000 jobs": _known("small"), f"{options.jobs:,} jobs": _known("large")}
    report = Report(options, sizes)
    report.run()


def _as_in_production() -> None:
    """Without what the test settings add: every page would be searched for secrets as well."""
    from django.conf import settings

    settings.MIDDLEWARE.remove("tests.house.no_secrets.Pages")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--applications", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--again", action="store_true", help="measure what was filled before")
    parser.add_argument("--report", type=Path, default=ROOT / "artifacts" / "bench_pages.md")
    return parser.parse_args()


def _own_database(url: str, *, keep: bool) -> str:
    base, name = url.rsplit("/", 1)
    if keep:
        return f"{base}/{name}_pages"
    with psycopg.connect(f"{base}/postgres", autocommit=True) as server:
        server.execute(f'DROP DATABASE IF EXISTS "{name}_pages" WITH (FORCE)')
        server.execute(f'CREATE DATABASE "{name}_pages"')
    return f"{base}/{name}_pages"


def _fill_all(made: str, options: argparse.Namespace) -> None:
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    indexes = _without_indexes(made)
    _fill(made, "small", 2_000, 20_000)
    _fill(made, "large", options.jobs, options.applications)
    for n in range(50):
        _fill(made, f"other-{n}", 200, 2_000)
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


def _known(slug: str) -> dict[str, Any]:
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
    def __init__(self, options: argparse.Namespace, sizes: dict[str, dict[str, Any]]) -> None:
        self.options, self.sizes = options, sizes
        self.lines: list[str] = []
        self.missed: list[str] = []

    def run(self) -> None:
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
        self._say("| page | p50 ms | p95 ms | p50 in empty pages | p95 in empty pages |")
        self._say("| --- | --- | --- | --- | --- |")
        for name, taken in times.items():
            p50, p95 = statistics.median(taken), _p95(taken)
            in_ms, in_pages = (1000 * p50, 1000 * p95), (p50 / empty, p95 / empty)
            cells = " | ".join(f"{number:.1f}" for number in (*in_ms, *in_pages))
            self._say(f"| {name} | {cells} |")
        self._judge(times, empty)
        self._plans()
        self.options.report.parent.mkdir(exist_ok=True)
        self.options.report.write_text("\n".join(self.lines) + "\n")
        sys.exit(1 if self.missed else 0)

    def _admins(self) -> Iterator[tuple[str, Any]]:
        from portal.support.admin.mirror import JobAdmin

        connection = list(self.sizes.values())[-1]["connection"]
        ours = ("status", "confidential", "department", "offices")
        yield "plain", _plain_admin(connection, ours)
        yield "few", _plain_admin(connection, JobAdmin.list_filter)

    def _pages(self) -> Iterator[tuple[str, Callable[[], None]]]:
        from django.test import Client

        from portal.accounts.models import User

        for size, made in self.sizes.items():
            for who in ("sam", "remy"):
                client = Client()
                client.force_login(made["members"][who].user)
                if size == "2,000 jobs" and who == "sam":
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
        yield "Django admin's list", _asking(client, "/__plain/mirror/job/")
        yield "Django admin's list, the desk's filters", _asking(client, "/__few/mirror/job/")
        yield "the desk's list", _asking(client, "/admin/mirror/job/")

    def _judge(self, times: dict[str, list[float]], empty: float) -> None:
        small, large = self.sizes
        lists = {size: times[f"list, sam, {size}"] for size in self.sizes}
        p50 = {size: statistics.median(taken) for size, taken in lists.items()}
        admin = _p95(times["Django admin's list"])
        self._say("")
        self._bar("list p50 in empty pages", p50[large] / empty, 25)
        self._bar("list p50 against 2,000 jobs", p50[large] / p50[small], 1.2)
        self._bar("list p95 against the admin's", _p95(lists[large]) / admin, 1 / 3)

    def _bar(self, what: str, found: float, most: float) -> None:
        kept = found <= most
        self._say(f"- {what}: {found:.2f}, at most {most:.2f}: {'kept' if kept else 'MISSED'}")
        if not kept:
            self.missed.append(what)

    def _plans(self) -> None:
        """The plan of each slow query of the large list, as PostgreSQL carried it out."""
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        large = list(self.sizes)[-1]
        for name, ask in self._pages():
            if large not in name or not name.startswith(
                ("list", "search, ", "filtered", "by what")
            ):
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
        list_display = JobAdmin.list_display
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
    main()
