"""Consents last a day: scheduled renewal, warnings before the end, and the end."""

from __future__ import annotations

import pytest
from django.core import mail
from django_q.brokers import get_broker
from django_q.models import Schedule

from integrations.greenhouse.sandbox import Sandbox
from portal.connections import renewal
from portal.connections.models import Connection, Consent
from portal.core import queue
from portal.issues.models import Issue
from portal.mirror.models import Job
from portal.onboarding import journey
from tests.portal.consents import CREDENTIAL, go_through, switch_on

HOUR, DAY = 3600, 24 * 3600
Cause = Issue.Cause


@pytest.fixture
def consent(cast, sandbox: Sandbox, settings, sign_in) -> Consent:
    """A new consent of Acme; nothing was checked or read with it yet."""
    switch_on(settings)
    go_through(sign_in(cast.ada), sandbox)
    get_broker().purge_queue()
    return Consent.objects.get()


@pytest.fixture
def connection(consent: Consent, work) -> Connection:
    """A live connection by that consent, fully synced."""
    connection = consent.connection
    queue.enqueue(journey.CHECK, connection.last_check.pk)
    work()
    connection.refresh_from_db()
    assert connection.state == Connection.State.LIVE
    return connection


def _run_renewal(work) -> None:
    """Run the scheduled renewal and its tasks."""
    renewal.renew_due()
    work()


def _open_causes(connection: Connection) -> set[str]:
    issues = Issue.objects.filter(organization=connection.organization, closed_at=None)
    return set(issues.values_list("cause", flat=True))


@pytest.mark.django_db
def test_renewal_scheduled_every_ten_minutes() -> None:
    schedule = Schedule.objects.get(name="portal.connections.tasks.renew_due")
    assert schedule.minutes == 10


def test_consent_renewed_after_six_hours(consent: Consent, later, work) -> None:
    later(5 * HOUR)
    _run_renewal(work)
    consent.refresh_from_db()
    assert consent.number == 1
    later(1.1 * HOUR)
    _run_renewal(work)
    _run_renewal(work)
    consent.refresh_from_db()
    assert consent.number == 2


def test_idle_connection_stays_connected(consent: Consent, sandbox: Sandbox, later, work) -> None:
    for _ in range(12):  # three days
        later(6.1 * HOUR)
        _run_renewal(work)
    consent.refresh_from_db()
    assert (consent.state, consent.number) == ("living", 13)


def test_consent_survives_night_without_worker(consent: Consent, later, work) -> None:
    later(14 * HOUR)
    _run_renewal(work)
    consent.refresh_from_db()
    assert (consent.state, consent.number) == ("living", 2)


def test_failed_renewal_reported_before_consent_ends(
    connection: Connection, sandbox: Sandbox, later, work, quick_retries
) -> None:
    sandbox.faults.add("/token", status=503, times=None)
    later(12 * HOUR)
    _run_renewal(work)
    assert _open_causes(connection) == set()  # there is time for more attempts
    later(6.5 * HOUR)
    _run_renewal(work)
    _run_renewal(work)
    issue = Issue.objects.get(cause=Cause.CONSENT_ENDING)
    assert issue.severity == Issue.Severity.MUST_ACT
    assert "an admin connects again" in issue.words
    mails = [m for m in mail.outbox if "ends soon" in m.subject + m.body]
    assert mails
    sandbox.faults.clear()
    later(HOUR)
    _run_renewal(work)
    issue.refresh_from_db()
    assert issue.closed_why == "the consent was renewed"


def test_reconnecting_closes_renewal_issue(
    consent: Consent, cast, sign_in, sandbox: Sandbox, later, work, quick_retries
) -> None:
    sandbox.faults.add("/token", status=503, times=None)
    later(19 * HOUR)
    _run_renewal(work)
    assert _open_causes(consent.connection) == {Cause.CONSENT_ENDING}
    sandbox.faults.clear()
    go_through(sign_in(cast.ada), sandbox)
    assert _open_causes(consent.connection) == set()


def test_expired_consent_needs_reconnect_and_keeps_data(
    connection: Connection, consent: Consent, cast, sign_in, sandbox: Sandbox, later, work
) -> None:
    jobs = set(Job.objects.values_list("pk", "remote_id"))
    later(DAY + HOUR)
    _run_renewal(work)
    consent.refresh_from_db()
    connection.refresh_from_db()
    assert (consent.state, connection.state) == ("ended", Connection.State.ACTION_NEEDED)
    assert _open_causes(connection) == {Cause.BAD_CREDENTIAL}
    issue = Issue.objects.get(cause=Cause.BAD_CREDENTIAL)
    assert "Please connect again" in issue.words
    ada = sign_in(cast.ada)
    assert "Connect again" in ada.get(CREDENTIAL).content.decode()
    go_through(ada, sandbox)
    work()
    connection.refresh_from_db()
    assert connection.state == Connection.State.LIVE
    assert _open_causes(connection) == set()
    assert set(Job.objects.values_list("pk", "remote_id")) == jobs


def test_revoked_consent_is_reported(
    connection: Connection, consent: Consent, sandbox: Sandbox, later, work
) -> None:
    sandbox.withdraw()
    later(7 * HOUR)
    _run_renewal(work)
    consent.refresh_from_db()
    connection.refresh_from_db()
    assert (consent.state, connection.state) == ("ended", Connection.State.ACTION_NEEDED)
    assert _open_causes(connection) == {Cause.BAD_CREDENTIAL}


def test_nothing_renewed_without_settings(consent: Consent, settings, later, work) -> None:
    settings.GREENHOUSE_PARTNER_CLIENT_ID = ""
    later(20 * HOUR)
    _run_renewal(work)
    consent.refresh_from_db()
    assert (consent.state, consent.number) == ("living", 1)
