"""What a sync costs: requests, CPU and memory, beside a bare fetch, parse and store of the same.

    python -m tests.bench.bench_sync                             v3 on SQLite
    DATABASE_URL=postgres://root@127.0.0.1:5432/bench REDIS_URL=redis://127.0.0.1:6379/13 \\
        python -m tests.bench.bench_sync
    python -m tests.bench.bench_sync --generation v1 --jobs 200 --users 40 --applications 2000
    python -m tests.bench.bench_sync --jobs 10000 --applications 40000

On PostgreSQL it creates a database named like the one in DATABASE_URL with `_mirror` appended. The
sandbox runs in a process of its own, without rate limits; so does every phase, so that its peak of
memory is its own. The floor reads the same lists with the same client, and stores the records with
COPY (PostgreSQL) or executemany (SQLite) in tables without keys; its CPU is the mean of before and
after each sync, since the machine's speed changes. CPU is that of the client's process, which has
loaded its code, as a worker has. Before each sync but the first a day passes in the sandbox: links
to files are signed anew, and time in stage grows. At the end the mirror is compared with the
sandbox's records, field by field. v1's grants, a request per user, are printed apart: the share of
an incremental run leaves them out. After the first sync some of the users become members, whose
access is read every night. `--profile FOLDER` keeps what cProfile says of each phase, which makes
all of them slower. Exits with 1 where a bar is missed, and with 3 where the mirror differs.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import math
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean
from typing import Any

from tests.bench.common import (
    ROOT,
    Figures,
    make_parser,
    own_database,
    parse_arguments,
    portal_environment,
    run_process,
    set_up_django,
)
from tests.demo_process import find_free_port

KINDS = {"v3": "harvest_oauth", "v1": "harvest_key"}
SIZES = {"jobs": (2_000, 10), "users": (200, 10), "applications": (20_000, 60)}
RUNS = ("floor", "full", "full again", "1 % changed")
MEASURES = ("requests", "CPU seconds", "seconds", "peak MB")
RATIOS = (
    "full against floor, CPU",
    "full again against floor, CPU",
    "1 % changed, share of requests",
    "1 % changed, share of CPU",
)
FIGURES = [*(f"{run}, {measure}" for run in RUNS for measure in MEASURES), *RATIOS]
MEMBERS = 20  # who use the portal from the second sync on
MOST_CPU, MOST_CPU_AGAIN, MOST_MEGABYTES = 1.7, 1.2, 90
MOST_REQUESTS_SHARE, MOST_CPU_SHARE = 0.023, 0.02


def main() -> int:
    options = _parse_options()
    if options.phase:
        print(json.dumps(_run_phase(options)))  # noqa: T201
        return 0
    options.greenhouse = options.greenhouse or f"http://127.0.0.1:{find_free_port()}"
    port = options.greenhouse.rsplit(":", 1)[1]
    sandbox = [sys.executable, "-m", "integrations.greenhouse.sandbox", "--port", port]
    sandbox += [
        *_size_arguments(options),
        "--v1-limit",
        "0",
        "--v3-limit",
        "0",
        "--token-limit",
        "0",
    ]
    with (
        tempfile.TemporaryDirectory() as folder,
        own_database("sync", options) as options.database,
        run_process(sandbox, until_answers=f"{options.greenhouse}/__stats"),
    ):
        options.changes = f"{folder}/changes.json"
        _run_subprocess("connect", options)
        return _print_report(options)


def _parse_options() -> argparse.Namespace:
    parser = make_parser(__doc__, SIZES)
    parser.add_argument("--generation", default="v3", choices=[*KINDS])
    parser.add_argument("--profile", default="", metavar="FOLDER", help="profile each phase")
    parser.add_argument("--phase", default="", help=argparse.SUPPRESS)
    parser.add_argument("--changes", default="", help=argparse.SUPPRESS)
    parser.add_argument("--greenhouse", default="", help=argparse.SUPPRESS)
    options = parse_arguments(parser, SIZES)
    options.kind = KINDS[options.generation]
    return options


def _size_arguments(options: argparse.Namespace) -> list[str]:
    return [word for name in SIZES for word in (f"--{name}", str(getattr(options, name)))]


def _run_subprocess(phase: str, options: argparse.Namespace) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.bench.bench_sync", "--phase", phase]
    command += ["--generation", options.generation, "--greenhouse", options.greenhouse]
    command += ["--changes", options.changes, "--profile", options.profile]
    command += _size_arguments(options)
    environment = os.environ | portal_environment(options.database, options.greenhouse)
    done = subprocess.run(  # noqa: S603
        command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE
    )
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _print_report(options: argparse.Namespace) -> int:
    # Before and after each run, since the machine's speed changes.
    floors = [_run_subprocess("floor", options)]
    full = _run_subprocess("full", options)
    floors.append(_run_subprocess("floor", options))
    _run_subprocess("join", options)
    _pass_day(options.greenhouse)
    again = _run_subprocess("again", options)
    floors.append(_run_subprocess("floor", options))
    _pass_day(options.greenhouse)
    _change_one_percent(options.greenhouse, Path(options.changes))
    recent = _run_subprocess("recent", options)
    differing = _run_subprocess("compare", options)
    vendor = options.database.split(":", 1)[0]
    _print_line(
        f"\n{options.kind} on {vendor}: {full['records']:,} records of {options.jobs:,} jobs"
    )
    figures = Figures(FIGURES)
    for name, result in zip(RUNS, (floors[0], full, again, recent), strict=True):
        values = (result["requests"], result["cpu"], result["seconds"], result["peak"])
        for measure, value in zip(MEASURES, values, strict=True):
            figures.record(f"{name}, {measure}", value)
        per = 1e6 * result["cpu"] / max(1, full["records"])
        _print_line(
            f"  {name:<12} {result['requests'] - result['grants']:>4} requests"
            f" + {result['grants']} for grants by user"
            f"  {result['cpu']:6.2f} s CPU  {per:6.1f} ms per 1,000"
            f"  {result['seconds']:6.1f} s  peak {result['peak']:.0f} MB"
            f"  made {result['created']:,}, changed {result['changed']:,}"
        )
    share = (recent["requests"] - recent["grants"]) / (full["requests"] - full["grants"])
    cpu_share = recent["cpu"] / full["cpu"]
    floor_cpu = [floor["cpu"] for floor in floors]
    ratio, ratio_again = full["cpu"] / mean(floor_cpu[:2]), again["cpu"] / mean(floor_cpu[1:])
    for name, value in zip(RATIOS, (ratio, ratio_again, share, cpu_share), strict=True):
        figures.record(name, value)
    bars = (
        (f"requests: {full['requests']}, least possible {full['least']}",
         full["requests"] <= full["least"] * 1.02),
        (f"requests again: {again['requests']}, least possible {again['least']}",
         again["requests"] <= again["least"] * 1.02),
        (f"full against the floor: {ratio:.2f} times the CPU (bar {MOST_CPU})", ratio <= MOST_CPU),
        (f"nothing changed: {ratio_again:.2f} times the floor's CPU (bar {MOST_CPU_AGAIN})",
         ratio_again <= MOST_CPU_AGAIN),
        (f"peak {full['peak']:.0f} MB (bar {MOST_MEGABYTES})", full["peak"] <= MOST_MEGABYTES),
        (f"1 % changed: {share:.1%} of a full run's requests (bar {MOST_REQUESTS_SHARE:.1%})",
         round(share, 3) <= MOST_REQUESTS_SHARE),
        (f"1 % changed: {cpu_share:.1%} of a full run's CPU (bar {MOST_CPU_SHARE:.1%})",
         cpu_share <= MOST_CPU_SHARE),
    )  # fmt: skip
    for description, met in bars:
        _print_line(f"  {'met   ' if met else 'MISSED'} {description}")
    if differing:
        _print_line(f"  MISSED the mirror differs from the sandbox: {differing}")
        return 3
    return figures.finish(options, missed=not all(met for _, met in bars))


def _pass_day(url: str) -> None:
    import httpx

    body = {"action": "pass_days", "account": "acme", "days": 1}
    httpx.post(f"{url}/__mutate", json=body, timeout=60).raise_for_status()


def _change_one_percent(url: str, changes_file: Path) -> None:
    """Somebody works in Greenhouse: of jobs, applications and candidates one in a hundred.

    What was done is written down, so that it can be done to the same records again.
    """
    import httpx

    changes: list[Any] = []
    chance = random.Random(3)
    headers = {"Authorization": httpx.BasicAuth(_get_secret("api_key"), "")._auth_header}

    def run_mutation(action: str, **values: Any) -> None:
        answer = httpx.post(
            f"{url}/__mutate", json={"action": action, "account": "acme", **values}, timeout=60
        )
        answer.raise_for_status()
        changes.append([action, values])

    def pick_sample(path: str) -> list[dict[str, Any]]:
        rows = []
        target: str | None = f"{url}/v1/{path}?per_page=500&skip_count=true"
        while target:
            answer = httpx.get(target, headers=headers, timeout=60)
            rows += answer.json()
            target = answer.links.get("next", {}).get("url")
        return chance.sample(rows, max(1, len(rows) // 100))

    for job in pick_sample("jobs"):
        run_mutation("rename_job", job_id=job["id"], name=f"{job['name']} (new)")
    for candidate in pick_sample("candidates"):
        run_mutation(
            "rename_candidate", candidate_id=candidate["id"], first_name="Re", last_name="Named"
        )
    for application in pick_sample("applications"):
        if application["status"] == "active" and application["jobs"]:
            run_mutation("reject_application", application_id=application["id"])
    changes_file.write_text(json.dumps(changes))


def _get_secret(name: str) -> str:
    from integrations.greenhouse import sandbox

    return {
        "api_key": sandbox.ACME_V1_KEY,
        "client_id": sandbox.ACME_V3_CLIENT_ID,
        "client_secret": sandbox.ACME_V3_CLIENT_SECRET,
    }[name]


# -- in a process of its own ---------------------------------------------------------------------
def _run_phase(options: argparse.Namespace) -> dict[str, Any]:
    set_up_django({})
    if options.phase == "connect":
        return _connect_organization(options)
    if options.phase == "join":
        return _add_members()
    _warm_up()
    if options.phase == "compare":
        return _compare_with_sandbox(options)
    if options.phase == "recent":
        _measure_sync("people")  # every worker has read them lately: each five minutes
    profile = cProfile.Profile(time.process_time)  # the rest of the machine does not count
    if options.profile:
        profile.enable()
    result = _measure_phase(options.phase)
    if options.profile:
        profile.disable()
        profile.dump_stats(f"{options.profile}/{options.phase}.prof")
    return result


def _measure_phase(phase: str) -> dict[str, Any]:
    if phase == "floor":
        return _measure_floor()
    return _measure_sync("full" if phase == "again" else phase)


def _warm_up() -> None:
    """Load what a worker that has done anything before has loaded."""
    from integrations.ats.client_context import Lane
    from portal.connections.client import open_provider
    from portal.connections.models import Connection

    credential = Connection.objects.get().credential
    assert credential is not None
    open_provider(credential, lane=Lane.SYNC).verify_credential()


def _connect_organization(options: argparse.Namespace) -> dict[str, Any]:
    from portal.accounts.models import Organization
    from portal.connections.models import Connection, Credential

    organization = Organization.objects.create(name="Bench", slug="bench")
    connection = Connection.objects.create(organization=organization, state=Connection.State.LIVE)
    v1 = options.kind == "harvest_key"
    Credential.objects.create(
        connection=connection,
        kind=options.kind,
        client_id="" if v1 else _get_secret("client_id"),
        secret=_get_secret("api_key") if v1 else _get_secret("client_secret"),
        last_four="0000",
        fingerprint="bench",
    )
    return {}


def _add_members() -> dict[str, Any]:
    """Make some of those who can have grants members of the portal."""
    from django.utils import timezone

    from portal.accounts.models import Membership, Organization, User
    from portal.sync.models import AtsUser

    organization = Organization.objects.get()
    readers = AtsUser.objects.filter(site_admin=False, deactivated=False).exclude(primary_email="")
    for address in readers.order_by("remote_id").values_list("primary_email", flat=True)[:MEMBERS]:
        user = User.objects.create(email=address, email_confirmed_at=timezone.now())
        Membership.objects.create(organization=organization, user=user)
    return {}


class _Meter:
    """CPU, time and peak of what happens inside."""

    def __enter__(self) -> _Meter:
        self._time, self._cpu = time.perf_counter(), _get_cpu_seconds()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds, self.cpu = time.perf_counter() - self._time, _get_cpu_seconds() - self._cpu
        # Not ru_maxrss: a child begins with its parent's.
        status_text = Path("/proc/self/status").read_text()
        self.peak = int(status_text.split("VmHWM:")[1].split()[0]) / 1024

    def to_dict(self) -> dict[str, Any]:
        return {"seconds": self.seconds, "cpu": self.cpu, "peak": self.peak}


def _get_cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _measure_floor() -> dict[str, Any]:
    """Fetch, parse, and store as text in one table: no keys, no comparing, no checkpoint."""
    import msgspec
    from django.conf import settings
    from django.db import connection as database

    from integrations.ats.client_context import ClientContext
    from integrations.greenhouse.provider import create_provider
    from portal.connections.models import Connection
    from portal.sync.engine.steps import STEPS, ReadPosition

    connection = Connection.objects.get()
    calls: list[Any] = []
    greenhouse = settings.GREENHOUSE_API_URL
    context = ClientContext(api_url=greenhouse, auth_url=greenhouse, log_call=calls.append)
    credential = connection.credential
    assert credential is not None
    records = 0
    with database.cursor() as cursor:
        cursor.execute("CREATE TABLE bench_floor (kind text, id bigint, told text)")
    users: list[int] = []
    reader = create_provider(credential.kind, credential.get_secrets(), context)
    with _Meter() as meter:
        for step in STEPS:
            pages = (
                reader.list_job_permissions(user_ids=users)
                if step.kind == "grants"
                else step.read(reader, connection, ReadPosition())
            )
            for page in pages:
                rows = [
                    (step.kind, getattr(record, "id", None), msgspec.json.encode(record).decode())
                    for record in page.records
                ]
                if step.kind == "users":
                    users += [u.id for u in page.records if not u.site_admin and not u.deactivated]
                records += len(rows)
                _store_rows(database, rows)
    with database.cursor() as cursor:
        cursor.execute("DROP TABLE bench_floor")
    return (
        meter.to_dict()
        | _count_requests(calls)
        | {"records": records, "created": records, "changed": 0}
    )


def _store_rows(database: Any, rows: list[Any]) -> None:
    with database.cursor() as cursor:
        if database.vendor == "postgresql":
            with cursor.copy("COPY bench_floor FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        elif rows:
            cursor.executemany("INSERT INTO bench_floor VALUES (%s, %s, %s)", rows)


def _compare_with_sandbox(options: argparse.Namespace) -> dict[str, Any]:
    """What differs, by list, from a sandbox of the same seed to which the same was done."""
    from integrations.greenhouse.sandbox import Sandbox
    from tests.portal.sync.sandbox_truth import read_sandbox_rows, read_synced_rows

    changed_sandbox = Sandbox(
        **{name: getattr(options, name) for name in SIZES}
    )  # the seed is the usual one
    for action, values in json.loads(Path(options.changes).read_text()):
        changed_sandbox.run_mutation(action, **values)
    expected, synced = read_sandbox_rows(changed_sandbox, options.kind), read_synced_rows()
    return {
        name: len(expected[name] ^ synced[name])
        for name in synced
        if expected[name] != synced[name]
    }


def _count_requests(calls: list[Any]) -> dict[str, int]:
    paths = [call.path for call in calls if call.path.startswith("/v")]
    return {"requests": len(paths), "grants": sum("permissions/jobs" in path for path in paths)}


def _measure_sync(scope: str) -> dict[str, Any]:
    from django.db.models import Sum

    from portal.connections.models import ApiCall, Connection
    from portal.sync.engine import run_lifecycle
    from portal.sync.records.member_users import list_member_user_ids

    connection = Connection.objects.get()
    ApiCall.objects.all().delete()
    with _Meter() as meter:
        run, _ = run_lifecycle.get_or_create_run(connection, by=None, scope=scope)
        while run.status in run.OPEN:  # on a busy machine it takes several turns
            run_lifecycle.execute_run(run)
            run.refresh_from_db()
    if run.status != "done":
        raise SystemExit(f"{run.status}: {run.failure}")
    totals = run.steps.aggregate(*(Sum(name) for name in ("read_count", "created", "changed")))
    pages = {step.kind: step for step in run.steps.all()}
    least = sum(
        max(1, math.ceil(step.read_count / 500)) if step.requests else 0
        for kind, step in pages.items()
        if kind != "grants"
    )
    counts = _count_requests(list(ApiCall.objects.all()))
    if counts["grants"]:  # v1: a list for each; before anybody joins, everybody's
        least += len(list_member_user_ids(connection)) or counts["grants"]
    elif grants := pages.get("grants"):
        least += max(1, math.ceil(grants.read_count / 500))
    return (
        meter.to_dict()
        | counts
        | {
            "records": totals["read_count__sum"],
            "created": totals["created__sum"],
            "changed": totals["changed__sum"],
            "least": least,
        }
    )


def _print_line(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
