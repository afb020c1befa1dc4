"""A consent lives a day: kept alive by the clock, missed in time, ended with words."""

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
    """Acme's, just given; nothing was checked or read with it yet."""
    switch_on(settings)
    go_through(sign_in(cast.ada), sandbox)
    get_broker().purge_queue()
    return Consent.objects.get()


@pytest.fixture
def connection(consent: Consent, work) -> Connection:
    """Live by that consent; everything was read."""
    connection = consent.connection
    queue.enqueue(journey.CHECK, connection.last_check.pk)
    work()
    connection.refresh_from_db()
    assert connection.state == Connection.State.LIVE
    return connection


def _round(work) -> None:
    """What the clock asks for every ten minutes."""
    renewal.renew_due()
    work()


def _open(connection: Connection) -> set[str]:
    found = Issue.objects.filter(organization=connection.organization, closed_at=None)
    return set(found.values_list("cause", flat=True))


@pytest.mark.django_db
def test_the_clock_asks_for_it_every_ten_minutes() -> None:
    schedule = Schedule.objects.get(name="portal.connections.tasks.renew_due")
    assert schedule.minutes == 10


def test_it_is_renewed_when_six_hours_of_its_day_have_gone(consent: Consent, later, work) -> None:
    later(5 * HOUR)
    _round(work)
    consent.refresh_from_db()
    assert consent.number == 1
    later(1.1 * HOUR)
    _round(work)
    _round(work)
    consent.refresh_from_db()
    assert consent.number == 2


def test_so_a_connection_that_nobody_uses_lives_on(
    consent: Consent, sandbox: Sandbox, later, work
) -> None:
    for _ in range(12):  # three days
        later(6.1 * HOUR)
        _round(work)
    consent.refresh_from_db()
    assert (consent.state, consent.number) == ("living", 13)


def test_a_night_without_a_worker_costs_nothing(consent: Consent, later, work) -> None:
    later(14 * HOUR)
    _round(work)
    consent.refresh_from_db()
    assert (consent.state, consent.number) == ("living", 2)


def test_what_could_not_be_renewed_is_an_issue_hours_before_it_ends(
    connection: Connection, sandbox: Sandbox, later, work, quick_retries
) -> None:
    sandbox.faults.add("/token", status=503, times=None)
    later(12 * HOUR)
    _round(work)
    assert _open(connection) == set()  # there is time left, and we try again
    later(6.5 * HOUR)
    _round(work)
    _round(work)
    issue = Issue.objects.get(cause=Cause.CONSENT_ENDING)
    assert issue.severity == Issue.Severity.MUST_ACT
    assert "an admin connects again" in issue.words
    mails = [m for m in mail.outbox if "ends soon" in m.subject + m.body]
    assert mails
    sandbox.faults.clear()
    later(HOUR)
    _round(work)
    issue.refresh_from_db()
    assert issue.closed_why == "the consent was renewed"


def test_connecting_again_closes_it_too(
    consent: Consent, cast, sign_in, sandbox: Sandbox, later, work, quick_retries
) -> None:
    sandbox.faults.add("/token", status=503, times=None)
    later(19 * HOUR)
    _round(work)
    assert _open(consent.connection) == {Cause.CONSENT_ENDING}
    sandbox.faults.clear()
    go_through(sign_in(cast.ada), sandbox)
    assert _open(consent.connection) == set()


def test_a_day_without_renewal_ends_it_and_connecting_again_keeps_everything(
    connection: Connection, consent: Consent, cast, sign_in, sandbox: Sandbox, later, work
) -> None:
    jobs = set(Job.objects.values_list("pk", "remote_id"))
    later(DAY + HOUR)
    _round(work)
    consent.refresh_from_db()
    connection.refresh_from_db()
    assert (consent.state, connection.state) == ("ended", Connection.State.ACTION_NEEDED)
    assert _open(connection) == {Cause.BAD_CREDENTIAL}
    issue = Issue.objects.get(cause=Cause.BAD_CREDENTIAL)
    assert "Please connect again" in issue.words
    ada = sign_in(cast.ada)
    assert "Connect again" in ada.get(CREDENTIAL).content.decode()
    go_through(ada, sandbox)
    work()
    connection.refresh_from_db()
    assert connection.state == Connection.State.LIVE
    assert _open(connection) == set()
    assert set(Job.objects.values_list("pk", "remote_id")) == jobs


def test_a_consent_that_was_taken_back_in_greenhouse_is_told(
    connection: Connection, consent: Consent, sandbox: Sandbox, later, work
) -> None:
    sandbox.withdraw()
    later(7 * HOUR)
    _round(work)
    consent.refresh_from_db()
    connection.refresh_from_db()
    assert (consent.state, connection.state) == ("ended", Connection.State.ACTION_NEEDED)
    assert _open(connection) == {Cause.BAD_CREDENTIAL}


def test_without_the_settings_nothing_is_renewed_and_nothing_ends(
    consent: Consent, settings, later, work
) -> None:
    settings.GREENHOUSE_PARTNER_CLIENT_ID = ""
    later(20 * HOUR)
    _round(work)
    consent.refresh_from_db()
    assert (consent.state, consent.number) == ("living", 1)
