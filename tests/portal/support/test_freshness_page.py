"""The freshness promise on the customer's page, in the list of customers and in metrics."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from portal.connections.models import Connection
from portal.sync import schedule, tasks
from tests.personas import Personas
from tests.portal.sync.freshness_helpers import (
    HOUR,
    MINUTE,
    NOON,
    Scope,
    complete_run,
    create_synced_connection,
    move_connection,
    sync_on_schedule,
)
from tests.portal.sync.freshness_helpers import acme as acme
from tests.portal.sync.freshness_helpers import record_at as record_at

BOARD = reverse("admin:accounts_organization_changelist")
METRICS = reverse("metrics")
pytestmark = pytest.mark.usefixtures("personas")  # they come before the clock stands still


def _read_section(client: Client, connection: Connection) -> str:
    """Return the text of the customer's page about freshness."""
    url = reverse("admin:accounts_organization_summary", args=[connection.organization_id])
    page = client.get(url).content.decode()
    section = page.split('aria-labelledby="freshness"')[1].split("</section>")[0]
    text = unescape(re.sub(r"<[^>]+>", " ", section.split(">", 1)[1]))
    return " ".join(text.split())


def _read_metrics(client: Client) -> dict[str, float]:
    lines = client.get(METRICS).content.decode().splitlines()
    samples = [line.rsplit(" ", 1) for line in lines if line.startswith("portal_freshness")]
    return {name: float(value) for name, value in samples}


def _list_shares(client: Client, **query: str) -> list[tuple[str, str]]:
    rows = client.get(BOARD, query).content.decode().split('class="support-name"')[1:]
    return [
        (
            row.split(">", 1)[1].split("<")[0],
            row.split('field-within_promise">')[1].split("<")[0],
        )
        for row in rows
    ]


# -- customer's page -----------------------------------------------------------------------------
def test_page_shows_share_and_time_outside(acme, record_at, personas: Personas, sign_in) -> None:
    sync_on_schedule(acme, NOON, NOON + 2 * HOUR)
    sync_on_schedule(acme, NOON + 5 * HOUR, NOON + 30 * HOUR)
    record_at(NOON + 30 * HOUR)
    section = _read_section(sign_in(personas.cas), acme)
    assert "Below objective Within promise: 90.3% of 30 h measured" in section
    # Data was last read at 13:45 and 17:00, people at 13:55.
    assert (
        "Requisitions and applications at most 30 minutes old 100% 90.8% 90.8% 2 h 44 min"
        in section
    )
    assert "People and their access at most 10 minutes old 100% 90.3% 90.3% 2 h 54 min" in section
    assert "2 h 54 min last 2 Mar, 16:00" in section
    assert "Objective: 99%." in section


def test_page_includes_minutes_not_recorded_yet(
    acme, record_at, personas: Personas, sign_in, time_machine
) -> None:
    """Nobody records while no worker runs."""
    sync_on_schedule(acme, NOON, NOON + HOUR)
    record_at(NOON + HOUR)
    cas = sign_in(personas.cas)
    assert "OK Within promise: 100% of 1 h measured" in _read_section(cas, acme)
    time_machine.move_to(NOON + 2 * HOUR, tick=False)
    section = _read_section(cas, acme)
    assert "Critical Requisitions and applications were older than promised for 45 min" in section
    assert (
        "People and their access were older than promised for 55 min of the last hour." in section
    )
    assert "54.1% of 2 h measured in the last 30 days, 55 min outside." in section


def test_page_before_first_sync_says_so(record_at, personas: Personas, sign_in) -> None:
    acme = create_synced_connection()
    acme.syncs.all().delete()
    record_at(NOON + HOUR)
    section = _read_section(sign_in(personas.cas), acme)
    assert "Not started Nothing measured yet." in section


@pytest.mark.slow("connects to a sandbox and syncs twice")
@pytest.mark.parametrize("sandbox", [{"jobs": 6}], indirect=True)
def test_real_sync_counts_as_within(
    connect, personas: Personas, sign_in, advance_clock, run_tasks
) -> None:
    tasks.record_freshness()
    acme = connect()
    advance_clock(6 * 60)
    schedule.request_due_syncs()
    run_tasks()
    tasks.record_freshness()
    section = _read_section(sign_in(personas.cas), acme)
    assert "OK Within promise: 100%" in section


