# ruff: noqa: T201  (it talks to its terminal)
"""What customers of the benchmark have besides a connection: sessions and webhook endpoints."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.bench.customers import Customer, SandboxControl
from tests.bench.tenant_load import Tenant


def create_tenants(customers: list[Customer], base_url: str) -> list[Tenant]:
    sessions = _sign_in_everybody(customers)
    _create_endpoints(customers)
    return [Tenant(customer, base_url, sessions) for customer in customers]


def _sign_in_everybody(customers: list[Customer]) -> dict[str, str]:
    """Return session keys by address."""
    from django.test import Client

    from portal.accounts.models import User

    addresses = {customer.build_email(name) for customer in customers for name in ("ada", "sam")}
    sessions = {}
    for user in User.objects.filter(email__in=addresses):
        client = Client()
        client.force_login(user)
        sessions[user.email] = client.cookies["sessionid"].value
    return sessions


def _create_endpoints(customers: list[Customer]) -> None:
    from portal.webhooks.models import Endpoint

    Endpoint.objects.bulk_create(
        Endpoint(
            connection_id=customer.connection_id,
            secret=f"secret of {customer.account.name}",
            last_four="ones",
            version=1,
        )
        for customer in customers
    )


def add_requisitions(customer: Customer, sandbox: SandboxControl, count: int) -> None:
    """Open so many more requisitions in Greenhouse, and sync them in this process."""
    from portal.connections.models import Connection
    from portal.sync.engine import run_lifecycle
    from portal.sync.models import SyncRun
    from tests.queue import run_tasks

    for number in range(count):
        sandbox.run_mutation(customer.account.name, "create_job", name=f"Requisition {number}")
    connection = Connection.objects.get(pk=customer.connection_id)
    run_lifecycle.request_sync(connection, SyncRun.Scope.FULL)
    run_tasks()


def drop_queued_refreshes(tenant: Tenant, patience: float) -> None:
    """Pause a customer until none of its refreshes waits, and resume, as its admin would."""
    from portal.connections.models import CheckRun, Connection
    from portal.sync.models import RefreshRequest

    pk = tenant.customer.connection_id
    tenant.admin.post("/setup/pause/")
    refreshes = RefreshRequest.objects.filter(connection=pk)
    _wait_for(lambda: not refreshes.exists(), patience, "its refreshes still wait")
    tenant.admin.post("/setup/resume/")
    usable = Connection.objects.filter(pk=pk, state__in=("live", "degraded"))
    checks = CheckRun.objects.filter(connection=pk, status__in=CheckRun.OPEN)
    _wait_for(lambda: usable.exists() and not checks.exists(), patience, "it is not live again")


def _wait_for(condition: Callable[[], bool], patience: float, problem: str) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            print(f"  the noisy customer was paused and resumed: {problem} after {patience:.0f} s")
            return
        time.sleep(0.5)
