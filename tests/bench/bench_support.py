"""What the admin's pages cost with many customers and long logs, in multiples of an empty page.

    DATABASE_URL=postgres://root@127.0.0.1:5432/bench python -m tests.bench.bench_support
    … --customers 1000 --rows 5000000 --rounds 10 --report artifacts/bench_support.md

Creates a database named like the one in DATABASE_URL with `_desk` appended, and fills it within the
database: customers, and rows of log, half of them requests to Greenhouse, the rest audit entries,
transitions, actions and notices. A tenth of it all belongs to one customer. Each page is requested
through the whole of Django, signed in, in this process. The report has the plan of every query
above 50 ms. Exits with 1 where a page takes more than 150 empty pages.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
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

SIZES = {"customers": (1000, 10), "rows": (5_000_000, 8_000), "rounds": (10, 1)}
OVERVIEW = "/admin/accounts/organization/"
OVERVIEW_COLUMNS = (
    *("unmatched_count", "missing_permissions", "failed_actions"),
    *("last_good_sync", "issue_count"),
)
CUSTOMER_PAGES = (
    *("customer", "customer, older", "customer, actions"),
    *("their log", "their log, one verb", "requests", "audit"),
)
LISTS = (
    *("connections/apicall", "connections/checkrun", "connections/connection"),
    *("audit/entry", "sync/syncrun", "sync/atsuser", "issues/issue"),
    *("notifications/notification", "applications/applicationaction", "accounts/user"),
)
PATHS = {
    "today": "/admin/",
    "board": OVERVIEW,
    "board, who must act": f"{OVERVIEW}?attention=act",
    "board, a name": f"{OVERVIEW}?q=company+77",
    "board, a person": f"{OVERVIEW}?q=p77%40company.example",
    **{f"list of {name}": f"/admin/{name}/" for name in LISTS},
    "requests, latest page": "/admin/connections/apicall/?p={last_page}",
    "requests, no answer": "/admin/connections/apicall/?outcome=unanswered",
    "requests, of a name": "/admin/connections/apicall/?customer_name=company+77",
    "requests, searched by path": "/admin/connections/apicall/?q=/v3/jobs/77",
    "notices, searched": "/admin/notifications/notification/?q=something+77",
    "requests, searched by id": "/admin/connections/apicall/?q=" + "a" * 32,
    "requests, 429": "/admin/connections/apicall/?outcome=limited",
    "audit, searched": "/admin/audit/entry/?q=number+77",
    "audit, searched in vain": "/admin/audit/entry/?q=nowhere",
    "system health": "/admin/system-health/",
    "metrics": "/metrics",
}
PAGES = [
    "empty",
    *PATHS,
    *(f"board by {column}" for column in OVERVIEW_COLUMNS),
    *(f"{page}, {size}" for page in CUSTOMER_PAGES for size in ("large", "small")),
]
FIGURES = [f"{page}, {part} ms" for page in PAGES for part in ("p50", "worst")]
MOST = 150  # empty pages
SLOW = 50  # ms of one query, from which on its plan is told
PEOPLE = 5  # of a customer
# Every tenth row is the first customer's, the others go round; a year of log, evenly.
OF = "CASE WHEN g % 10 = 0 THEN {first} ELSE {first} + g % {customers} END"
AT = "now() - (g * {seconds}) * interval '1 second'"


def main() -> int:
    options = _parse_options()
    with own_database("support", options, needs_postgres=True, keep=options.again) as url:
        environment = portal_environment(url) | {"REDIS_URL": "none", "CONN_MAX_AGE": "600"}
        set_up_django(environment)
        if not options.again:
            began = time.monotonic()
            DatabaseFiller(options, url).fill_tables()
            sys.stderr.write(f"filled in {time.monotonic() - began:.0f} s\n")
        return Report(options).run()


def _parse_options() -> argparse.Namespace:
    parser = make_parser(__doc__, SIZES)
    parser.add_argument("--again", action="store_true", help="measure what was filled before")
    parser.add_argument("--report", type=Path, default=ROOT / "artifacts" / "bench_support.md")
    return parse_arguments(parser, SIZES)


# -- filling ---------------------------------------------------------------------------------------


class DatabaseFiller:
    """Rows made by the database itself, with the models' own defaults where nothing is said."""

    def __init__(self, options: argparse.Namespace, url: str) -> None:
        self.options, self.url = options, url

    def fill_tables(self) -> None:
        with psycopg.connect(self.url) as server:
            server.execute("SET session_replication_role = replica")  # no foreign key is checked
            server.execute("SET synchronous_commit = off")
            self.cursor = server.cursor()
            self._fill_customers()
            self._fill_histories()
            self._fill_logs()
        with psycopg.connect(self.url, autocommit=True) as server:
            server.execute("VACUUM ANALYZE")

    def _insert_rows(self, model: Any, how_many: int, /, **columns: str) -> None:
        """So many rows; each column an SQL expression in which g counts from 0."""
        fields = {f.column: f for f in model._meta.concrete_fields}
        expressions, values = dict(columns), []
        for column, field in fields.items():
            if column not in expressions and not field.primary_key and not field.null:
                expressions[column] = "%s"
                default = field.get_default()
                value = "" if default is None else default
                values.append(field.get_db_prep_save(value, _get_connection()))
        names = ", ".join(f'"{name}"' for name in expressions)
        selected = ", ".join(expressions.values())
        sql = (
            f'INSERT INTO "{model._meta.db_table}" ({names}) '  # noqa: S608  (our own columns)
            f"SELECT {selected} FROM generate_series(0, {how_many - 1}) g"
        )
        self.cursor.execute(sql.replace(" % ", " %% "), values)

    def _fill_customers(self) -> None:
        from portal.accounts.models import Membership, Organization, User
        from portal.connections.models import Connection, Credential

        n = self.options.customers
        self._insert_rows(
            Organization,
            n,
            id="g + 1",
            name="'Company ' || g",
            slug="'company-' || g",
            created_at="now() - interval '400 days'",
        )
        self._insert_rows(
            User,
            n * PEOPLE,
            id="g + 1",
            email="'p' || g || '@company.example'",
            name="'Person ' || g",
            is_active="true",
            is_staff="false",
            is_superuser="false",
            date_joined="now()",
        )
        self._insert_rows(
            Membership,
            n * PEOPLE,
            id="g + 1",
            user_id="g + 1",
            organization_id=f"g % {n} + 1",
            created_at="now()",
            role=f"CASE WHEN g < {n} THEN 'admin' ELSE 'recruiter' END",
        )
        states = "(ARRAY['live','live','live','degraded','action_needed','draft'])[g % 6 + 1]"
        self._insert_rows(
            Connection,
            n,
            id="g + 1",
            organization_id="g + 1",
            state=states,
            created_at="now()",
            data_deletion_pending="false",
            confirmed_requirements="'[]'",
        )
        self._insert_rows(
            Credential,
            n,
            id="g + 1",
            connection_id="g + 1",
            kind="'harvest_oauth'",
            state="'in_use'",
            entered_at="now()",
            last_four="'1234'",
            fingerprint="'abc'",
        )
        for name in ("accounts_organization", "accounts_user", "accounts_membership"):
            self.cursor.execute(f"SELECT setval('{name}_id_seq', 1000000)")

    def _fill_histories(self) -> None:
        from portal.connections.models import CheckRun, PermissionCheck
        from portal.issues.models import Issue
        from portal.sync.models import AtsUser, AtsUserEmail, SyncRun

        n = self.options.customers
        ago = f"now() - (g / {n}) * interval '1 day'"
        self._insert_rows(
            CheckRun,
            n * 30,
            id="g + 1",
            connection_id=f"g % {n} + 1",
            credential_id=f"g % {n} + 1",
            status="'done'",
            queued_at=ago,
            finished_at=ago,
            unused_scopes="'[]'",
        )
        self._insert_rows(
            PermissionCheck,
            n * 30 * 40,
            run_id="g / 40 + 1",
            permission="'p' || g % 40",
            outcome="CASE WHEN g % 97 = 0 THEN 'missing' ELSE 'granted' END",
        )
        hours = f"now() - (200 - g / {n}) * interval '1 hour'"
        self._insert_rows(
            SyncRun,
            n * 200,
            connection_id=f"g % {n} + 1",
            status="'done'",
            queued_at=hours,
            finished_at=hours,
            drift="'[]'",
            claim_count="1",
        )
        self._insert_rows(
            AtsUser,
            n * 50,
            id="g + 1",
            connection_id=f"g % {n} + 1",
            remote_id="g + 1",
            name="'Person ' || g",
            site_admin="false",
            deactivated="false",
            first_seen_at="now()",
            changed_at="now()",
        )
        self._insert_rows(
            AtsUserEmail,
            n * 50,
            user_id="g + 1",
            primary="true",
            verified="true",
            address="'p' || g || '@company.example'",
        )
        causes = "(ARRAY['missing_permission','unmatched_people','sync_failing'])[g % 3 + 1]"
        self._insert_rows(
            Issue,
            n * 20,
            organization_id=f"g % {n} + 1",
            cause=causes,
            key="g::text",
            severity="(ARRAY['critical','warning','info'])[g % 3 + 1]",
            fixer="'admin'",
            title="'Something ' || g",
            description="'Words'",
            details="'{}'",
            occurrences="1",
            first_seen_at=ago,
            last_seen_at=ago,
            closed_at=f"CASE WHEN g < {n // 3} THEN NULL ELSE now() END",
        )

    def _fill_logs(self) -> None:
        from portal.applications.models import ApplicationAction
        from portal.audit.models import Entry
        from portal.connections.models import ApiCall
        from portal.core.models import Transition
        from portal.notifications.models import Notification

        rows, customers = self.options.rows, self.options.customers
        year = 365 * 24 * 3600

        def of(first: int = 1) -> str:
            return OF.format(first=first, customers=customers)

        def at(number: int) -> str:
            return AT.format(seconds=year / number)

        calls, each = rows // 2, rows // 8
        run = max(10, each // 625)  # consecutive entries with the same verb
        self._insert_rows(
            ApiCall,
            calls,
            connection_id=of(),
            at=at(calls),
            method="'GET'",
            status="CASE WHEN g % 50 = 0 THEN 429 ELSE 200 END",
            remaining="g % 50",
            path="'/v3/jobs/' || g % 40",
            milliseconds="g % 900",
            lane="'sync'",
            retries="0",
            trace="md5(g::text)",
            request_id="md5(g::text)",
        )
        self._insert_rows(
            Entry,
            each,
            organization_id=of(),
            number="g",
            at=at(each),
            by_id=of(),
            actor_label="'Person ' || g % 5000",
            verb=f"'room.deed' || g / {run} % 30",
            description="'did something with number ' || g",
            seal="md5(g::text)",
        )
        self._insert_rows(
            Transition,
            each,
            subject="'connections.connection'",
            subject_id=of(),
            old="'live'",
            new="'degraded'",
            reason="'because'",
            details="'{}'",
            at=at(each),
        )
        self._insert_rows(
            ApplicationAction,
            each,
            key="gen_random_uuid()",
            application_id="g + 1",
            membership_id=of(),
            kind="(ARRAY['advance','reject','move'])[g % 3 + 1]",
            status="(ARRAY['done','done','done','failed','refused'])[g % 5 + 1]",
            queued_at=at(each),
            settled_at=at(each),
            parameters="'{}'",
            attempts="1",
        )
        self._insert_rows(
            Notification,
            each,
            organization_id=of(),
            recipient_id=of(),
            key="g::text",
            subject="'Something ' || g",
            body="'Words'",
            status="'sent'",
            created_at=at(each),
            sent_at=at(each),
        )


def _get_connection() -> Any:
    from django.db import connection

    return connection


# -- measuring -------------------------------------------------------------------------------------


class Report:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.figures = Figures(FIGURES)
        self.lines: list[str] = []

    def run(self) -> int:
        from django.http import HttpResponse
        from django.urls import path

        import portal.urls
        from portal.accounts.access import public_view

        portal.urls.urlpatterns.append(
            path("__empty/", public_view("an empty page")(lambda r: HttpResponse("")))
        )
        pages = dict(self._list_pages())
        times = self._measure_pages(pages)
        empty = statistics.median(times["empty"])
        self._print_line("| page | p50 ms | worst ms | p50 in empty pages | queries |")
        self._print_line("| --- | --- | --- | --- | --- |")
        missed = []
        for name, ask in pages.items():
            p50, worst = statistics.median(times[name]), max(times[name])
            self.figures.record(f"{name}, p50 ms", 1000 * p50)
            self.figures.record(f"{name}, worst ms", 1000 * worst)
            slow, number = self._explain_slow_queries(ask)
            self._print_line(
                f"| {name} | {1000 * p50:.0f} | {1000 * worst:.0f} | {p50 / empty:.0f} | {number} |"
            )
            missed += [name] if p50 / empty > MOST else []
            self.lines += [f"\n<!-- {name} -->\n```\n{plan}\n```\n" for plan in slow]
        self._print_line(f"\nAbove {MOST} empty pages: {', '.join(missed) or 'none'}")
        self.options.report.parent.mkdir(exist_ok=True)
        self.options.report.write_text("\n".join(self.lines) + "\n")
        return self.figures.finish(self.options, missed=bool(missed))

    def _measure_pages(self, pages: dict[str, Callable[[], None]]) -> dict[str, list[float]]:
        times: dict[str, list[float]] = {name: [] for name in pages}
        for ask in pages.values():
            ask()
        for _ in range(self.options.rounds):  # turn by turn: what slows the machine slows them all
            for name, ask in pages.items():
                began = time.perf_counter()
                ask()
                times[name].append(time.perf_counter() - began)
        return times

    def _list_pages(self) -> Iterator[tuple[str, Callable[[], None]]]:
        from portal.accounts.models import User

        ola, _ = User.objects.get_or_create(
            email="ola@portal.example", defaults={"is_staff": True, "is_superuser": True}
        )
        ask = _build_requester(ola)
        last_page = min(100, self.options.rows // 2 // 50 - 1)
        yield "empty", ask("/__empty/")
        for name, path in PATHS.items():
            yield name, ask(path.format(last_page=last_page))
        for column in OVERVIEW_COLUMNS:
            yield f"board by {column}", ask(f"{OVERVIEW}?o=-{_find_column(column)}")
        for size, pk in (("large", 1), ("small", self.options.customers // 2)):
            desk, log = f"{OVERVIEW}{pk}/summary/", _build_requester(User.objects.get(pk=pk))
            yield f"customer, {size}", ask(desk)
            yield f"customer, older, {size}", ask(f"{desk}?before=2026-01-01T00:00:00%2B00:00")
            yield f"customer, actions, {size}", ask(f"{desk}?kind=action")
            yield f"their log, {size}", log("/activity-log/")
            yield f"their log, one verb, {size}", log("/activity-log/?what=room.deed7")
            yield f"requests, {size}", ask(f"/admin/connections/apicall/?customer={pk}")
            yield f"audit, {size}", ask(f"/admin/audit/entry/?customer={pk}")

    def _explain_slow_queries(self, ask: Callable[[], None]) -> tuple[list[str], int]:
        """The plans of the slow queries of a page, and how many queries it has."""
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        with CaptureQueriesContext(connection) as made:
            ask()
        slow = [
            q["sql"] for q in made if float(q["time"]) * 1000 > SLOW and "SELECT" in str(q["sql"])
        ]
        plans = []
        for sql in slow:
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) {sql.replace('%', '%%')}")
                plan = "\n".join(row[0] for row in cursor.fetchall())
            plans.append(f"{sql[:1500]}\n\n{plan}")
        return plans, len(made)

    def _print_line(self, line: str) -> None:
        self.lines.append(line)
        sys.stdout.write(f"{line}\n")


def _find_column(name: str) -> int:
    """Where the board has this column: its first one ticks rows, where something can be done."""
    from django.contrib import admin

    from portal.accounts.models import Organization

    return 1 + list(admin.site._registry[Organization].list_display).index(name)


def _build_requester(person: Any) -> Callable[[str], Callable[[], None]]:
    from django.test import Client

    client = Client()
    client.force_login(person)

    def at(address: str) -> Callable[[], None]:
        def ask() -> None:
            answer = client.get(address)
            assert answer.status_code == 200, (address, answer.status_code)

        return ask

    return at


if __name__ == "__main__":
    sys.exit(main())
