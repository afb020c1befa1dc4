# ruff: noqa: T201  (it talks to its terminal)
"""The portal on two machines behind nginx: one loses its network, then a release goes out.

    sudo .venv/bin/python -m tests.deploy.two_machines [--clicks 60] [--away 25]

Each machine is a network namespace with two web servers and two workers; PostgreSQL, Redis and the
sandbox are shared. People click all the time, each click repeated with its own key until it is
accepted, while full syncs run one after the other.

1. Each click made through one machine is looked up through the other.
2. Each machine in turn loses its network for --away seconds, and gets it back.
3. A release: the search indexes are created by `migrate`, then both machines take over the code in
   turn. No request may fail.

Exits with 1 if anything was lost, doubled, or not seen, or a request of the release failed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.bench.common import migrate, portal_environment, run_process, set_up_django
from tests.bench.customers import Customer, SandboxControl, connect_customers, sandbox_arguments
from tests.bench.tenant_results import Ledger, wait_until_settled
from tests.demo_process import PROJECT, find_free_port
from tests.deploy.clicks import Clicker
from tests.deploy.machines import GATEWAY, Machine, run_machines, run_postgres, run_redis
from tests.deploy.proxies import HOST, run_proxy

SETTLE_SECONDS = 400
SANDBOX_SIZE = (
    "--account-jobs",
    "30",
    "--account-applications",
    "900",
    "--latency",
    "60",
    "--v3-limit",
    "0",
)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--clicks", type=int, default=60, help="in each part")
    parser.add_argument("--away", type=float, default=25, help="seconds without network")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, run_cluster(Path(folder)) as cluster:
        cluster.measure("both machines", options.clicks, lambda: None)
        for machine in cluster.machines:
            name = f"{machine.name} without network"
            cluster.measure(name, options.clicks, _cut_for(machine, options.away))
        failed = cluster.measure("release", options.clicks, cluster.release)
        problems = cluster.find_problems()
    if failed:
        problems.append(f"{failed} requests failed during the release")
    print("\n".join(problems) or "Nothing was lost or doubled. No request of the release failed.")
    return 1 if problems else 0


def _cut_for(machine: Machine, seconds: float) -> Callable[[], None]:
    def cut_and_restore() -> None:
        machine.cut_network()
        time.sleep(seconds)
        machine.restore_network()

    return cut_and_restore


@contextmanager
def run_cluster(folder: Path) -> Iterator[Cluster]:
    """Run both machines and what they share, with a customer that is connected and synced."""
    with ExitStack() as stack:
        machines = stack.enter_context(run_machines("north", "south"))
        database = stack.enter_context(run_postgres(folder))
        port = find_free_port()
        url = f"http://{GATEWAY}:{port}"
        environment = portal_environment(database, url) | {
            "PATH": os.environ["PATH"],
            "REDIS_URL": stack.enter_context(run_redis(folder)),
            "ALLOWED_HOSTS": ",".join([HOST, "testserver", *(m.address for m in machines)]),
            "TRUSTED_PROXIES": "1",
            "WEB_WORKERS": "1",
            "PORTAL_URL": f"https://{HOST}",
            "LOG_LEVEL": "WARNING",
        }
        migrate(database)
        set_up_django(environment)
        sandbox = [*sandbox_arguments(port, 1, *SANDBOX_SIZE), "--host", GATEWAY]
        stack.enter_context(run_process([sys.executable, *sandbox], until_answers=f"{url}/__stats"))
        customer = connect_customers(1)[0]
        log = PROJECT / "artifacts" / "two_machines.log"
        log.parent.mkdir(exist_ok=True)
        log.write_text("")
        for machine in machines:
            machine.start_portal(environment, log)
        servers = [server for machine in machines for server in machine.servers]
        proxy = stack.enter_context(run_proxy("nginx", folder, *servers))
        yield Cluster(machines, customer, SandboxControl(url), proxy, environment, log)


class Cluster:
    """Both machines, and everything that people did to them."""

    def __init__(
        self,
        machines: list[Machine],
        customer: Customer,
        sandbox: SandboxControl,
        proxy: Any,
        environment: dict[str, str],
        log: Path,
    ) -> None:
        self.machines, self._customer = machines, customer
        self._environment, self._log = environment, log
        self._ledger = Ledger(sandbox)
        self._clicker = Clicker(customer, proxy, machines)

    def measure(self, name: str, clicks: int, disturb: Callable[[], None]) -> int:
        """Click while something happens; print what came of it, return the requests that failed."""
        began = time.monotonic()
        disturbance = threading.Thread(target=disturb)
        with _sync_repeatedly(self._customer.connection_id) as syncs:
            self._clicker.click_times(clicks // 3)
            disturbance.start()
            self._clicker.click_times(clicks // 3)
            while disturbance.is_alive():
                self._clicker.click_times(1)
            self._clicker.click_times(clicks // 3)
        settled = wait_until_settled(self._clicker.events, SETTLE_SECONDS)
        self._ledger.collect()
        failed, longest = self._clicker.take_failures()
        print(
            f"{name}: {len(self._clicker.events)} clicks so far, {len(syncs)} syncs requested,"
            f" {time.monotonic() - began:.0f} s; {failed.total()} requests failed and were repeated"
            f" {dict(failed) or ''}; the slowest click was accepted after {longest:.1f} s;"
            f" everything settled {settled:.0f} s after the last",
            flush=True,
        )
        return failed.total()

    def release(self) -> None:
        for command in (["migrate", "jobs", "0001"], ["migrate"]):
            subprocess.run(  # noqa: S603  (ours)
                [sys.executable, "manage.py", *command, "--verbosity", "0"],
                cwd=PROJECT,
                env=self._environment,
                check=True,
            )
        for machine in self.machines:
            machine.release_portal(self._environment, self._log)

    def find_problems(self) -> list[str]:
        problems = self._ledger.find_problems(self._clicker.events, [self._customer])
        return problems + self._clicker.problems + _find_failed_syncs()


@contextmanager
def _sync_repeatedly(connection_id: int) -> Iterator[list[int]]:
    """Request a full sync whenever none is open; yield the list of those requested."""
    stopped, runs = threading.Event(), list[int]()

    def request_syncs() -> None:
        from django.db import connection

        from portal.connections.models import Connection
        from portal.core.tenancy.scope import all_organizations
        from portal.sync.engine import run_lifecycle
        from portal.sync.models import SyncRun

        while not stopped.wait(0.5):
            with all_organizations("the script plays the schedule"):
                if not SyncRun.objects.filter(finished_at=None).exists():
                    customer = Connection.objects.get(pk=connection_id)
                    run_lifecycle.request_sync(customer, SyncRun.Scope.FULL)
                    runs.append(len(runs) + 1)
        connection.close()

    thread = threading.Thread(target=request_syncs)
    thread.start()
    try:
        yield runs
    finally:
        stopped.set()
        thread.join()


def _find_failed_syncs() -> list[str]:
    from portal.sync.models import SyncRun

    deadline = time.monotonic() + SETTLE_SECONDS
    while SyncRun.objects.filter(finished_at=None).exists() and time.monotonic() < deadline:
        time.sleep(1)
    counts = {
        str(status): SyncRun.objects.filter(status=status).count()
        for status in SyncRun.objects.values_list("status", flat=True).distinct().order_by("status")
    }
    print(f"Syncs by status: {counts}")
    wrong = SyncRun.objects.exclude(status=SyncRun.Status.DONE)
    return [f"sync {run.pk} is {run.status}: {run.failure}" for run in wrong]


if __name__ == "__main__":
    raise SystemExit(main())