# -- list ------------------------------------------------------------------------------------------
@pytest.mark.slow("loads the list of customers three times")
def test_list_sorts_and_filters_by_share(acme, record_at, personas: Personas, sign_in) -> None:
    fresh = create_synced_connection("Fresh")
    create_synced_connection("Unsynced").syncs.all().delete()
    sync_on_schedule(fresh, NOON, NOON + 2 * HOUR)
    record_at(NOON + 2 * HOUR)
    cas = sign_in(personas.cas)
    index = cas.get(BOARD).context["cl"].list_display.index("within_promise")
    shares = _list_shares(cas, o=str(index))
    assert shares[0] == ("Acme", "8.3%")
    assert {("Fresh", "100%"), ("Unsynced", "–")} < set(shares[1:])
    assert not _list_shares(cas, freshness="used_up")
    sync_on_schedule(fresh, NOON + 2 * HOUR, NOON + 10 * HOUR)
    record_at(NOON + 10 * HOUR)
    assert _list_shares(cas, freshness="used_up") == [("Acme", "1.6%")]
    assert ("Fresh", "100%") in _list_shares(cas, freshness="left")


@pytest.mark.slow("loads three pages of 20 customers")
def test_pages_cost_constant_queries(acme, record_at, personas: Personas, sign_in) -> None:
    ola = sign_in(personas.ola)
    urls = (
        BOARD,
        METRICS,
        reverse("admin:accounts_organization_summary", args=[acme.organization_id]),
    )

    def count_queries() -> dict[str, int]:
        counts = {}
        for url in urls:
            with CaptureQueriesContext(database) as captured:
                assert ola.get(url).status_code == 200
            counts[url] = len(captured)
        return counts

    record_at(NOON + 2 * HOUR)
    count_queries()
    single = count_queries()
    for number in range(19):
        create_synced_connection(f"Customer {number}")
    record_at(NOON + 2 * HOUR)
    assert count_queries() == single


# -- metrics ---------------------------------------------------------------------------------------
def test_metrics_count_minutes_of_all(acme, record_at, personas: Personas, sign_in) -> None:
    sync_on_schedule(create_synced_connection("Fresh"), NOON, NOON + HOUR)
    record_at(NOON + HOUR)
    metrics = _read_metrics(sign_in(personas.ola))
    assert metrics["portal_freshness_objective_ratio"] == 0.99
    assert metrics['portal_freshness_minutes_total{kind="data",result="within"}'] == 30 + 60
    assert metrics['portal_freshness_minutes_total{kind="data",result="outside"}'] == 30
    assert metrics['portal_freshness_minutes_total{kind="access",result="outside"}'] == 50
    assert metrics['portal_freshness_burning_customers{kind="data",speed="fast"}'] == 1
    assert metrics['portal_freshness_burning_customers{kind="data",speed="slow"}'] == 0
    assert metrics["portal_freshness_recorded_age_seconds"] == 0


def test_metrics_labels_independent_of_customers(
    acme, record_at, personas: Personas, sign_in
) -> None:
    ola = sign_in(personas.ola)
    record_at(NOON + HOUR)
    names = _read_metrics(ola).keys()
    for number in range(20):
        create_synced_connection(f"Customer {number}")
    record_at(NOON + 2 * HOUR)
    assert _read_metrics(ola).keys() == names
    assert len(names) == 10
    assert not any("Customer" in name or "Acme" in name for name in names)


def test_metrics_burn_without_workers(
    acme, record_at, personas: Personas, sign_in, time_machine
) -> None:
    sync_on_schedule(acme, NOON, NOON + HOUR)
    record_at(NOON + HOUR)
    burning = 'portal_freshness_burning_customers{kind="data",speed="fast"}'
    ola = sign_in(personas.ola)
    assert _read_metrics(ola)[burning] == 0
    time_machine.move_to(NOON + 2 * HOUR, tick=False)
    metrics = _read_metrics(ola)
    assert metrics[burning] == 1
    assert metrics["portal_freshness_recorded_age_seconds"] == 3600


def test_metrics_only_grow(acme, record_at, personas: Personas, sign_in) -> None:
    """Prometheus takes a counter that falls for one that started again."""
    ola, totals = sign_in(personas.ola), []
    for minutes in (30, 90, 20, 95):
        record_at(NOON + minutes * MINUTE)
        metrics = _read_metrics(ola)
        totals.append(metrics['portal_freshness_minutes_total{kind="data",result="outside"}'])
    assert totals == sorted(totals)


def test_paused_customer_keeps_earlier_share(
    acme, record_at, personas: Personas, sign_in, time_machine
) -> None:
    sync_on_schedule(acme, NOON, NOON + HOUR)
    complete_run(acme, NOON + HOUR, Scope.FULL)
    record_at(NOON + HOUR)
    move_connection(acme, Connection.State.PAUSED)
    record_at(NOON + 50 * HOUR)
    assert "100% of 1 h measured in the last 30 days" in _read_section(sign_in(personas.cas), acme)
