# ruff: noqa: T201  (it talks to its terminal)
"""What customers notice of others that misbehave: rounds without and with them, A B A B A B.

    DATABASE_URL=postgres://root@127.0.0.1:5432/bench REDIS_URL=redis://127.0.0.1:6379/13 \\
        python -m tests.bench.bench_tenants
    … --misbehavior slow,limited,noisy,half_requests --rate 1.5 --seconds 30

The real parts, each in processes of its own: gunicorn with two workers of four threads, a worker
cluster with default settings, a sandbox with an account for each customer. It creates a database
named like the one in DATABASE_URL with `_tenants` appended. All customers but the last few do a
fixed mix of things by the clock, at a rate at which the machine's CPU is half in use (found in a
warm-up, unless --rate says it). In B each of the last few misbehaves in its own manner
(tests/bench/tenant_misbehavior.py has the list). Pages are measured until they are answered,
everything else until the database says that it is done. At the end Greenhouse's records and log
are compared with the portal's. Exits with 1 where a bar is missed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.bench.common import (
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
from tests.bench.processes import MachineMeter, get_tree_cpu_seconds, get_tree_memory_megabytes
from tests.bench.tenant_load import MIX, Load, Tenant
from tests.bench.tenant_misbehavior import (
    DEFAULT,
    OTHERS,
    MisbehavingCustomers,
    MisbehaviorPlan,
    build_faults,
)
from tests.bench.tenant_results import (
    Ledger,
    measure_times,
    read_waits,
    wait_until_settled,
    watch_health,
    watch_refreshes,
)
from tests.bench.tenant_setup import add_requisitions, create_tenants, drop_queued_refreshes
from tests.bench.tenant_verdict import LONGEST_WAIT, Round, Verdict
from tests.demo_process import find_free_port

SIZES = {
    "customers": (50, 5),
    "seconds": (60, 8),  # of a round
    "rounds": (3, 1),  # of A and B each
    "warm_seconds": (15, 4),
    "refreshes": (500, 6),  # of the noisy customer in each round
    "details": (10, 2),  # résumés and histories that a misbehaving customer opens at once
    "latency": (25_000, 1_000),  # of the slow customer's Greenhouse, milliseconds
    "retry_after": (60, 2),  # of the limited customer's, seconds
    "settling_seconds": (150, 60),  # in which everything has to end
}
HALF = 0.5  # of the machine's CPU
FIGURES = [
    *(f"{kind}, {part} ms, {name}" for kind in MIX for part in ("p50", "p95") for name in "AB"),
    *(f"check start, {part} ms, B" for part in ("p95", "longest")),
    "healthz, p99 ms, B",
    "own pages, longest ms",
    "CPU share of the machine, A",
    "portal CPU seconds per event, A",
    "memory MB",
]


def main() -> int:
    parser = make_parser(__doc__, SIZES)
    parser.add_argument(
        "--rate", type=float, default=0.0, help="of the load: 10 events a second, times this"
    )
    parser.add_argument(
        "--misbehavior",
        default=",".join(DEFAULT),
        help=f"any of {', '.join([*build_faults(0, 0), *OTHERS])}",
    )
    parser.add_argument("--clusters", type=int, default=1, help="worker clusters, of two workers")
    parser.add_argument("--v3-limit", type=int, default=75, help="Greenhouse's, per 30 s")
    options = parse_arguments(parser, SIZES)
    if not (is_postgres() and os.environ.get("REDIS_URL", "none") != "none"):
        raise SystemExit("Set DATABASE_URL to a PostgreSQL database, and REDIS_URL.")
    figures = Figures(FIGURES)
    with tempfile.TemporaryDirectory() as folder, run_portal(options, Path(folder)) as bench:
        bench.run_all()
        figures.record("memory MB", bench.memory_megabytes)
        return figures.finish(
            options, missed=not Verdict(bench.rounds, bench.problems, figures).print_all()
        )


@contextmanager
def run_portal(options: argparse.Namespace, sleep_log: Path) -> Iterator[TenantBench]:
    """Run all parts, with every customer connected."""
    port, web_port = find_free_port(), find_free_port()
    url, web_url = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{web_port}"
    sandbox = sandbox_arguments(port, options.customers, "--v3-limit", str(options.v3_limit))
    with ExitStack() as stack:
        database = stack.enter_context(own_database("tenants", options, needs_postgres=True))
        settings = {
            "DJANGO_SETTINGS_MODULE": "tests.bench.tenant_settings",
            "BENCH_SLEEP_LOG": str(sleep_log),
            "WEB_PORT": str(web_port),
            "PORTAL_URL": web_url,
        }
        set_up_django(portal_environment(database, url) | settings)
        stack.enter_context(run_process([sys.executable, *sandbox], until_answers=f"{url}/__stats"))
        control, names = SandboxControl(url), options.misbehavior.split(",")
        customers = connect_customers(options.customers)
        if "noisy" in names:
            noisy = customers[len(customers) - len(names) + names.index("noisy")]
            add_requisitions(noisy, control, options.refreshes)
        tenants = create_tenants(customers, web_url)
        workers = [
            stack.enter_context(run_process([sys.executable, "manage.py", "qcluster"]))
            for _ in range(options.clusters)
        ]
        web = stack.enter_context(
            run_process([sys.executable, "-m", "gunicorn"], until_answers=f"{web_url}/healthz")
        )
        pids = [process.pid for process in (web, *workers)]
        plan = MisbehaviorPlan(
            names,
            tenants[-len(names) :],
            url,
            refreshes=options.refreshes,
            details=options.details,
            latency_ms=options.latency,
            retry_after=options.retry_after,
        )
        misbehaving = stack.enter_context(MisbehavingCustomers(plan))
        yield TenantBench(options, tenants, control, web_url, pids, sleep_log, misbehaving)


class TenantBench:
    """The rounds, and what was measured in them."""

    def __init__(
        self,
        options: argparse.Namespace,
        tenants: list[Tenant],
        sandbox: SandboxControl,
        web_url: str,
        pids: list[int],
        sleep_log: Path,
        misbehaving_customers: MisbehavingCustomers,
    ) -> None:
        self.options, self.sandbox, self.web_url = options, sandbox, web_url
        self.names: list[str] = options.misbehavior.split(",")
        self.quiet, self.misbehaving = tenants[: -len(self.names)], tenants[-len(self.names) :]
        self.ledger, self.load = Ledger(sandbox), Load(self.quiet, sandbox)
        self.rounds: list[Round] = []
        self.memory_megabytes = 0.0
        self.problems: list[str] = []
        self._pids, self._sleep_log = pids, sleep_log
        self._misbehaving_customers = misbehaving_customers
        self._rate = options.rate or float(options.small)  # a small run finds no rate

    def run_all(self) -> None:
        self._warm_up()
        for _ in range(self.options.rounds):
            for name in ("A", "B"):
                self.rounds.append(self._run_round(name))
        self.memory_megabytes = get_tree_memory_megabytes(self._pids)
        events = [event for each in self.rounds for event in each.events]
        customers = [tenant.customer for tenant in self.quiet]
        self.problems = self.ledger.find_problems(events, customers)

    def _warm_up(self) -> None:
        """Load every page once, then find the rate at which half of the CPU is in use."""
        rate = self._rate or 0.5
        # The last one is longer, so that it has what is done once a minute.
        for times in (1, 1, 4):
            meter = MachineMeter()
            with watch_refreshes(lambda: self.load.events):
                events = self.load.run(times * self.options.warm_seconds, rate)
                share = meter.get_share()
                print(f"warm-up: rate {rate:.2f}, {share:.0%} of the machine's CPU")
                wait_until_settled(events, self.options.settling_seconds)
            if self._rate:
                break
            rate = min(2.5 * rate, max(0.3, rate * HALF / max(share, 0.05)))
        self._rate = rate
        self.ledger.collect()

    def _run_round(self, name: str) -> Round:
        current = Round(name, time.time())
        meter, cpu = MachineMeter(), self._get_cpu_seconds()
        with ExitStack() as stack:
            stack.enter_context(watch_health(self.web_url, current.health))
            if name == "B":
                stack.enter_context(self._misbehaving_customers.misbehave(current.own_events))
            stack.enter_context(watch_refreshes(lambda: self.load.events))
            self.load.run(self.options.seconds, self._rate)
            current.events = self.load.events
            window = (current.began_at, time.time())
            current.cpu_share = meter.get_share()
            current.settling_seconds = wait_until_settled(
                current.events, self.options.settling_seconds
            )
            current.portal_cpu_seconds = self._get_cpu_seconds() - cpu
        current.times = measure_times(current.events, window)
        for role, waits in (("workers", current.worker_waits), ("web", current.web_waits)):
            waits += read_waits(self._sleep_log, role, current.began_at)
        print_round(current)
        self._calm_down(name)
        return current

    def _calm_down(self, name: str) -> None:
        if name == "B" and "noisy" in self.names:
            noisy = self.misbehaving[self.names.index("noisy")]
            drop_queued_refreshes(noisy, self.options.settling_seconds)
        wait_for_empty_queue(self.options.settling_seconds)
        self.ledger.collect()

    def _get_cpu_seconds(self) -> float:
        return sum(map(get_tree_cpu_seconds, self._pids))


def wait_for_empty_queue(patience: float) -> None:
    """Wait until nothing of anybody waits or runs."""
    from portal.applications.models import ApplicationAction
    from portal.sync.models import RefreshRequest, SyncRun
    from portal.webhooks.models import Delivery

    waiting = (
        RefreshRequest.objects.all(),
        SyncRun.objects.filter(status__in=SyncRun.OPEN),
        Delivery.objects.filter(outcome=Delivery.Outcome.WAITING),
        ApplicationAction.objects.filter(status__in=ApplicationAction.OPEN_STATUSES),
    )
    deadline = time.monotonic() + patience
    while any(rows.exists() for rows in waiting):
        if time.monotonic() > deadline:
            left = {rows.model.__name__: rows.count() for rows in waiting if rows.exists()}
            print(f"  still waiting after {patience:.0f} s: {left}")
            return
        time.sleep(0.5)


def print_round(current: Round) -> None:
    slept = sum(wait.seconds for wait in current.worker_waits)
    long_waits = sum(wait.seconds for wait in current.worker_waits if wait.seconds > LONGEST_WAIT)
    print(
        f"{current.name}: {len(current.events)} events, {current.cpu_share:.0%} of the CPU, "
        f"settled {current.settling_seconds:.0f} s later; workers slept {slept:.1f} s for "
        f"Greenhouse, {long_waits:.1f} s of that in waits over {LONGEST_WAIT} s"
    )


if __name__ == "__main__":
    sys.exit(main())
