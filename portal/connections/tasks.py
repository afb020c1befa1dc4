from __future__ import annotations

from portal.connections import worker_alerts
from portal.connections.models import CheckRun, FixLink, TokenRevocation
from portal.connections.oauth import renewal, revocation
from portal.connections.permissions import check_runs, fix_link_email, fix_links, monitor
from portal.core import queue
from portal.core.tenancy.scope import all_organizations


@all_organizations("closes the alert of every customer")
def record_heartbeat() -> None:
    worker_alerts.record_heartbeat()


def check_permissions(check_id: int) -> None:
    run = CheckRun.objects.select_related("connection", "credential", "requested_by").get(
        pk=check_id
    )
    check_runs.execute_run(run)


@all_organizations("sweeps all customers")
def recover_lost_checks() -> None:
    """Fail checks whose worker died, and requeue those whose task was lost."""
    check_runs.fail_silent_runs()
    queue.requeue_lost_tasks(check_runs.CHECK_TASK, check_runs.list_unstarted_runs())


@all_organizations("checks every connection that is due")
def check_due_connections() -> None:
    for connection in monitor.list_due_connections():
        monitor.request_check(connection)


def retest_fix_link(link_id: int) -> None:
    links = FixLink.objects.select_related("connection__organization")
    fix_links.run_automatic_test(links.get(pk=link_id))


def send_fix_link_email(link_id: int) -> None:
    links = FixLink.objects.select_related("connection__organization", "created_by")
    fix_link_email.send_email(links.get(pk=link_id))


@all_organizations("sweeps all customers")
def retry_fix_link_emails() -> None:
    fix_link_email.MESSAGES.recover_lost()


@all_organizations("renews every consent that is due")
def renew_due_consents() -> None:
    renewal.enqueue_due_renewals()


def renew_consent(consent_id: int) -> None:
    renewal.renew_consent(consent_id)


def revoke_token(revocation_id: int) -> None:
    revocations = TokenRevocation.objects.select_related("connection")
    if row := revocations.filter(pk=revocation_id).first():
        revocation.revoke_token(row)


@all_organizations("sweeps all customers")
def requeue_lost_revocations() -> None:
    revocation.requeue_lost_revocations()


def report_lost_consent(consent_id: int) -> None:
    renewal.handle_lost_consent(consent_id)


SCHEDULES = {  # minutes
    record_heartbeat: 1,
    retry_fix_link_emails: 1,
    recover_lost_checks: 1,
    renew_due_consents: 10,
    requeue_lost_revocations: 10,
    check_due_connections: 10,
}
