"""How the client reads a whole account: requests, 429s, time, and what a record costs to parse.

    python -m tests.bench.bench_client                  both generations, at Greenhouse's limits
    python -m tests.bench.bench_client --unlimited      without rate limits: what the client costs
    python -m tests.bench.bench_client --kind harvest_key --jobs 200

The sandbox runs in a process of its own. "Least possible" counts a request per 500 records of every
list (one for an empty list), and for v1's grants one per user asked for, as they are lists of one
user. Exits with 1 where more than 2 % above that is used, or where a 429 was provoked.
"""

from __future__ import annotations

import argparse
import math
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from integrations.ats.client_context import ApiCallRecord, ClientContext, Lane
from integrations.ats.types import Page
from integrations.greenhouse import sandbox
from integrations.greenhouse.payloads import v1, v3
from integrations.greenhouse.payloads.decoding import decode_records
from integrations.greenhouse.provider import create_provider
from tests.bench.common import ROOT, Figures, make_parser, parse_arguments

# The small one stays within one window of each rate limit.
SIZES = {"jobs": (2_000, 10), "users": (200, 10), "applications": (20_000, 60)}
MEASURES = (
    "requests",
    "seconds",
    "CPU ms per 1,000 records",
    "peak MB",
    "parse jobs ms per 1,000 records",
    "parse applications ms per 1,000 records",
    "parse candidates ms per 1,000 records",
)
SECRETS = {
    "harvest_key": {"api_key": sandbox.ACME_V1_KEY},
    "harvest_oauth": {
        "client_id": sandbox.ACME_V3_CLIENT_ID,
        "client_secret": sandbox.ACME_V3_CLIENT_SECRET,
    },
}
WINDOWS = {"harvest_key": "50 per 10 s", "harvest_oauth": "75 per 30 s"}
LISTS = (
    "list_users",
    "list_user_emails",
    "list_user_roles",
    "list_departments",
    "list_offices",
    "list_jobs",
    "list_hiring_team",
    "list_stages",
    "list_job_posts",
    "list_openings",
    "list_close_reasons",
    "list_rejection_reasons",
    "list_email_templates",
    "list_sources",
    "list_applications",
    "list_candidates",
)


def main() -> int:
    options = _parse_options()
    figures = Figures([f"{kind}, {measure}" for kind in options.kind for measure in MEASURES])
    with _run_sandbox(options) as url:
        good = [_read_all(kind, url, options, figures) for kind in options.kind]
    return figures.finish(options, missed=not all(good))


def _parse_options() -> argparse.Namespace:
    parser = make_parser(__doc__, SIZES)
    parser.add_argument("--kind", nargs="*", default=list(SECRETS), choices=list(SECRETS))
    parser.add_argument("--lane", choices=[lane.value for lane in Lane], default="sync")
    parser.add_argument("--unlimited", action="store_true")
    return parse_arguments(parser, SIZES)


@contextmanager
def _run_sandbox(options: argparse.Namespace) -> Iterator[str]:
    limits = ("0", "0") if options.unlimited else ("50", "75")
    command = [sys.executable, "-m", "integrations.greenhouse.sandbox", "--port", "0"]
    for name in ("jobs", "users", "applications"):
        command += [f"--{name}", str(getattr(options, name))]
    command += ["--v1-limit", limits[0], "--v3-limit", limits[1]]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as running:  # noqa: S603
        assert running.stdout
        first_line = running.stdout.readline()
        match = re.search(r"http://127\.0\.0\.1:\d+", first_line)
        assert match, first_line
        try:
            yield match[0]
        finally:
            running.terminate()


