# ruff: noqa: T201  (it talks to its terminal)
"""What connected, quiet customers cost by the hour: queries, CPU and Greenhouse requests.

    DATABASE_URL=postgres://root@127.0.0.1:5432/bench REDIS_URL=redis://127.0.0.1:6379/13 \\
        python -m tests.bench.bench_capacity
    … --few 100 --many 400 --minutes 5

For each size it creates a database named like the one in DATABASE_URL with `_capacity` appended,
connects that many customers to a sandbox in a process of its own, and lets ten simulated minutes
pass: the clock is moved from minute to minute, and in each the scheduled tasks, what a cluster does
each second, and whatever these queue run in one process. Its CPU time is the portal's;
the sandbox, PostgreSQL and Redis are other processes. Minutes before that warm up, and do not
count. Nobody is signed in, and nothing changes in Greenhouse.

Times six, that is an hour by day. Measured apart: what comes on top once a night, a full sync, and
a web server and workers that have nothing to do. Exits with 1 where a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from typing import Any

from tests.bench.common import (
    ROOT,
    Figures,
    is_postgres,
    make_parser,
    own_database,
    parse_arguments,
    portal_environment,
    run_process,
    set_up_django,
)
from tests.bench.customers import SandboxControl, connect_customers, sandbox_arguments
from tests.bench.processes import get_tree_cpu_seconds
from tests.bench.simulated_time import SimulatedPortal
from tests.demo_process import find_free_port

SIZES = {
    "few": (100, 2),
    "many": (1_000, 3),
    "minutes": (10, 2),
    "warm_minutes": (15, 3),  # by then access and changes of each customer were read
    "nightly": (20, 1),
    "idle_seconds": (20, 2),
}
MOST_CPU_SECONDS = 1.8  # per customer-hour, with many
MOST_GROWTH = 1.1  # of that, from few customers to many
MOST_FINDING_QUERIES = 10  # a minute
MOST_REQUESTS = 45  # of Greenhouse per customer-hour
LOADING_SECONDS = 0.2  # of CPU in two seconds; more says that code is being loaded
TOKENS_PER_HOUR = 1  # a token outlives the simulated minutes
MEASURES = {
    "cpu_seconds": "CPU seconds per customer-hour",
    "queries": "queries per customer-hour",
    "requests": "Greenhouse requests per customer-hour",
    "finding_queries": "queries a minute to find due syncs",
    "idle_queries": "queries a minute with nothing due",
    "megabytes": "database MB per customer",
    "setup_seconds": "seconds to set up",
    "nightly_cpu_seconds": "CPU seconds of a nightly full sync",
    "nightly_requests": "Greenhouse requests of a nightly full sync",
}
IDLE = "idle web server and workers, CPU seconds an hour"
LONGEST_IDLE_SECONDS = 30
FIGURES = [
    *(f"{size}, {label}" for size in ("few", "many") for label in MEASURES.values()),
    "growth of CPU per customer-hour",
    IDLE,
]


def main() -> int:
    parser = make_parser(__doc__, SIZES)
    parser.add_argument("--phase", default="", help=argparse.SUPPRESS)
    options = parse_arguments(parser, SIZES)
    if options.phase:
        print(json.dumps(run_phase(options)))
        return 0
    if not (is_postgres() and os.environ.get("REDIS_URL", "none") != "none"):
        raise SystemExit("Set DATABASE_URL to a PostgreSQL database, and REDIS_URL.")
    figures = Figures(FIGURES)
    results = {size: measure_size(size, options, figures) for size in ("few", "many")}
    return figures.finish(options, missed=not print_verdict(results, figures))


def measure_size(size: str, options: argparse.Namespace, figures: Figures) -> dict[str, float]:
    """Measure in a process, a database and a sandbox of its own."""
    port, count = find_free_port(), getattr(options, size)
    url = f"http://127.0.0.1:{port}"
    sandbox = [sys.executable, *sandbox_arguments(port, count, "--v3-limit", "0")]
    with (
        own_database("capacity", options, needs_postgres=True) as database,
        run_process([*sandbox, "--token-limit", "0"], until_answers=f"{url}/__stats"),
    ):
        environment = os.environ | portal_environment(database, url)
        if size == "few":
            measure_idle_processes(options.idle_seconds, environment, figures)
        command = [sys.executable, "-m", "tests.bench.bench_capacity", "--phase", size]
        for name in SIZES:
            command += [f"--{name.replace('_', '-')}", str(getattr(options, name))]
        done = subprocess.run(  # noqa: S603
            command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE
        )
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print(f"{count:,} connected customers, {result['minutes']:.1f} simulated minutes")
    for name, label in MEASURES.items():
        figures.record(f"{size}, {label}", result[name])
        print(f"  {label:<44} {result[name]:10.2f}")
    return result


def measure_idle_processes(seconds: float, environment: dict[str, str], figures: Figures) -> None:
    """Measure a web server and a cluster before there is any customer."""
    web = ["-m", "gunicorn", "--bind", f"127.0.0.1:{find_free_port()}"]
    an_hour = 0.0
    for name, arguments in (("web server", web), ("workers", ["manage.py", "qcluster"])):
        with run_process([sys.executable, *arguments], environment=environment) as process:
            wait_until_idle(process.pid)
            share = measure_idle_share(process.pid, seconds)
        print(f"idle {name}: {share:.0f} CPU seconds an hour")
        an_hour += share
    figures.record(IDLE, an_hour)


def measure_idle_share(pid: int, seconds: float) -> float:
    """Return CPU seconds an hour of an idle process tree, measured for so long or longer.

    The clock of CPU time ticks every 10 ms, which an idle process may need several seconds for.
    """
    began, used_before = time.monotonic(), get_tree_cpu_seconds(pid)
    while True:
        time.sleep(seconds)
        used = get_tree_cpu_seconds(pid) - used_before
        elapsed = time.monotonic() - began
        if used > 0 or elapsed > LONGEST_IDLE_SECONDS:
            return 3600 * used / elapsed


def wait_until_idle(pid: int) -> None:
    """Wait until a process and its children have loaded their code."""
    for _ in range(30):
        used = get_tree_cpu_seconds(pid)
        time.sleep(2)
        if used > 0 and get_tree_cpu_seconds(pid) - used < LOADING_SECONDS:
            return


def print_verdict(results: dict[str, dict[str, float]], figures: Figures) -> bool:
    few, many = results["few"], results["many"]
    growth = many["cpu_seconds"] / few["cpu_seconds"]
    figures.record("growth of CPU per customer-hour", growth)
    finding = max(few["finding_queries"], many["finding_queries"])
    requests = max(few["requests"], many["requests"])
    bars = (
        (f"CPU per customer-hour with many: {many['cpu_seconds']:.2f} s (bar {MOST_CPU_SECONDS})",
         many["cpu_seconds"] <= MOST_CPU_SECONDS),
        (f"{growth:.2f} times that with few (bar {MOST_GROWTH})", growth <= MOST_GROWTH),
        (f"{finding:.0f} queries a minute to find what is due (bar {MOST_FINDING_QUERIES})",
         finding <= MOST_FINDING_QUERIES),
        (f"{requests:.1f} Greenhouse requests per customer-hour (bar {MOST_REQUESTS})",
         requests <= MOST_REQUESTS),
    )  # fmt: skip
    for description, met in bars:
        print(f"  {'met   ' if met else 'MISSED'} {description}")
    return all(met for _, met in bars)


# -- in a process of its own -----------------------------------------------------------------------
def run_phase(options: argparse.Namespace) -> dict[str, float]:
    from django.conf import settings

    set_up_django({})
    count = getattr(options, options.phase)
    sandbox, portal = SandboxControl(settings.GREENHOUSE_API_URL), SimulatedPortal()
    empty_size, began = get_database_megabytes(), time.perf_counter()
    customers = connect_customers(count)
    result: dict[str, Any] = {"setup_seconds": time.perf_counter() - began}
    result["megabytes"] = (get_database_megabytes() - empty_size) / count
    portal.run_minutes(options.warm_minutes)
    sandbox.clear_requests()
    requests = 0
    cpu_seconds, queries, simulated_seconds = 0.0, 0, 0.0
    for _ in range(options.minutes):
        usage = portal.run_minutes(1)
        requests += count_requests(sandbox)
        cpu_seconds += usage.cpu_seconds
        queries += usage.queries
        simulated_seconds += usage.simulated_seconds
    customer_hours = count * simulated_seconds / 3600
    result |= {
        "minutes": simulated_seconds / 60,
        "cpu_seconds": cpu_seconds / customer_hours,
        "queries": queries / customer_hours,
        "requests": requests / customer_hours + TOKENS_PER_HOUR,
        "finding_queries": portal.count_finding_queries(),
        "idle_queries": portal.count_idle_queries(),
    }
    sandbox.clear_requests()
    chosen = [customer.connection_id for customer in customers[: options.nightly]]
    usage = portal.sync_everything(chosen)
    result["nightly_cpu_seconds"] = usage.cpu_seconds / len(chosen)
    result["nightly_requests"] = count_requests(sandbox) / len(chosen)
    return result


def count_requests(sandbox: SandboxControl) -> int:
    """Count the requests since this was last called, without those for tokens."""
    rows = sandbox.list_requests()
    sandbox.clear_requests()
    return sum(not row["path"].startswith("/token") for row in rows)


def get_database_megabytes() -> float:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        return float(cursor.fetchone()[0]) / 1e6


if __name__ == "__main__":
    sys.exit(main())
