"""Consents last a day: scheduled renewal, warnings before the end, and the end."""

from __future__ import annotations

import pytest
from django.core import mail
from django_q.brokers import get_broker
from django_q.models import Schedule

from integrations.greenhouse.sandbox import Sandbox
from portal.connections.models import Connection, Consent
from portal.connections.oauth import renewal
from portal.connections.permissions import check_runs
from portal.core import queue
from portal.issues.models import Issue
from portal.sync.models import Job
from tests.portal.consent_flow import CREDENTIAL_URL, complete_authorization, enable_oauth_app

HOUR, DAY = 3600, 24 * 3600
Cause = Issue.Cause


@pytest.fixture
def consent(personas, sandbox: Sandbox, settings, sign_in) -> Consent:
    """A new consent of Acme; nothing was checked or read with it yet."""
    enable_oauth_app(settings)
    complete_authorization(sign_in(personas.ada), sandbox)
    get_broker().purge_queue()
    return Consent.objects.get()


@pytest.fixture
def connection(consent: Consent, run_tasks) -> Connection:
    """A live connection by that consent, fully synced."""
    connection = consent.connection
    queue.enqueue_task(
        check_runs.CHECK_TASK,
        connection.last_check.pk,
        organization_id=connection.organization_id,
    )
    run_tasks()
    connection.refresh_from_db()
    assert connection.state == Connection.State.LIVE
    return connection


def _run_renewal(run_tasks) -> None:
    """Run the scheduled renewal and its tasks."""
    renewal.enqueue_due_renewals()
    run_tasks()


def _open_causes(connection: Connection) -> set[str]:
    issues = Issue.objects.filter(organization=connection.organization, closed_at=None)
    return set(issues.values_list("cause", flat=True))


@pytest.mark.django_db
def test_renewal_scheduled_every_ten_minutes() -> None:
    schedule = Schedule.objects.get(name="portal.connections.tasks.renew_due_consents")
    assert schedule.minutes == 10


def test_consent_renewed_after_six_hours(consent: Consent, advance_clock, run_tasks) -> None:
    advance_clock(5 * HOUR)
    _run_renewal(run_tasks)
    consent.refresh_from_db()
    assert consent.token_number == 1
    advance_clock(1.1 * HOUR)
    _run_renewal(run_tasks)
    _run_renewal(run_tasks)
    consent.refresh_from_db()
    assert consent.token_number == 2


def test_idle_connection_stays_connected(
    consent: Consent, sandbox: Sandbox, advance_clock, run_tasks
) -> None:
    for _ in range(12):  # three days
        advance_clock(6.1 * HOUR)
        _run_renewal(run_tasks)
    consent.refresh_from_db()
    assert (consent.state, consent.token_number) == ("active", 13)


def test_consent_survives_night_without_worker(consent: Consent, advance_clock, run_tasks) -> None:
    advance_clock(14 * HOUR)
    _run_renewal(run_tasks)
    consent.refresh_from_db()
    assert (consent.state, consent.token_number) == ("active", 2)


def test_failed_renewal_reported_before_consent_ends(
    connection: Connection, sandbox: Sandbox, advance_clock, run_tasks, quick_retries
) -> None:
    sandbox.faults.add_fault("/token", status=503, times=None)
    advance_clock(12 * HOUR)
    _run_renewal(run_tasks)
    assert _open_causes(connection) == set()  # there is time for more attempts
    advance_clock(6.5 * HOUR)
    _run_renewal(run_tasks)
    _run_renewal(run_tasks)
    issue = Issue.objects.get(cause=Cause.CONSENT_EXPIRING)
    assert issue.severity == Issue.Severity.CRITICAL
    assert "To be safe, connect again" in issue.description
    mails = [m for m in mail.outbox if "about to expire" in m.subject + m.body]
    assert mails
    sandbox.faults.clear_faults()
    advance_clock(HOUR)
    _run_renewal(run_tasks)
    issue.refresh_from_db()
    assert issue.resolution == "the consent was renewed"


def test_reconnecting_closes_renewal_issue(
    consent: Consent, personas, sign_in, sandbox: Sandbox, advance_clock, run_tasks, quick_retries
) -> None:
    sandbox.faults.add_fault("/token", status=503, times=None)
    advance_clock(19 * HOUR)
    _run_renewal(run_tasks)
    assert _open_causes(consent.connection) == {Cause.CONSENT_EXPIRING}
    sandbox.faults.clear_faults()
    complete_authorization(sign_in(personas.ada), sandbox)
    assert _open_causes(consent.connection) == set()


def test_expired_consent_needs_reconnect_and_keeps_data(
    connection: Connection,
    consent: Consent,
    personas,
    sign_in,
    sandbox: Sandbox,
    advance_clock,
    run_tasks,
) -> None:
    jobs = set(Job.objects.values_list("pk", "remote_id"))
    advance_clock(DAY + HOUR)
    _run_renewal(run_tasks)
    consent.refresh_from_db()
    connection.refresh_from_db()
    assert (consent.state, connection.state) == ("ended", Connection.State.ACTION_NEEDED)
    assert _open_causes(connection) == {Cause.BAD_CREDENTIAL}
    issue = Issue.objects.get(cause=Cause.BAD_CREDENTIAL)
    assert "Connect again" in issue.description
    ada = sign_in(personas.ada)
    assert "Connect again" in ada.get(CREDENTIAL_URL).content.decode()
    complete_authorization(ada, sandbox)
    run_tasks()
    connection.refresh_from_db()
    assert connection.state == Connection.State.LIVE
    assert _open_causes(connection) == set()
    assert set(Job.objects.values_list("pk", "remote_id")) == jobs


def test_revoked_consent_is_reported(
    connection: Connection, consent: Consent, sandbox: Sandbox, advance_clock, run_tasks
) -> None:
    sandbox.withdraw_consents()
    advance_clock(7 * HOUR)
    _run_renewal(run_tasks)
    consent.refresh_from_db()
    connection.refresh_from_db()
    assert (consent.state, connection.state) == ("ended", Connection.State.ACTION_NEEDED)
    assert _open_causes(connection) == {Cause.BAD_CREDENTIAL}


def test_nothing_renewed_without_settings(
    consent: Consent, settings, advance_clock, run_tasks
) -> None:
    settings.GREENHOUSE_PARTNER_CLIENT_ID = ""
    advance_clock(20 * HOUR)
    _run_renewal(run_tasks)
    consent.refresh_from_db()
    assert (consent.state, consent.token_number) == ("active", 1)