def _read_all(kind: str, url: str, options: argparse.Namespace, figures: Figures) -> bool:
    calls: list[ApiCallRecord] = []
    context = ClientContext(
        api_url=url,
        auth_url=url,
        lane=Lane(options.lane),
        deadline_seconds=120.0,
        log_call=calls.append,
    )
    provider = create_provider(kind, SECRETS[kind], context)
    least = records = 0
    started, cpu = time.perf_counter(), _get_cpu_seconds()
    grant_readers: list[int] = []
    for name in LISTS:
        pages = list(_count_pages(getattr(provider, name)()))
        records += sum(count for count, _ in pages)
        least += _get_least_requests(name, kind, sum(count for count, _ in pages))
        if name == "list_users":
            grant_readers = [user for _, users in pages for user in users]
    granted = sum(
        count for count, _ in _count_pages(provider.list_job_permissions(user_ids=grant_readers))
    )
    rows = granted if kind == "harvest_key" else _fetch_stats(url)["user_job_permissions"]
    least += len(grant_readers) if kind == "harvest_key" else math.ceil(rows / 500)
    seconds, cpu = time.perf_counter() - started, _get_cpu_seconds() - cpu
    records += granted
    used = sum(1 for call in calls if call.path.startswith("/v"))
    parse_costs = dict(_parse_cost(kind, url))
    measured = (
        used,
        seconds,
        1e6 * cpu / records,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        *parse_costs.values(),
    )
    for measure, value in zip(MEASURES, measured, strict=True):
        figures.record(f"{kind}, {measure}", value)
    refused = sum(1 for call in calls if call.status == 429)
    over = 100 * (used / least - 1)
    limit = "no limit" if options.unlimited else WINDOWS[kind]
    _print_line(f"\n{kind}: {records:,} records at {limit}, lane {options.lane}")
    _print_line(
        f"  requests          {used} (least possible {least}, {over:+.1f} %), "
        f"{len(calls) - used} for tokens"
    )
    _print_line(f"  429 provoked      {refused}")
    _print_line(f"  time              {seconds:.1f} s, {_describe_window_use(kind, options, used)}")
    _print_line(f"  CPU of the client {measured[2]:.1f} ms per 1,000 records")
    _print_line(f"  peak memory       {measured[3]:.0f} MB")
    for name, cost in parse_costs.items():
        _print_line(f"  parse {name:<14}{cost:.2f} ms per 1,000 records")
    return over <= 2 and refused == 0


def _count_pages(pages: Iterator[Page[Any]]) -> Iterator[tuple[int, list[int]]]:
    """How many each page held; of users, who may have grants. The records are let go."""
    for page in pages:
        yield (
            len(page.records) + len(page.set_aside),
            [
                record.id
                for record in page.records
                if hasattr(record, "site_admin") and _can_have_grants(record)
            ],
        )


def _can_have_grants(user: Any) -> bool:
    return not user.site_admin and not user.deactivated


_CARRIED_BY_V1 = ("list_user_emails", "list_hiring_team", "list_openings")


def _get_least_requests(name: str, kind: str, records: int) -> int:
    if kind == "harvest_key" and name in _CARRIED_BY_V1:
        return 0
    return max(1, math.ceil(records / 500))


def _describe_window_use(kind: str, options: argparse.Namespace, used: int) -> str:
    if options.unlimited:
        return "nothing waited for"
    limit, window = (50, 10) if kind == "harvest_key" else (75, 30)
    return f"{(math.ceil(used / limit) - 1) * window} s are the least at this limit"


def _parse_cost(kind: str, url: str) -> Iterator[tuple[str, float]]:
    """Milliseconds from bytes to our records, on one page of each; the sandbox's own bytes."""
    module = v1 if kind == "harvest_key" else v3
    headers = _build_authorization(kind, url)
    version = "v1" if kind == "harvest_key" else "v3"
    for name, reader in (("jobs", "read_job"), ("applications", "read_application"),
                         ("candidates", "read_candidate")):  # fmt: skip
        page = httpx.get(f"{url}/{version}/{name}?per_page=500", headers=headers, timeout=30)
        if page.status_code != 200:  # the window was used up by the reading before
            time.sleep(float(page.headers.get("retry-after", "1")) + 0.1)
            page = httpx.get(f"{url}/{version}/{name}?per_page=500", headers=headers, timeout=30)
        yield name, min(_time_parsing(page.content, getattr(module, reader)) for _ in range(10))


def _time_parsing(body: bytes, read: Callable[..., Any]) -> float:
    started = time.perf_counter()
    records, _ = decode_records(body, read)
    return 1e6 * (time.perf_counter() - started) / len(records)


def _build_authorization(kind: str, url: str) -> dict[str, str]:
    if kind == "harvest_key":
        return {"Authorization": str(_encode_basic_auth(sandbox.ACME_V1_KEY, ""))}
    answer = httpx.post(
        f"{url}/token",
        headers={"Authorization": _encode_basic_auth(*SECRETS[kind].values())},
        data={"grant_type": "client_credentials"},
    )
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def _encode_basic_auth(user: str, password: str) -> str:
    return httpx.BasicAuth(user, password)._auth_header


def _fetch_stats(url: str) -> dict[str, Any]:
    stats: dict[str, Any] = httpx.get(f"{url}/__stats", timeout=10).json()
    return stats


def _get_cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _print_line(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
